/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ringdex-feed, run as a program: every way to write a field, what the segments hold
 * afterwards, bad lines reported by number, what could not be represented, a second producer,
 * usage, signals; what ringdex-tail prints is fed again.
 */
#include "tests/feed_rig.h"
#include "tests/patience.h"
#include <ringdex/rdx_version.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Numbers, strings, signs, other names of fields; 32-byte names; LoRA and salt. */
static void every_way_to_write_it(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"stored\",\"names\":[11,\"12\",-3],"
		"\"token_ids\":[1,\"2\",3,4,5,6],\"time_ns\":\"5\"}\n"
		"\n"
		/* the same name, unsigned, as a parent */
		"{\"worker_id\":\"1\",\"dp_rank\":0,\"kind\":\"BlockStored\",\"medium\":\"GPU\","
		"\"parent_block_hash\":18446744073709551613,\"block_hashes\":[\"0x1f\"],"
		"\"local_hashes\":[\"-1\"],\"block_size\":2,\"session_id\":{\"a\":[1]}}\n"
		/* by name to the host, after it left the device */
		"{\"worker\":1,\"type\":\"removed\",\"names\":[31]}\n"
		"{\"worker\":1,\"type\":\"stored\",\"tier\":\"CPU\",\"names\":[31],"
		"\"token_ids\":[],\"block_size\":0,\"parent\":null}\n"
		/* wide names */
		"{\"worker\":1,\"data_parallel_rank\":\"1\",\"type\":\"stored\",\"lora\":\"a\","
		"\"cache_salt\":\"s\",\"token_ids\":[7,8],\"names\":["
		"\"00112233445566778899AABBccddeeff"
		"00112233445566778899aabbccddeeff\"]}\n"
		/* below it, in its LoRA and salt */
		"{\"worker\":1,\"dp_rank\":1,\"type\":\"stored\",\"token_ids\":[9,10],\"parent\":"
		"\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\",\"names\":["
		"\"ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"]}\n"
		/* copies: one of two is removed */
		"{\"worker\":1,\"dp_rank\":2,\"type\":\"stored\",\"names\":[1],\"tokens\":[1,2]}\n"
		"{\"worker\":1,\"dp_rank\":2,\"type\":\"stored\",\"names\":[1],\"tokens\":[1,2]}\n"
		"{\"worker\":1,\"dp_rank\":2,\"type\":\"BlockRemoved\",\"names\":[1]}\n"
		"{\"worker\":1,\"dp_rank\":3,\"type\":\"stored\",\"names\":[1],\"tokens\":[1,2]}\n"
		"{\"worker\":1,\"dp_rank\":3,\"type\":\"AllBlocksCleared\"}";
	const uint32_t tokens[] = {1, 2, 3, 4, 5, 6}, lora_tokens[] = {7, 8, 9, 10};
	uint64_t locals[4];
	struct rig *rig = *state;
	struct program_result r;

	RUN(&r, 0, "ringdex-feed", input, "--dir", rig->dir, "--block-tokens", "2", "-");
	assert_null(strstr(r.err, "warning"));
	assert_has(r.err, "lines: 12, bad: 0, ranks: 4");
	assert_has(r.err, "clears: 1");
	program_result_free(&r);

	feed_hash(NULL, NULL, tokens, 6, locals);
	feed_expect_runs(rig, 1, 0, RDX_TIER_DEVICE, locals, (uint32_t[]){3}, 1);
	feed_expect_runs(rig, 1, 2, RDX_TIER_DEVICE, locals, (uint32_t[]){1}, 1);
	feed_expect_runs(rig, 1, 3, RDX_TIER_DEVICE, NULL, NULL, 0);
	feed_hash("a", "s", lora_tokens, 4, locals);
	feed_expect_runs(rig, 1, 1, RDX_TIER_DEVICE, locals, (uint32_t[]){2}, 1);
}

/* The host's copy alone: its hash hangs below three blocks that are only in the device. */
static void host_copy_by_name(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"stored\",\"names\":[1,2],\"local_hashes\":[5,6]}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[2]}\n"
		"{\"worker\":1,\"type\":\"stored\",\"tier\":\"host\",\"names\":[2]}\n";
	const uint64_t expected[] = {5, 6};
	struct rig *rig = *state;
	struct program_result r;

	RUN(&r, 0, "ringdex-feed", input, "-q", "--dir", rig->dir, "-");
	assert_string_equal(r.err, "");
	program_result_free(&r);
	feed_expect_run(rig, 1, RDX_TIER_DEVICE, expected, 1);
	assert_int_equal(feed_held(rig, 1, RDX_TIER_HOST), 1);
}

