/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: events that engines really sent, as they were decoded: ringdex-feed reads each, and what
 * it then holds, leaves out or does not know is what it should. Reads
 * ../shared/reference/vectors/engine-payloads.jsonl, and is skipped without it; test_feed_cases and
 * test_engine_* have small events of their own for each rule.
 */
#include "tests/feed_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define PAYLOADS RDX_SOURCE_DIR "/../shared/reference/vectors/engine-payloads.jsonl"

/* By its comment's beginning: what one payload must come to, alone in its rank. */
static const struct expected {
	const char *comment;
	uint64_t held;    /* in the device */
	uint8_t inexact;  /* 0 or RDX_INEXACT_... */
	const char *said; /* in what feed says; NULL: no warning */
} expected[] = {
	{"BlockStored root: parent nil", 2, 0, NULL},
	/* alone, its parent is unknown */
	{"BlockStored child", 0, RDX_INEXACT_LACKING, "3 blocks dropped: unknown parent"},
	{"BlockStored with LoRA", 2, 0, NULL},
	{"BlockStored with cache salt", 3, 0, NULL},
	{"BlockStored, digests as 32-byte bin", 0, RDX_INEXACT_LACKING, "unknown parent"},
	{"BlockRemoved", 0, RDX_INEXACT_LACKING, "did not begin at the engine's birth"},
	{"AllBlocksCleared", 0, 0, NULL},
	/* one of two stores has an unknown parent */
	{"one engine step", 1, RDX_INEXACT_LACKING, "did not begin at the engine's birth"},
	{"hybrid model", 2, 0, "note: worker 1 rank 3: 1 event left out: of a cache group"},
	{"CPU-tier placeholder", 0, RDX_INEXACT_LACKING, "given by name only"},
	{"integer widths", 0, RDX_INEXACT_LACKING, "12 removals ignored"},
	{"BlockStored with session_id", 1, 0, NULL},
	{"BlockStored with lookahead_token_ids", 0, RDX_INEXACT_LACKING, "unknown parent"},
	{"BlockStored root, page 16", 2, 0, NULL},
	{"BlockStored with cache_salt, session_id", 2, 0, NULL},
	{"BlockStored, host tier", 0, 0, NULL},
	{"BlockStored, EAGLE", 1, 0, NULL},
	{"BlockStored, page size 1", 5, 0, NULL},
	{"signed extremes", 0, RDX_INEXACT_LACKING, "11 removals ignored"},
};

static const struct expected *find(const char *comment)
{
	const struct expected *found = NULL;

	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		size_t length = strlen(expected[i].comment);

		if (strncmp(comment, expected[i].comment, length) == 0 &&
		    (!found || length > strlen(found->comment)))
			found = &expected[i];
	}
	if (!found)
		print_error("nothing is expected of: %s\n", comment);
	assert_non_null(found);
	return found;
}

/* The events with a worker, a line each. `ret_block`: their block size. */
static char *lines_of(struct json_object *decoded, uint64_t *ret_block)
{
	struct json_object *events = member(decoded, "events"), *size;
	struct json_object *rank = member(decoded, "data_parallel_rank");
	size_t length, count = json_object_array_length(events);
	char *text = NULL;
	FILE *file = open_memstream(&text, &length);

	*ret_block = 16;
	for (size_t i = 0; i < count; i++) {
		struct json_object *event = json_object_array_get_idx(events, i);

		json_object_object_add(event, "worker", json_object_new_int(1));
		json_object_object_add(event, "data_parallel_rank", json_object_get(rank));
		json_object_object_add(event, "ts", json_object_new_double(1.5));
		fprintf(file, "%s\n", json_object_to_json_string(event));
		if (json_object_object_get_ex(event, "block_size", &size) &&
		    json_object_get_int(size))
			*ret_block = json_object_get_uint64(size);
	}
	fclose(file);
	return text;
}

static void check(const struct rig *rig, const char *payload)
{
	struct json_object *object = json_tokener_parse(payload);
	const struct expected *wanted = find(string(object, "comment"));
	struct json_object *decoded = member(object, "decoded");
	struct program_result r;
	struct rig own = *rig;
	uint64_t block;
	char *lines = lines_of(decoded, &block), size[32];
	uint32_t rank = (uint32_t)number(decoded, "data_parallel_rank");

	snprintf(size, sizeof(size), "--block-tokens=%llu", (unsigned long long)block);
	RUN(&r, 0, "ringdex-feed", lines, size, "--disk-blocks=64", "--external-blocks=64", "--dir",
	    own.dir, "-");
	if (wanted->said)
		assert_has(r.err, wanted->said);
	else if (strstr(r.err, "warning"))
		print_error("%s\n%s", wanted->comment, r.err);
	assert_true(wanted->said || !strstr(r.err, "warning"));
	assert_int_equal(feed_inexact(&own, 1, rank), wanted->inexact);
	assert_int_equal(feed_held_by(&own, 1, rank, RDX_TIER_DEVICE), wanted->held);
	assert_int_equal(feed_held_by(&own, 1, rank, RDX_TIER_HOST),
			 strstr(wanted->comment, "host tier") ? 2 : 0);
	program_result_free(&r);
	free(lines);
	json_object_put(object);
}

static void each_payload(void **state)
{
	FILE *file = fopen(PAYLOADS, "r");
	size_t capacity = 0, count = 0;
	char *line = NULL;
	ssize_t length;

	assert_non_null(file);
	while ((length = getline(&line, &capacity, file)) > 0) {
		check(*state, line);
		count++;
	}
	assert_true(count > 0);
	free(line);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_payload, rig_setup, rig_teardown),
	};
	FILE *file = fopen(PAYLOADS, "r");

	if (!file) {
		print_message("skipped: no %s\n", PAYLOADS);
		return 77;
	}
	fclose(file);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
