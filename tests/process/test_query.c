/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ringdex-query and ringdex-verify beside ringdex-follow: the longest prefix in every
 * form of a request, invalid requests, a difference between index and ledger.
 */
#include "tests/patience.h"
#include "tests/tools_rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t leading_blocks(struct json_object *object, size_t row, const char *set)
{
	struct json_object *ranks = member(object, "ranks");

	return number(member(json_object_array_get_idx(ranks, row), "leading_blocks"), set);
}

/* Wait until the index has all of it. */
static void wait_equal(struct rig *rig, struct program_result *r)
{
	RUN_UNTIL(r, 0, "ringdex-verify", NULL, "--dir", rig->dir);
}

static void query_finds_the_longest_prefix(void **state)
{
	struct rig *rig = *state;
	struct rig_producer producers[2];
	struct json_object *object;
	struct program_result r;
	struct program program;
	uint32_t tokens[64];
	uint64_t local[4], prefix[4];
	char text[1024];
	int length = 0;

	for (uint32_t i = 0; i < 64; i++) {
		tokens[i] = i * 1000003;
		length += snprintf(text + length, sizeof(text) - (size_t)length, "%" PRIu32 " ",
				   tokens[i]);
	}
	rdx_hash_blocks(rdx_hash_seed("adapter", NULL), tokens, 64, 16, local);
	rdx_hash_chain(&rig->key, 0, local, 4, prefix);
	tools_claim(rig, &producers[0], 7, 0, 64);
	tools_claim(rig, &producers[1], 8, 0, 64);
	rig_store_run(rig, &producers[0], local, 2);
	rig_store_run(rig, &producers[1], local, 3);
	tools_start_follow(rig, &program, NULL);
	assert_true(tools_wait_for(&program, "\"state\":\"EXACT\""));
	wait_equal(rig, &r);
	assert_has(r.out, "7:0: equal: 2 blocks after event 1\n");
	assert_has(r.out, "8:0: equal: 3 blocks after event 1\n");
	program_result_free(&r);

	RUN_UNTIL(&r, 0, "ringdex-query", text, "--dir", rig->dir, "--lora", "adapter", "--json",
		  "-");
	object = parsed(r.out);
	assert_int_equal(number(object, "blocks"), 4);
	assert_int_equal(number(json_object_array_get_idx(member(object, "ranks"), 0), "worker"),
			 8);
	assert_int_equal(leading_blocks(object, 0, "device"), 3);
	assert_int_equal(leading_blocks(object, 1, "all"), 2);
	assert_string_equal(string(json_object_array_get_idx(member(object, "ranks"), 1), "state"),
			    "EXACT");
	json_object_put(object);
	program_result_free(&r);

	/* without the adapter these are other blocks */
	RUN_UNTIL(&r, 0, "ringdex-query", text, "--dir", rig->dir, "--json", "-");
	object = parsed(r.out);
	assert_int_equal(leading_blocks(object, 0, "all"), 0);
	json_object_put(object);
	program_result_free(&r);

	snprintf(text, sizeof(text),
		 "[%" PRIu64 ", \"%" PRId64 "\"]\n\n%" PRIu64 ",%" PRIu64 "\n[1", local[0],
		 (int64_t)local[1], local[0], local[1]);
	RUN(&r, 1, "ringdex-query", text, "--dir", rig->dir, "--local", "--json", "-");
	assert_has(r.err, "ringdex-query: standard input:4: not a JSON array: it does not end");
	object = parsed(strtok(r.out, "\n"));
	assert_int_equal(leading_blocks(object, 0, "all"), 2);
	json_object_put(object);
	object = parsed(strtok(NULL, "\n"));
	assert_int_equal(number(object, "line"), 3);
	assert_int_equal(leading_blocks(object, 1, "all"), 2);
	json_object_put(object);
	program_result_free(&r);

	snprintf(text, sizeof(text), "%" PRIu64 " 0x%" PRIx64, prefix[0], prefix[1]);
	RUN_UNTIL(&r, 0, "ringdex-query", text, "--dir", rig->dir, "--prefix", "-");
	assert_has(r.out, "request of line 1: 2 blocks\n");
	assert_has(r.out, "http://localhost:8000");
	program_result_free(&r);
	program_stop(&program);
	rig_release(&producers[0]);
	rig_release(&producers[1]);
}