/* Each bad line has its message, between good lines that are published. */
static void bad_lines_are_named(void **state)
{
#define LINE "{\"worker\":1,\"type\":\"stored\",\"names\":["
	static const struct {
		const char *line;
		const char *message;
	} cases[] = {
		{LINE "1],\"local_hashes\":[1]}", NULL},
		{"nonsense", "not JSON"},
		{LINE "1],\"local_hashes\":[1]", "unexpected end"},
		{"[]", "not a JSON object"},
		{LINE "18446744073709551616],\"local_hashes\":[1]}", "beyond 64 bits"},
		{LINE "-9223372036854775809],\"local_hashes\":[1]}", "beyond 64 bits"},
		{LINE "\"18446744073709551616\"],\"local_hashes\":[1]}",
		 "names[0] is \"18446744073709551616\": give a 64-bit integer"},
		{LINE "1.5],\"local_hashes\":[1]}", "names[0] is 1.5"},
		{LINE "null],\"local_hashes\":[1]}", "names[0] is null"},
		{LINE "1,\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"],"
		      "\"local_hashes\":[1,2]}",
		 "names[1] has 32 bytes, those before have 8"},
		{LINE "1],\"local_hashes\":[1,2]}", "2 local_hashes for 1 name"},
		{LINE "1],\"token_ids\":[4294967296]}", "token_ids[0] is 4294967296"},
		{LINE "1],\"token_ids\":7}", "\"token_ids\" is 7: give an array"},
		{LINE "1],\"parent\":[]}", "\"parent\" is [ ]"},
		{LINE "1],\"tier\":{}}", "\"tier\" is { }: give a string"},
		{LINE "1],\"group\":-1}", "\"group\" is -1"},
		{LINE "1],\"lora\":4}", "\"lora\" is 4: give a string"},
		{LINE "1],\"token_ids\":[[1,2],3]}", "token_ids[1] is 3: give pairs"},
		{LINE "1],\"token_ids\":[1,[1,2]]}", "token_ids[1] is [ 1, 2 ]: give a number"},
		{LINE "1],\"token_ids\":[\"4294967296\"]}", "token_ids[0] is \"4294967296\""},
		{LINE "{\"bin\":\"00\"}]}", "names[0] is { \"bin\": \"00\" }"},
		{LINE "1],\"remaining\":[1,2]}", "2 remaining for 1 name"},
		{LINE "1],\"extra_keys\":7}", "\"extra_keys\" is 7: give an array"},
		{LINE "1],\"extra_keys\":[[\"a\"]],\"mm_keys\":[[\"a\"]]}", "give one of them"},
		{"{\"type\":\"cleared\"}", "no \"worker\""},
		{"{\"worker\":-1,\"type\":\"cleared\"}", "\"worker\" is -1"},
		{"{\"worker\":1,\"dp_rank\":4294967296,\"type\":\"cleared\"}", "\"dp_rank\" is"},
		{"{\"worker\":1}", "no \"type\""},
		{"{\"worker\":1,\"type\":7}", "\"type\" is 7"},
		{LINE "1],\"local_hashes\":[1],\"salt\":\"\\u0000a\"}", "a NUL character"},
		{LINE "1],\"local_hashes\":[1],\"salt\\u0000\":\"a\"}", "a NUL character"},
		{"{\"worker\":1,\"type\":[\"a\\u001b[31m\"]}", "\"type\" is [ \"a\\u001b[31m\""},
		{LINE "2],\"local_hashes\":[2],\"parent\":1,\"lora\":\"\\\\u0000\"}", NULL},
	};
	const uint32_t count = sizeof(cases) / sizeof(*cases);
	const uint64_t locals[] = {1, 2};
	struct rig *rig = *state;
	struct program_result r;
	char *input = NULL, expected[256];
	uint32_t bad = 0;
	size_t length;
	FILE *file = open_memstream(&input, &length);

	for (uint32_t i = 0; i < count; i++)
		fprintf(file, "%s\n", cases[i].line);
	fclose(file);
	RUN(&r, 1, "ringdex-feed", input, "--dir", rig->dir, "-");
	for (uint32_t i = 0; i < count; i++) {
		const char *line, *end;

		snprintf(expected, sizeof(expected), "standard input:%u: ", i + 1);
		line = strstr(r.err, expected);
		if (!cases[i].message) {
			assert_null(line);
			continue;
		}
		bad++;
		assert_has(r.err, expected);
		end = strchr(line, '\n');
		snprintf(expected, sizeof(expected), "%.*s", (int)(end - line), line);
		assert_has(expected, cases[i].message);
	}
	snprintf(expected, sizeof(expected), "lines: %u, bad: %u, ranks: 1", count, bad);
	assert_has(r.err, expected);
	program_result_free(&r);
	free(input);
	feed_expect_runs(rig, 1, 0, RDX_TIER_DEVICE, locals, (uint32_t[]){2}, 1);
}

