/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: request traces: the generator is deterministic and makes valid traces whose ids have
 * one parent each; lines are read strictly and bad ones reported by number; token expansion depends
 * on ids alone.
 */
#include "tools/trace/generator.h"
#include "tools/trace/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int temporary_file(const char *text, size_t length)
{
	char path[] = "/dev/shm/rdx-trace-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, text, length), length);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* The generator's trace as text, freed by the caller. */
static char *generated(const struct trace_generate_options *options, size_t *ret_length)
{
	struct trace_generator *generator;
	struct trace_request request;
	char *text = NULL;
	FILE *file = open_memstream(&text, ret_length);
	int got;

	assert_non_null(file);
	assert_int_equal(trace_generator_open(&generator, options), 0);
	while ((got = trace_generator_next(generator, &request)) > 0)
		assert_int_equal(trace_request_write(&request, file), 0);
	assert_int_equal(got, 0);
	trace_generator_close(generator);
	fclose(file);
	return text;
}

static void same_seed_same_trace(void **state)
{
	struct trace_generate_options options = TRACE_GENERATE_DEFAULTS;
	size_t lengths[3];
	char *texts[3];

	(void)state;
	options.requests = 300;
	texts[0] = generated(&options, &lengths[0]);
	texts[1] = generated(&options, &lengths[1]);
	options.seed++;
	texts[2] = generated(&options, &lengths[2]);
	assert_string_equal(texts[0], texts[1]);
	assert_string_not_equal(texts[0], texts[2]);
	for (int i = 0; i < 3; i++)
		free(texts[i]);
}

/* Write a trace, read it again, and look at what it is like. */
static void generated_trace_is_valid(void **state)
{
	struct trace_generate_options options = TRACE_GENERATE_DEFAULTS;
	struct trace_request request = {0};
	struct trace_summarizer *summarizer;
	struct trace_summary summary;
	struct lines lines = {.name = "trace"};
	struct json_line_fault fault;
	uint64_t last_ms = 0;
	size_t length;
	char *text;
	int got;

	(void)state;
	text = generated(&options, &length);
	lines.fd = temporary_file(text, length);
	assert_int_equal(trace_summary_open(&summarizer), 0);
	while ((got = trace_request_next(&lines, &request, &fault)) > 0) {
		assert_true(request.timestamp_ms >= last_ms);
		assert_true(request.input_length <= options.longest_tokens);
		assert_true(request.output_length > 0);
		assert_int_equal(request.id, lines.number);
		assert_int_equal(trace_summary_add(summarizer, &request, &fault), 0);
		last_ms = request.timestamp_ms;
	}
	assert_int_equal(got, 0);
	trace_summary_result(summarizer, &summary);
	assert_int_equal(summary.requests, options.requests);
	assert_int_equal(summary.ids, summary.distinct_ids + summary.reused_ids);
	/* conversations: a good part of every prompt was sent before */
	assert_in_range(summary.reused_ids * 100 / summary.ids, 40, 95);
	/* 2,000 requests at 20 a second take about 100 s */
	assert_in_range(last_ms, 70000, 140000);
	trace_summary_close(summarizer);
	trace_request_free(&request);
	lines_close(&lines);
	free(text);
}

static void generator_refuses_what_cannot_fit(void **state)
{
	struct trace_generate_options options = TRACE_GENERATE_DEFAULTS;
	struct trace_generator *generator = NULL;

	(void)state;
	options.longest_tokens = 4096;
	assert_int_equal(trace_generator_open(&generator, &options), -EINVAL);
	options = (struct trace_generate_options)TRACE_GENERATE_DEFAULTS;
	options.sessions = 0;
	assert_int_equal(trace_generator_open(&generator, &options), -EINVAL);
	assert_null(generator);
}

#define GOOD                                                                                       \
	"{\"timestamp\":7,\"input_length\":513,\"output_length\":2,\"hash_ids\":[5,"               \
	"18446744073709551615]}"

/* Each line's message must hold the given words; NULL: the line is good. */
static void bad_lines_are_named(void **state)
{
	static const struct {
		const char *line;
		const char *words;
	} cases[] = {
		{GOOD, NULL},
		{"nonsense", "not JSON"},
		{"{\"timestamp\":1", "unexpected end of data"},
		{GOOD " 1", "not JSON"},
		{"[1]", "not a JSON object"},
		{"{\"input_length\":1,\"output_length\":0,\"hash_ids\":[1]}", "no \"timestamp\""},
		{"{\"timestamp\":-1,\"input_length\":1,\"output_length\":0,\"hash_ids\":[1]}",
		 "\"timestamp\" is -1"},
		{"{\"timestamp\":1,\"input_length\":0,\"output_length\":0,\"hash_ids\":[]}",
		 "\"input_length\" is 0"},
		{"{\"timestamp\":1,\"input_length\":513,\"output_length\":0,\"hash_ids\":[1]}",
		 "1 hash_ids for 513 tokens: give 2"},
		{"{\"timestamp\":1,\"input_length\":1,\"output_length\":0,\"hash_ids\":[1.5]}",
		 "hash_ids[0] is 1.5"},
		{"{\"timestamp\":1,\"input_length\":1,\"output_length\":0,\"hash_ids\":"
		 "[18446744073709551616]}",
		 "beyond 64 bits"},
		{"{\"timestamp\":1,\"input_length\":1,\"output_length\":0}", "no array"},
		{"{\"id\":9,\"timestamp\":1,\"input_length\":1,\"output_length\":0,"
		 "\"hash_ids\":[\"3\"]}",
		 NULL},
	};
	struct trace_request request = {0};
	struct lines lines = {.name = "trace"};
	struct json_line_fault fault;
	size_t length;
	char *text = NULL;
	FILE *file = open_memstream(&text, &length);
	size_t count = sizeof(cases) / sizeof(*cases);

	(void)state;
	for (size_t i = 0; i < count; i++)
		fprintf(file, "%s%s", cases[i].line, i + 1 < count ? "\n" : "");
	fclose(file);
	lines.fd = temporary_file(text, length);
	for (size_t i = 0; i < count; i++) {
		int got = trace_request_next(&lines, &request, &fault);

		assert_int_equal(lines.number, i + 1);
		assert_int_equal(got, cases[i].words ? -EBADMSG : 1);
		if (cases[i].words && !strstr(fault.text, cases[i].words))
			fail_msg("line %zu: \"%s\" does not say \"%s\"", i + 1, fault.text,
				 cases[i].words);
	}
	assert_int_equal(request.id, 9);
	assert_int_equal(request.hash_ids[0], 3);
	assert_int_equal(trace_request_next(&lines, &request, &fault), 0);
	trace_request_free(&request);
	lines_close(&lines);
	free(text);
}

static void an_id_has_one_parent(void **state)
{
	uint64_t first[] = {1, 2}, second[] = {3, 2}, third[] = {2};
	struct trace_request request = {.hash_ids = first, .hash_count = 2};
	struct trace_summarizer *summarizer;
	struct trace_summary summary;
	struct json_line_fault fault;

	(void)state;
	assert_int_equal(trace_summary_open(&summarizer), 0);
	assert_int_equal(trace_summary_add(summarizer, &request, &fault), 0);
	assert_int_equal(trace_summary_add(summarizer, &request, &fault), 0);
	request.hash_ids = second;
	assert_int_equal(trace_summary_add(summarizer, &request, &fault), -EBADMSG);
	request.hash_ids = third;
	request.hash_count = 1;
	assert_int_equal(trace_summary_add(summarizer, &request, &fault), -EBADMSG);
	trace_summary_result(summarizer, &summary);
	assert_int_equal(summary.requests, 2);
	assert_int_equal(summary.distinct_ids, 2);
	assert_int_equal(summary.reused_ids, 2);
	trace_summary_close(summarizer);
}

static void tokens_depend_on_ids_alone(void **state)
{
	const uint64_t ids[] = {4, 1000000};
	uint32_t prompt[600], span[RDX_TRACE_SPAN_TOKENS], part[16], answer[32], longer[64];

	(void)state;
	rdx_trace_prompt(ids, 600, prompt);
	rdx_trace_tokens(ids[0], 0, RDX_TRACE_SPAN_TOKENS, span);
	assert_memory_equal(prompt, span, sizeof(span));
	rdx_trace_tokens(ids[1], 16, 16, part);
	assert_memory_equal(prompt + RDX_TRACE_SPAN_TOKENS + 16, part, sizeof(part));
	rdx_trace_answer(ids[1], 32, answer);
	rdx_trace_answer(ids[1], 64, longer);
	assert_memory_equal(answer, longer, sizeof(answer));
	assert_memory_not_equal(answer, prompt + RDX_TRACE_SPAN_TOKENS, sizeof(answer));
	for (int i = 0; i < 600; i++)
		assert_true(prompt[i] < RDX_TRACE_VOCABULARY);
	/* the text of docs/trace-format.md is held to these */
	rdx_trace_tokens(0, 0, 4, part);
	assert_int_equal(part[0], 54463);
	assert_int_equal(part[1], 97903);
	rdx_trace_answer(0, 2, answer);
	assert_int_equal(answer[0], 40892);
}

static void long_lines_are_skipped(void **state)
{
	struct lines lines = {.name = "trace"};
	char path[] = "/tmp/rdx-lines-XXXXXX";
	int fd = mkstemp(path);
	size_t length;
	char *text;

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	/* a hole reads as NUL bytes: a long line without a newline */
	assert_int_equal(pwrite(fd, "a\n", 2, 0), 2);
	assert_int_equal(pwrite(fd, "\nb", 2, (off_t)LINES_MAX_BYTES + 4096), 2);
	lines.fd = fd;
	assert_int_equal(lines_next(&lines, &text, &length), 1);
	assert_string_equal(text, "a");
	assert_int_equal(lines_next(&lines, &text, &length), -E2BIG);
	assert_int_equal(lines.number, 2);
	assert_int_equal(lines_next(&lines, &text, &length), 1);
	assert_string_equal(text, "b");
	assert_int_equal(lines_next(&lines, &text, &length), 0);
	lines_close(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_seed_same_trace),
		cmocka_unit_test(generated_trace_is_valid),
		cmocka_unit_test(generator_refuses_what_cannot_fit),
		cmocka_unit_test(bad_lines_are_named),
		cmocka_unit_test(an_id_has_one_parent),
		cmocka_unit_test(tokens_depend_on_ids_alone),
		cmocka_unit_test(long_lines_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
