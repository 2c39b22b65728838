/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ringdex-mock, run as a program: an answer for each line, the engine's own
 * dump against what its segment holds, clears of rank and worker, bad lines, traces, signals.
 */
#include "tools/trace/generator.h"
#include "tests/expect.h"

#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASHES_MAX 4096

/* A mock with its pipes as streams. */
struct mock {
	struct program program;
	FILE *in;
	FILE *out;
	char *line;
	size_t capacity;
	uint32_t dp_rank;
};

static struct json_object *answer(struct mock *mock)
{
	struct json_object *object;

	assert_true(getline(&mock->line, &mock->capacity, mock->out) > 0);
	object = json_tokener_parse(mock->line);
	assert_non_null(object);
	return object;
}

static struct json_object *ask(struct mock *mock, const char *text)
{
	fprintf(mock->in, "%s\n", text);
	fflush(mock->in);
	return answer(mock);
}

/* Start a rank of worker 1 with up to two more arguments, and read that it is ready. */
static void start(struct mock *mock, struct rig *rig, const char *dp_rank, char *one, char *two)
{
	char *arguments[] = {"ringdex-mock",
			     "--dir",
			     rig->dir,
			     "--worker-id=1",
			     "--blocks=1000",
			     "--dp-rank",
			     (char *)dp_rank,
			     one,
			     two,
			     NULL};
	struct json_object *ready;

	*mock = (struct mock){.dp_rank = (uint32_t)atoi(dp_rank)};
	assert_int_equal(program_start(&mock->program, "ringdex-mock", arguments, 1), 0);
	mock->in = fdopen(mock->program.in, "w");
	mock->out = fdopen(dup(mock->program.out), "r");
	assert_true(mock->in && mock->out);
	ready = answer(mock);
	assert_int_equal(number(ready, "worker_id"), 1);
	assert_int_equal(number(ready, "dp_rank"), mock->dp_rank);
	assert_int_equal(number(ready, "pid"), mock->program.pid);
	assert_true(number(ready, "epoch") != 0);
	json_object_put(ready);
}

/* Close its input, and look at how it ends. */
static void finish(struct mock *mock, int status)
{
	struct program_result result;

	fclose(mock->in);
	mock->program.in = -1;
	assert_int_equal(program_finish(&mock->program, NULL, &result), 0);
	if (result.status != status)
		print_error("err: %s\n", result.err);
	assert_int_equal(result.status, status);
	program_result_free(&result);
	fclose(mock->out);
	free(mock->line);
}