/* What a line said that cannot be read is not known: the rank that it names is not EXACT, or none is. */
static void unreadable_lines_end_exact(void **state)
{
#define STORED(worker)                                                                             \
	"{\"worker\":" worker ",\"type\":\"stored\",\"names\":[11,12],\"token_ids\":[1,2,3,4]}\n"
	static const char named[] = STORED("1") STORED("2") STORED("3")
		STORED("4") "{\"worker\":1,\"type\":\"removed\",\"names\":[11,\"0xzz\"]}\n"
			    "{\"worker\":2,\"type\":\"stored\",\"names\":[13],\"parent\":12,"
			    "\"token_ids\":[[3,4],4]}\n"
			    "{\"worker\":3,\"type\":\"cleared\",\"tier\":{}}\n"
			    "{\"worker\":5,\"type\":7}\n";
	static const char nameless[] = STORED("1") "{\"type\":\"cleared\"}\n" STORED("2");
	struct rig *rig = *state;
	struct program_result r;

	RUN(&r, 1, "ringdex-feed", named, "--dir", rig->dir, "--block-tokens=2", "-");
	for (uint64_t worker = 1; worker <= 5; worker++)
		assert_int_equal(feed_inexact(rig, worker, 0),
				 worker == 4 ? 0 : RDX_INEXACT_UNKNOWN);
	assert_has(r.err, ":5: warning: worker 1 rank 0: 1 time it became LACKING or INEXACT");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-feed", nameless, "--dir", rig->dir, "--block-tokens=2", "-");
	assert_int_equal(feed_inexact(rig, 1, 0), RDX_INEXACT_UNKNOWN);
	assert_int_equal(feed_inexact(rig, 2, 0), RDX_INEXACT_UNKNOWN);
	program_result_free(&r);
	RUN(&r, 1, "ringdex-feed", named, "--dir", rig->dir, "--block-tokens=2",
	    "--on-unreadable=skip", "-");
	assert_int_equal(feed_inexact(rig, 1, 0), 0);
	program_result_free(&r);
#undef STORED
}

/* Well-formed, but not to be represented: a warning with the first line, status 0. */
static void what_is_not_represented_is_said(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"removed\",\"names\":[1]}\n"
		"{\"worker\":1,\"type\":\"stored\",\"names\":[2],\"parent\":9,\"token_ids\":[1,2]}"
		"\n"
		"{\"worker\":1,\"type\":\"stored\",\"names\":[2],\"parent\":9,\"token_ids\":[1,2]}"
		"\n"
		"{\"worker\":1,\"type\":\"stored\",\"names\":[3],\"token_ids\":[1,2,3]}\n"
		"{\"worker\":1,\"type\":\"stored\",\"names\":[4]}\n"
		"{\"worker\":1,\"type\":\"stored\",\"names\":[5],\"token_ids\":[1],\"block_size\":"
		"1}\n"
		"{\"worker\":1,\"type\":\"stored\",\"names\":[6,7,8],\"local_hashes\":[1,2,3]}\n"
		"{\"worker\":1,\"type\":\"stored\",\"tier\":\"disk\",\"names\":[6]}\n"
		"{\"worker\":1,\"type\":\"stored\",\"names\":[6],\"local_hashes\":[4]}\n";
	struct rig *rig = *state;
	struct program_result r;

	RUN(&r, 0, "ringdex-feed", input, "--dir", rig->dir, "--block-tokens=2", "--blocks=2", "-");
	assert_has(r.err, ":1: warning: worker 1 rank 0: 1 removal ignored: not held");
	assert_has(r.err, ":2: warning: worker 1 rank 0: 1 block dropped: unknown parent");
	assert_has(r.err,
		   "input: warning: worker 1 rank 0: in all 2 blocks dropped: unknown parent");
	assert_has(r.err, ":4: warning: worker 1 rank 0: 1 block dropped: the tokens");
	assert_has(r.err, ":5: warning: worker 1 rank 0: 1 block dropped: given by name only");
	assert_has(r.err,
		   ":6: warning: worker 1 rank 0: 1 block dropped: not of the rank's block size");
	assert_has(r.err, ":8: warning: worker 1 rank 0: 1 block dropped: the tier is full");
	assert_has(r.err, ":9: warning: worker 1 rank 0: 1 block dropped: a held name");
	assert_has(r.err, ":1: warning: worker 1 rank 0: 1 time it became LACKING or INEXACT");
	program_result_free(&r);
}

