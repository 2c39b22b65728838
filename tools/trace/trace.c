/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-trace: make and look at request traces. docs/trace-format.md has the format.
 */
#include "tools/program/json.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"
#include "tools/trace/generator.h"
#include "tools/trace/summary.h"
#include <ringdex/rdx_types.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct trace_options {
	struct trace_generate_options generate;
	const char *command;
	const char *path;
	int json;
};

#define TO(member)     OPTIONS_TO(struct trace_options, member)
#define TOKENS(member) TO(generate.member), .min = 1, .max = TRACE_INPUT_MAX / 4

static const struct options_entry entries[] = {
	{.help = "generate:", .kind = OPTIONS_HEADING},
	OPTIONS_REQUESTS(TO(generate.requests), .max = UINT32_MAX),
	OPTIONS_SEED(TO(generate.seed)),
	{"rate", 0, "R", "Requests a second of all sessions together", OPTIONS_FRACTION,
	 TO(generate.rate_per_s), .least = 1e-6, .most = 1e6},
	{"sessions", 0, "N", "Conversations open at once", OPTIONS_NUMBER, TO(generate.sessions),
	 .min = 1, .max = 1000000},
	{"turns", 0, "N", "Turns of a conversation, mean", OPTIONS_NUMBER, TO(generate.turns),
	 .min = 1, .max = 100000},
	{"branches", 0, "X", "Share of turns that branch off before the last turn",
	 OPTIONS_FRACTION, TO(generate.branch_share), .most = 1},
	{"system-prompts", 0, "N", "Number of shared system prompts", OPTIONS_NUMBER,
	 TO(generate.system_prompts), .max = 1000000},
	{"system-tokens", 0, "N", "Tokens of a system prompt, mean", OPTIONS_NUMBER,
	 TOKENS(system_tokens)},
	{"first-tokens", 0, "N", "Tokens of a first message, mean", OPTIONS_NUMBER,
	 TOKENS(first_tokens)},
	{"turn-tokens", 0, "N", "Tokens of a later message, mean", OPTIONS_NUMBER,
	 TOKENS(turn_tokens)},
	{"output-tokens", 0, "N", "Tokens of an answer, mean", OPTIONS_NUMBER,
	 TOKENS(output_tokens)},
	{"longest", 0, "N", "Tokens of the longest prompt", OPTIONS_NUMBER,
	 TO(generate.longest_tokens), .min = 1, .max = TRACE_INPUT_MAX},
	{.help = "show:", .kind = OPTIONS_HEADING},
	OPTIONS_JSON(TO(json)),
	{0},
};

static int is_show(const struct trace_options *options)
{
	return options->command && strcmp(options->command, "show") == 0;
}

static void take_argument(const struct argp_state *state, const char *text, void *input)
{
	struct trace_options *options = input;

	if (!options->command)
		options->command = text;
	else if (is_show(options))
		options->path = text;
	else
		options_error(state, "unexpected argument '%s'", text);
	if (!is_show(options) && strcmp(options->command, "generate") != 0)
		options_error(state, "'%s' is not one of generate, show", text);
}

static void check(const struct argp_state *state, void *input)
{
	const struct trace_options *options = input;

	if (is_show(options) && !options->path)
		options_error(state, "missing argument: FILE, or - for standard input");
}

static const struct options_arguments arguments = {
	.shown = "generate\nshow FILE|-",
	.missing = "generate or show",
	.most = 2,
	.take = take_argument,
};

static const struct options_program program = {
	.entries = entries,
	.check = check,
	.arguments = &arguments,
	.about = "Make and summarize traces of requests to a language model.\v"
		 "generate writes a trace of multi-turn conversations to standard output, one JSON "
		 "object a line, in the format of the Mooncake traces. show prints a summary of a "
		 "trace; lines that are no requests are reported with their numbers, the rest is "
		 "used.\n\n"
		 "Exit status: 0 done, 1 a line was bad, or a file could not be read or written, "
		 "2 wrong usage.",
};