static int compare_words(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* The dump's tier against the ledger in the segment. Returns the blocks of it. */
static uint64_t check_tier(struct rdx_reader *reader, struct json_object *dump, const char *field,
			   uint8_t tier)
{
	struct json_object *hashes = member(dump, field);
	uint64_t held[HASHES_MAX], count;
	struct rdx_cursor at;

	assert_int_equal(rdx_reader_resident(reader, tier, held, HASHES_MAX, &count, &at), 0);
	assert_int_equal(at.epoch, number(dump, "epoch"));
	assert_int_equal(at.event_id, number(dump, "last_event_id"));
	assert_int_equal(json_object_array_length(hashes), count);
	qsort(held, count, sizeof(*held), compare_words);
	for (uint64_t i = 0; i < count; i++) {
		struct json_object *hash = json_object_array_get_idx(hashes, i);

		assert_int_equal(strtoull(json_object_get_string(hash), NULL, 16), held[i]);
	}
	return count;
}

/* Ask for a dump and compare it; returns the blocks of the device tier. */
static uint64_t check_dump(struct mock *mock, const struct rig *rig, uint64_t *ret_host)
{
	struct json_object *dump = ask(mock, "{\"command\":\"dump\"}");
	struct rdx_reader *reader;
	uint64_t device;

	assert_int_equal(rdx_reader_open(&reader, rig->dir, 1, mock->dp_rank), 0);
	assert_int_equal(number(dump, "inexact"), 0);
	device = check_tier(reader, dump, "device", RDX_TIER_DEVICE);
	if (ret_host)
		*ret_host = check_tier(reader, dump, "host", RDX_TIER_HOST);
	rdx_reader_close(reader);
	json_object_put(dump);
	return device;
}

/* Requests from a generated trace; returns the blocks found cached. */
static uint64_t submit(struct mock *mock, uint64_t seed, uint64_t requests)
{
	struct trace_generate_options options = TRACE_GENERATE_DEFAULTS;
	struct trace_generator *generator;
	struct trace_request request;
	uint64_t cached = 0;

	options.seed = seed;
	options.requests = requests;
	options.system_tokens = 512;
	options.first_tokens = 512;
	options.longest_tokens = 4096;
	assert_int_equal(trace_generator_open(&generator, &options), 0);
	while (trace_generator_next(generator, &request) > 0) {
		struct json_object *answered;

		trace_request_write(&request, mock->in);
		fflush(mock->in);
		answered = answer(mock);
		assert_int_equal(number(answered, "total_blocks"), request.input_length / 16);
		assert_true(number(answered, "cached_blocks") <= request.input_length / 16);
		cached += number(answered, "cached_blocks");
		json_object_put(answered);
	}
	trace_generator_close(generator);
	return cached;
}

static void dump_is_what_the_segment_holds(void **state)
{
	struct rig *rig = *state;
	uint64_t host = 0;
	struct json_object *stats;
	struct mock mock;

	start(&mock, rig, "0", "--host-blocks=600", "--name-bytes=32");
	assert_true(submit(&mock, 1, 100) > 0);
	assert_true(check_dump(&mock, rig, &host) > 100);
	assert_true(host > 100);
	json_object_put(ask(&mock, "{\"command\":\"clear\",\"tier\":\"host\"}"));
	assert_true(check_dump(&mock, rig, &host) > 100);
	assert_int_equal(host, 0);
	submit(&mock, 2, 50);
	json_object_put(ask(&mock, "{\"command\":\"finish\"}"));
	check_dump(&mock, rig, &host);
	json_object_put(ask(&mock, "{\"command\":\"clear\"}"));
	assert_int_equal(check_dump(&mock, rig, &host), 0);
	submit(&mock, 3, 50);
	assert_true(check_dump(&mock, rig, &host) > 100);

	stats = ask(&mock, "{\"command\":\"stats\"}");
	assert_int_equal(number(stats, "requests"), 200);
	assert_int_equal(number(stats, "publish_failed"), 0);
	assert_int_equal(number(stats, "inexact_marks"), 0);
	assert_true(number(stats, "repeats") > 0);
	assert_true(number(stats, "publish_calls") > 100);
	assert_int_equal(number(stats, "publish_calls"),
			 number(member(stats, "publish_ns"), "count"));
	assert_true(number(member(stats, "publish_ns"), "p50") <=
		    number(member(stats, "publish_ns"), "p99"));
	json_object_put(stats);
	finish(&mock, 0);
}

/* Two workers of one trace name its blocks differently, yet hold the same prefixes. */
static void names_differ_prefixes_do_not(void **state)
{
	struct rig *rig = *state;
	struct json_object *dumps[2], *hashes[2];
	struct mock mocks[2];

	for (int i = 0; i < 2; i++) {
		start(&mocks[i], rig, i ? "1" : "0", NULL, NULL);
		submit(&mocks[i], 5, 20);
		dumps[i] = ask(&mocks[i], "{\"command\":\"dump\"}");
		hashes[i] = member(dumps[i], "device");
	}
	assert_true(json_object_array_length(hashes[0]) > 100);
	assert_string_equal(json_object_to_json_string(hashes[0]),
			    json_object_to_json_string(hashes[1]));
	for (int i = 0; i < 2; i++) {
		json_object_put(dumps[i]);
		finish(&mocks[i], 0);
	}
}

/* A clear of the worker is announced by one rank; the others clear without a word. */
static void one_rank_announces_the_workers_clear(void **state)
{
	struct rig *rig = *state;
	struct mock mocks[2];

	for (int i = 0; i < 2; i++) {
		start(&mocks[i], rig, i ? "1" : "0", "--clear-scope=worker", NULL);
		submit(&mocks[i], 5, 20);
		assert_true(check_dump(&mocks[i], rig, NULL) > 100);
	}
	json_object_put(ask(&mocks[1], "{\"command\":\"clear\",\"announce\":false}"));
	json_object_put(ask(&mocks[0], "{\"command\":\"clear\"}"));
	assert_int_equal(check_dump(&mocks[0], rig, NULL), 0);
	for (int i = 0; i < 2; i++) {
		submit(&mocks[i], 6, 20);
		assert_true(check_dump(&mocks[i], rig, NULL) > 100);
		finish(&mocks[i], 0);
	}
}

/* A prompt's blocks are reported when it is computed: in virtual time, also without a later
 * request. */
static void time_runs_on_when_told(void **state)
{
	struct rig *rig = *state;
	struct json_object *answered;
	struct mock mock;
	int64_t free_blocks;

	start(&mock, rig, "0", NULL, NULL);
	answered = ask(&mock, "{\"id\":1,\"timestamp\":0,\"input_length\":512,"
			      "\"output_length\":0,\"hash_ids\":[1]}");
	free_blocks = number(answered, "free_blocks");
	json_object_put(answered);
	assert_int_equal(check_dump(&mock, rig, NULL), 0);
	answered = ask(&mock, "{\"command\":\"advance\",\"time_ms\":60000}");
	assert_int_equal(number(answered, "running"), 0);
	assert_int_equal(number(answered, "free_blocks"), free_blocks + 32);
	assert_int_equal(number(answered, "time_ms"), 60000);
	json_object_put(answered);
	assert_int_equal(check_dump(&mock, rig, NULL), 32);
	finish(&mock, 0);
}

static void bad_lines_get_an_answer(void **state)
{
	static const char *const lines[][2] = {
		{"nonsense", "not JSON"},
		{"{\"command\":\"dance\"}", "unknown command"},
		{"{\"command\":3}", "not a string"},
		{"{\"command\":\"clear\",\"tier\":\"disk\"}", "give device, host or all"},
		{"{\"command\":\"advance\"}", "time_ms"},
		{"{\"timestamp\":1}", "no \"input_length\""},
	};
	const uint32_t count = sizeof(lines) / sizeof(*lines);
	struct rig *rig = *state;
	struct json_object *answered;
	struct mock mock;

	start(&mock, rig, "0", NULL, NULL);
	for (uint32_t i = 0; i < count; i++) {
		answered = ask(&mock, lines[i][0]);
		assert_int_equal(number(answered, "line"), i + 1);
		assert_non_null(
			strstr(json_object_get_string(member(answered, "error")), lines[i][1]));
		json_object_put(answered);
	}
	/* a request that never fits is no bad line */
	answered = ask(&mock, "{\"id\":77,\"timestamp\":1,\"input_length\":1,"
			      "\"output_length\":100000,\"hash_ids\":[1]}");
	assert_int_equal(number(answered, "id"), 77);
	assert_non_null(strstr(json_object_get_string(member(answered, "error")), "--blocks"));
	json_object_put(answered);
	submit(&mock, 1, 3);
	finish(&mock, 1);
}

static void ends_on_a_signal(void **state)
{
	struct program_result result;
	struct rig *rig = *state;
	struct mock mock;

	start(&mock, rig, "0", NULL, NULL);
	assert_int_equal(kill(mock.program.pid, SIGTERM), 0);
	finish(&mock, 0);

	assert_int_equal(program_run(&result, "ringdex-mock", NULL, "--dir", rig->dir, "--trace",
				     "/nonexistent/trace", NULL),
			 0);
	assert_int_equal(result.status, 1);
	assert_non_null(strstr(result.err, "/nonexistent/trace: No such file"));
	program_result_free(&result);
	assert_int_equal(program_run(&result, "ringdex-mock", NULL, "--blocks=0", NULL), 0);
	assert_int_equal(result.status, 2);
	program_result_free(&result);
}

static void replays_a_trace(void **state)
{
	static const char trace[] =
		"{\"timestamp\":0,\"input_length\":512,\"output_length\":32,\"hash_ids\":[1]}\n"
		"bad\n"
		"{\"timestamp\":9000,\"input_length\":1024,\"output_length\":0,\"hash_ids\":[1,2]}"
		"\n";
	struct program_result result;
	struct rig *rig = *state;
	struct json_object *stats;

	assert_int_equal(program_run(&result, "ringdex-mock", trace, "--dir", rig->dir, "--trace",
				     "-", NULL),
			 0);
	assert_int_equal(result.status, 1);
	assert_non_null(strstr(result.err, "standard input:2: not JSON"));
	stats = json_tokener_parse(result.out);
	assert_non_null(stats);
	assert_int_equal(number(stats, "requests"), 2);
	assert_int_equal(number(stats, "prompt_blocks"), 96);
	assert_int_equal(number(stats, "hit_device_blocks"), 32);
	/* the first prompt, two blocks of its answer, the second prompt's other half */
	assert_int_equal(number(stats, "blocks_stored"), 32 + 2 + 32);
	assert_int_equal(number(stats, "running"), 0);
	json_object_put(stats);
	program_result_free(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(dump_is_what_the_segment_holds, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(names_differ_prefixes_do_not, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(one_rank_announces_the_workers_clear, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(time_runs_on_when_told, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(bad_lines_get_an_answer, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(ends_on_a_signal, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(replays_a_trace, rig_setup, rig_teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