static void usage_and_files(void **state)
{
	struct rig *rig = *state;
	struct program_result r;
	char nowhere[128];

	RUN(&r, 2, "ringdex-feed", NULL);
	assert_has(r.err, "missing argument: FILE");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-feed", NULL, "--blocks=many", "-");
	assert_has(r.err, "--blocks: 'many' is not a whole number from 0");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-feed", NULL, "--ring-slots=1000", "-");
	assert_has(r.err, "--ring-slots: '1000' is not a power of two from 64");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-feed", NULL, "--clear-scope=host", "-");
	program_result_free(&r);
	RUN(&r, 2, "ringdex-feed", NULL, "--clear-scope=worker", "--counting-groups=2", "-");
	assert_has(r.err, "--counting-groups above 1 goes with --clear-scope=rank only");
	program_result_free(&r);
	RUN(&r, 0, "ringdex-feed", NULL, "--help");
	assert_has(r.out, "--hold");
	program_result_free(&r);
	RUN(&r, 0, "ringdex-feed", NULL, "--version");
	assert_string_equal(r.out, "ringdex-feed " RDX_VERSION "\n");
	program_result_free(&r);
	RUN(&r, 1, "ringdex-feed", NULL, "--dir", rig->dir, "/nonexistent/file");
	assert_has(r.err, "/nonexistent/file: No such file");
	program_result_free(&r);
	snprintf(nowhere, sizeof(nowhere), "%s/a/b", rig->dir);
	RUN(&r, 1, "ringdex-feed",
	    "{\"worker\":1,\"type\":\"cleared\"}\n{\"worker\":1,\"type\":"
	    "\"cleared\"}",
	    "--dir", nowhere, "-");
	assert_has(r.err, "standard input:1: cannot open rank 0 of worker 1");
	assert_null(strstr(r.err, "standard input:2:"));
	assert_has(r.err, "bad: 2");
	program_result_free(&r);
}

/* Wait until the program has written `part` to its standard error. */
static void wait_for(const struct program *program, const char *part)
{
	char said[4096];
	size_t length = 0;

	do {
		ssize_t got = read(program->err, said + length, sizeof(said) - length - 1);

		assert_true(got > 0);
		length += (size_t)got;
		said[length] = 0;
	} while (!strstr(said, part));
}

/* An engine that says again what it holds: by option one removal ends it, and the segment says so. */
static void presence_ends_with_one_removal(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"stored\",\"names\":[11,12],\"local_hashes\":[1,2]}\n"
		"{\"worker\":1,\"type\":\"stored\",\"names\":[11,12],\"local_hashes\":[1,2]}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[12]}\n";
	const uint64_t locals[] = {1};
	struct rig *rig = *state;
	struct program_result r;

	RUN(&r, 0, "ringdex-feed", input, "-q", "--report-mode", "presence", "--dir", rig->dir,
	    "-");
	assert_string_equal(r.err, "");
	program_result_free(&r);
	feed_expect_runs(rig, 1, 0, RDX_TIER_DEVICE, locals, (uint32_t[]){1}, 1);
	RUN(&r, 0, "ringdex-ls", NULL, "--json", "--dir", rig->dir);
	assert_has(r.out, "\"report_mode\":\"presence\"");
	program_result_free(&r);
}

/* One that has read these lines, and may be told more. */
static void start_holding(struct program *ret_feed, const struct rig *rig, const char *input)
{
	char *arguments[] = {"ringdex-feed", "--hold", "--dir", (char *)rig->dir, "-", NULL};

	assert_int_equal(program_start(ret_feed, "ringdex-feed", arguments, 1), 0);
	assert_int_equal(write(ret_feed->in, input, strlen(input)), strlen(input));
}

