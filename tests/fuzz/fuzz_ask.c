/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: bodies of /v1/query and /v1/choose. They are taken or refused as another parser has it, and what is
 * taken is what that one read, whatever lies behind the body.
 *
 * The first byte says of which of the two, and what lies behind; the others are the body.
 */
#include "tests/fuzz/ask_oracle.h"
#include "tests/fuzz/behind.h"
#include "tests/fuzz/draft.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX 1000 /* no nesting is too deep then */

static struct ask_reader *reader;

void fuzz_setup(void)
{
	reader = ask_reader_new();
	FUZZ_CHECK(reader);
}

void fuzz_fresh(void)
{
	ask_reader_free(reader);
	fuzz_setup();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	char fault[ASK_FAULT_BYTES] = "";
	const struct ask *ask = NULL;
	enum ask_kind kind;
	char *json;
	int r;

	if (count == 0 || count > BODY_MAX)
		return 0;
	kind = bytes[0] & 1 ? ASK_CHOICE : ASK_QUERY;
	count--;
	json = behind_put(bytes + 1, count, bytes[0] >> 1);
	r = ask_read(reader, json, count, kind, &ask, fault);
	FUZZ_CHECK(r == 0 || r == -EBADMSG || r == -EINVAL);
	FUZZ_CHECK((r < 0) == (fault[0] != 0) && memchr(fault, 0, sizeof(fault)));
	FUZZ_CHECK(ask_oracle(json, count, kind, r, ask));
	free(json);
	return 0;
}

static void put_prompt(struct draft *draft)
{
	static const char *const forms[] = {"tokens", "local_hashes", "prefix_hashes"};
	static const char *const more[] = {"\"lora_name\":\"a\"",
					   "\"cache_salt\":\"\\u00e9\"",
					   "\"extra_keys\":[[\"image\",3.5],null,-0]",
					   "\"mm_keys\":[{\"hash\":\"x\"},18446744073709551615]",
					   "\"eagle\":true",
					   "\"eagle\":null",
					   "\"whatever\":1"};

	draft_put(draft, "{\"%s\":", forms[draft_roll(draft, draft_roll(draft, 2) ? 1 : 3)]);
	if (draft_roll(draft, 12))
		draft_put_numbers(draft);
	else
		draft_put_value(draft);
	for (uint32_t i = draft_roll(draft, 3); i > 0; i--)
		draft_put(draft, ",%s", more[draft_roll(draft, draft_roll(draft, 6) ? 5 : 7)]);
	draft_put(draft, "}");
}

static void put_list(struct draft *draft, void (*put)(struct draft *draft))
{
	uint32_t count = draft_roll(draft, 8) ? 1 + draft_roll(draft, 3) : 0;

	draft_put(draft, "[");
	for (uint32_t i = 0; i < count; i++) {
		draft_put(draft, "%s", i ? "," : "");
		put(draft);
	}
	draft_put(draft, "]");
}

static void put_load(struct draft *draft)
{
	draft_put(draft, "{\"worker\":");
	if (draft_roll(draft, 4))
		draft_put(draft, "%u", draft_roll(draft, 5));
	else
		draft_put_value(draft);
	if (draft_roll(draft, 2))
		draft_put(draft, ",\"dp_rank\":%u", draft_roll(draft, 3));
	if (draft_roll(draft, 2)) {
		draft_put(draft, ",\"load\":");
		draft_put_value(draft);
	}
	draft_put(draft, "}");
}

size_t fuzz_seed(uint64_t number, uint8_t *ret_bytes, size_t capacity)
{
	static const char *const more[] = {"tenant", "min_state", "block_tokens", "overlap_weight"};
	struct draft draft = {number, (char *)ret_bytes + 1, capacity - 1};

	ret_bytes[0] = (uint8_t)draft_roll(&draft, 16);
	draft_put(&draft, "{\"model\":\"m\"");
	if (ret_bytes[0] & 1) {
		draft_put(&draft, ",\"prompt\":");
		put_prompt(&draft);
		draft_put(&draft, ",\"loads\":");
		put_list(&draft, put_load);
	} else {
		draft_put(&draft, ",\"prompts\":");
		put_list(&draft, put_prompt);
	}
	for (uint32_t i = draft_roll(&draft, 3); i > 0; i--) {
		draft_put(&draft, ",\"%s\":", more[draft_roll(&draft, 4)]);
		draft_put_value(&draft);
	}
	draft_put(&draft, "%s", draft_roll(&draft, 16) ? "}" : "}]");
	return (size_t)((uint8_t *)draft.at - ret_bytes);
}