static int generate(const struct trace_generate_options *o)
{
	struct trace_generator *generator;
	struct trace_request request;
	int got = trace_generator_open(&generator, o);

	if (got == -EINVAL) {
		messages_say("--longest is too short: give more than 2 * --system-tokens + 2 * "
			     "--first-tokens + 512");
		return EXIT_USAGE;
	}
	if (got < 0) {
		messages_say_error(got, "cannot make a trace");
		return EXIT_FAILED;
	}
	/* what could not be written is said at exit */
	while ((got = trace_generator_next(generator, &request)) > 0)
		if (trace_request_write(&request, stdout) < 0)
			break;
	trace_generator_close(generator);
	if (got < 0)
		messages_say_error(got, "cannot go on with the trace");
	return got < 0 ? EXIT_FAILED : EXIT_DONE;
}

static void print_json(const struct trace_summary *s, uint64_t bad, double reuse, double span_s)
{
	struct json_object *object = json_new_object();

	json_put_number(object, "requests", s->requests);
	json_put_number(object, "bad_lines", bad);
	json_put_number(object, "ids", s->ids);
	json_put_number(object, "distinct_ids", s->distinct_ids);
	json_put_fraction(object, "reuse", reuse);
	json_put_number(object, "longest_ids", s->longest_ids);
	json_put_number(object, "median_ids", s->median_ids);
	json_put_number(object, "input_tokens", s->input_tokens);
	json_put_number(object, "output_tokens", s->output_tokens);
	json_put_fraction(object, "span_s", span_s);
	json_print(object);
}

static void print_summary(const struct trace_summary *s, uint64_t bad, int json)
{
	double reuse = s->ids ? (double)s->reused_ids / (double)s->ids : 0;
	double span_s = (double)(s->last_ms - s->first_ms) / 1000;

	if (json) {
		print_json(s, bad, reuse, span_s);
		return;
	}
	printf("requests               %" PRIu64 "\n", s->requests);
	printf("span                   %.3f s\n", span_s);
	printf("ids of %u tokens      %" PRIu64 ", %" PRIu64 " distinct\n", RDX_TRACE_SPAN_TOKENS,
	       s->ids, s->distinct_ids);
	printf("longest request        %u ids\n", s->longest_ids);
	printf("median request         %u ids\n", s->median_ids);
	printf("prompt tokens          %" PRIu64 "\n", s->input_tokens);
	printf("answer tokens          %" PRIu64 "\n", s->output_tokens);
	printf("reuse, infinite cache  %.1f %% of the ids\n", 100 * reuse);
}

/* Add every request of the file; the count of bad lines, or -errno after a message. */
static int64_t summarize(struct lines *lines, struct trace_summarizer *summarizer)
{
	struct trace_request request = {0};
	struct json_line_fault fault;
	int64_t bad = 0;
	int got;

	for (;;) {
		got = trace_request_next(lines, &request, &fault);
		if (got == 0)
			break;
		if (got > 0)
			got = trace_summary_add(summarizer, &request, &fault);
		if (got == -EBADMSG) {
			messages_say("%s:%" PRIu64 ": %s", lines->name, lines->number, fault.text);
			bad++;
		} else if (got < 0) {
			messages_say_error(got, "cannot read %s", lines->name);
			bad = got;
			break;
		}
	}
	trace_request_free(&request);
	return bad;
}

static int show(const struct trace_options *options)
{
	struct trace_summarizer *summarizer;
	struct trace_summary summary;
	struct lines lines;
	int64_t bad;
	int error = lines_open(&lines, options->path);

	if (error) {
		messages_say_error(error, "cannot open %s", options->path);
		return EXIT_FAILED;
	}
	error = trace_summary_open(&summarizer);
	if (error) {
		lines_close(&lines);
		messages_no_memory();
	}
	bad = summarize(&lines, summarizer);
	if (bad >= 0) {
		trace_summary_result(summarizer, &summary);
		print_summary(&summary, (uint64_t)bad, options->json);
	}
	trace_summary_close(summarizer);
	lines_close(&lines);
	return bad ? EXIT_FAILED : EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct trace_options options = {.generate = TRACE_GENERATE_DEFAULTS};

	options_parse(&program, argc, argv, &options);
	return is_show(&options) ? show(&options) : generate(&options.generate);
}