/* It holds until a signal, keeps others out of its rank, and what it published can be
 * printed by ringdex-tail and fed into another namespace. */
static void holds_and_goes_round(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"cleared\"}\n"
		"{\"worker\":1,\"type\":\"stored\",\"names\":[1,2,3],\"local_hashes\":[7,8,9]}\n"
		"{\"worker\":1,\"type\":\"stored\",\"tier\":\"host\",\"names\":[2]}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[3]}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[4],\"time_ns\":1}\n";
	const uint64_t locals[] = {7, 8};
	struct rig *rig = *state;
	struct rig other;
	struct program feed;
	struct program_result r, tail;

	rig_make(&other);
	start_holding(&feed, rig, input);
	wait_for(&feed, ":5: warning: worker 1 rank 0: 1 removal ignored"); /* before the end */
	close(feed.in);
	feed.in = -1;
	wait_for(&feed, "lines: 5, bad: 0");

	RUN(&r, 1, "ringdex-feed", input, "--wait-for-rank=0s", "--dir", rig->dir, "-");
	assert_has(r.err, "another running process has it");
	program_result_free(&r);

	RUN(&tail, 0, "ringdex-tail", NULL, "--from-barrier", "--once", "--dir", rig->dir);
	RUN(&r, 0, "ringdex-feed", tail.out, "--dir", other.dir, "-");
	assert_null(strstr(r.err, "warning"));
	program_result_free(&r);
	program_result_free(&tail);
	feed_expect_runs(&other, 1, 0, RDX_TIER_DEVICE, locals, (uint32_t[]){2}, 1);

	program_stop(&feed);
	rig_remove(&other);
}

/* While it waits for lines, and while it holds. */
static void makes_its_files_again(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"stored\",\"names\":[1,2],\"local_hashes\":[7,8]}\n";
	const uint64_t locals[] = {7, 8};
	char worker[HELD_PATH_BYTES + 8], away[HELD_PATH_BYTES + 8];
	struct rig *rig = *state;
	struct program feed;

	start_holding(&feed, rig, input);
	snprintf(worker, sizeof(worker), "%s/1", rig->dir);
	snprintf(away, sizeof(away), "%s/away", rig->dir);
	for (int i = 0; i < 2; i++) {
		UNTIL (feed_has_published(rig, 1))
			usleep(1000);
		/* all at once: what is made again meanwhile is not removed, too */
		assert_int_equal(rename(worker, away), 0);
		held_remove(away);
		wait_for(&feed, "worker 1 rank 0: its files were removed: made again");
		feed_expect_runs(rig, 1, 0, RDX_TIER_DEVICE, locals, (uint32_t[]){2}, 1);
		if (feed.in >= 0)
			close(feed.in);
		feed.in = -1;
	}
	program_stop(&feed);
}

/* Removals of neighbouring lines are published together, of what they have in common. */
static void removals_in_a_row_are_one_event(void **state)
{
	static const char input[] =
		"{\"worker\":1,\"type\":\"stored\",\"names\":[1,2,3,4,5,6],"
		"\"local_hashes\":[1,2,3,4,5,6]}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[6]}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[5,4]}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[3],\"time_ns\":7}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[2],\"time_ns\":7}\n"
		"{\"worker\":1,\"type\":\"stored\",\"names\":[7],\"local_hashes\":[7]}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[77]}\n"
		"{\"worker\":1,\"type\":\"removed\",\"names\":[7]}\n";
	struct rig *rig = *state;
	struct program_result r;

	RUN(&r, 0, "ringdex-feed", input, "--dir", rig->dir, "-");
	assert_has(r.err, "lines: 8, bad: 0, ranks: 1, events: 6, blocks stored: 7, removed: 6");
	program_result_free(&r);
	feed_expect_runs(rig, 1, 0, RDX_TIER_DEVICE, (const uint64_t[]){1}, (uint32_t[]){1}, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_way_to_write_it, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(host_copy_by_name, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(bad_lines_are_named, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(unreadable_lines_end_exact, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(what_is_not_represented_is_said, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(removals_in_a_row_are_one_event, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(usage_and_files, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(presence_ends_with_one_removal, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(holds_and_goes_round, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(makes_its_files_again, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