/* Of two indexes the one that a running rank feeds is meant. */
static void query_offers_what_is_fed(void **state)
{
	struct rdx_segment_spec spec = rig_spec(8, 0, 64, 1024);
	struct rig *rig = *state;
	struct rig_producer producer, other;
	struct program program;
	struct program_result r;

	spec.model = "other";
	tools_claim(rig, &producer, 7, 0, 64);
	assert_int_equal(rig_claim(rig, &other, &spec), 0);
	tools_start_follow(rig, &program, "--interval=10ms");
	assert_true(tools_wait_for(&program, "\"ranks_alive\":2"));
	RUN_UNTIL(&r, 0, "ringdex-query", "1", "--dir", rig->dir, "--model", "other", "-");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-query", "1", "--dir", rig->dir, "-");
	assert_has(r.err, "more than one index");
	program_result_free(&r);
	rig_release(&other);
	assert_true(tools_wait_for(&program, "\"state\":\"GONE\""));
	RUN_UNTIL(&r, 0, "ringdex-query", "1", "--dir", rig->dir, "-");
	program_result_free(&r);
	rig_release(&producer);
	assert_true(tools_wait_for(&program, "\"ranks_alive\":0"));
	RUN(&r, 1, "ringdex-query", "1", "--dir", rig->dir, "-");
	assert_has(r.err, "no running worker feeds an index in");
	program_result_free(&r);
	program_stop(&program);
}

static void query_says_what_is_wrong(void **state)
{
	static const struct {
		const char *input;
		const char *message;
	} cases[] = {
		{"1 2 x",
		 "standard input:1: number 3: 'x' is not a whole number from 0 to 4294967295"},
		{"4294967296", "'4294967296' is not a whole number from 0 to 4294967295"},
		{"-1", "'-1' is not"},
		{"[1, 2.5]", "'2.5' is not"},
		{"[1, {}]", "'{}' is not"},
		{"[1, \"2 3\"]", "an array of something other than numbers"},
		{"[1,]", "not a JSON array"},
		{"[1] 2", "not a JSON array: something follows it"},
	};
	struct rig *rig = *state;
	struct rig_producer producer;
	struct program program;
	struct program_result r;

	RUN(&r, 1, "ringdex-query", "1", "--dir", rig->dir, "-");
	assert_has(r.err, "no index in");
	program_result_free(&r);
	tools_claim(rig, &producer, 7, 0, 64);
	tools_start_follow(rig, &program, NULL);
	assert_true(tools_wait_for(&program, "\"state\":\"EXACT\""));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		RUN(&r, 1, "ringdex-query", cases[i].input, "--dir", rig->dir, "-");
		assert_has(r.err, cases[i].message);
		program_result_free(&r);
	}
	RUN(&r, 1, "ringdex-query", "1", "--dir", rig->dir, "--model", "other", "-");
	assert_has(r.err, "no such index in");
	assert_has(r.err, "--model 'model' --tenant '' --block-tokens 16\n");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-query", NULL, "--dir", rig->dir, "/no/such/file");
	assert_has(r.err, "cannot open /no/such/file: No such file or directory");
	program_result_free(&r);
	program_stop(&program);
	rig_release(&producer);
}

static void verify_finds_a_difference(void **state)
{
	struct rig *rig = *state;
	struct json_object *object, *row;
	struct rig_producer producers[2];
	struct program program;
	struct program_result r;

	tools_claim(rig, &producers[0], 7, 0, 64);
	tools_claim(rig, &producers[1], 9, 0, 64);
	rig_release(&producers[1]);
	rig_store_run(rig, &producers[0], (const uint64_t[]){1, 2, 3}, 3);
	tools_start_follow(rig, &program, NULL);
	assert_true(tools_wait_for(&program, "\"state\":\"EXACT\""));
	wait_equal(rig, &r);
	program_result_free(&r);

	/* in the ledger, but in no event */
	rdx_ledger_describe(&producers[0].owner.ledger.records[producers[0].used], 4711, 1, 0);
	rdx_ledger_put(producers[0].owner.live, &producers[0].owner.ledger, producers[0].used++,
		       rdx_ledger_word(4711, 1, producers[0].generations));
	RUN_UNTIL(&r, 1, "ringdex-verify", NULL, "--dir", rig->dir);
	assert_has(r.out, "7:0: 1 difference, the ledger holding 4 blocks after event 1; the "
			  "first: prefix hash 4711, tier device, is in the ledger but not in the "
			  "index\n");
	program_result_free(&r);
	RUN_UNTIL(&r, 1, "ringdex-verify", NULL, "--dir", rig->dir, "--json", "7:0");
	object = parsed(r.out);
	row = json_object_array_get_idx(member(object, "ranks"), 0);
	assert_string_equal(string(row, "result"), "different");
	assert_int_equal(number(row, "first_hash"), 4711);
	assert_string_equal(string(row, "first_side"), "ledger");
	json_object_put(object);
	program_result_free(&r);

	RUN(&r, 3, "ringdex-verify", NULL, "--dir", rig->dir, "9");
	assert_has(r.out, "9:0: not compared: it is dead");
	program_result_free(&r);
	RUN(&r, 3, "ringdex-verify", NULL, "--dir", rig->dir, "10");
	assert_has(r.err, "no segment of 10 in");
	program_result_free(&r);
	program_stop(&program);
	rig_release(&producers[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(query_finds_the_longest_prefix, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(query_offers_what_is_fed, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(query_says_what_is_wrong, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(verify_finds_a_difference, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
