/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: bodies of Dynamo's routes. They are taken or refused as another parser has it, and what is taken
 * is what that one read, whatever lies behind the body.
 *
 * The first byte says which route's members are required, and what lies behind; the others are the body.
 */
#include "tests/fuzz/behind.h"
#include "tests/fuzz/body_oracle.h"
#include "tests/fuzz/draft.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX 1000 /* no nesting is too deep then */

static struct body_reader *reader;

void fuzz_setup(void)
{
	reader = body_reader_new();
	FUZZ_CHECK(reader);
}

void fuzz_fresh(void)
{
	body_reader_free(reader);
	fuzz_setup();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static const uint32_t required[] = {
		BODY_TOKEN_IDS | BODY_MODEL_NAME,
		BODY_BLOCK_HASHES | BODY_MODEL_NAME,
		BODY_INSTANCE_ID | BODY_ENDPOINT | BODY_MODEL_NAME | BODY_BLOCK_SIZE,
		BODY_URL,
	};
	char fault[BODY_FAULT_BYTES] = "";
	const struct body *body = NULL;
	uint32_t never_null;
	uint8_t form;
	char *json;
	int r;

	if (count == 0 || count > BODY_MAX)
		return 0;
	form = bytes[0];
	count--;
	json = behind_put(bytes + 1, count, form >> 2);
	never_null = required[form & 3] | (form & 3 ? 0 : BODY_ROUTING_GROUP);
	r = body_read(reader, json, count, required[form & 3], never_null, &body, fault);
	FUZZ_CHECK(r == 0 || r == -EBADMSG || r == -EINVAL);
	FUZZ_CHECK((r < 0) == (fault[0] != 0) && memchr(fault, 0, sizeof(fault)));
	FUZZ_CHECK(body_oracle(json, count, required[form & 3], never_null, r, body));
	free(json);
	return 0;
}

static void put_member(struct draft *draft, uint32_t *said)
{
	static const char *const names[] = {"token_ids",   "block_hashes", "model_name",
					    "instance_id", "endpoint",     "block_size",
					    "url",         "dp_rank",      "routing_group",
					    "lora_name",   "cache_salt",   "replay_endpoint",
					    "\\u0075rl",   "whatever",     "\\ud800"};
	uint32_t i = draft_roll(draft, sizeof(names) / sizeof(names[0]));

	if (*said & 1u << i && draft_roll(draft, 8))
		return;
	draft_put(draft, "%s\"%s\":", *said ? "," : "", names[i]);
	*said |= 1u << i;
	if (draft_roll(draft, 6) == 0)
		draft_put_value(draft);
	else if (i < 2)
		draft_put_numbers(draft);
	else if (i == 3 || i == 5 || i == 7)
		draft_put(draft, "%u", draft_roll(draft, 100));
	else
		draft_put(draft, "\"m\"");
}

size_t fuzz_seed(uint64_t number, uint8_t *ret_bytes, size_t capacity)
{
	struct draft draft = {number, (char *)ret_bytes + 1, capacity - 1};
	uint32_t said = 0;

	ret_bytes[0] = (uint8_t)draft_roll(&draft, 32);
	draft_put(&draft, "{");
	for (uint32_t i = 1 + draft_roll(&draft, 12); i > 0; i--)
		put_member(&draft, &said);
	draft_put(&draft, "%s", draft_roll(&draft, 16) ? "}" : "} x");
	return (size_t)((uint8_t *)draft.at - ret_bytes);
}
