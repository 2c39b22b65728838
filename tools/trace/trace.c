/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-trace: make and look at request traces. docs/trace-format.md has the format.
 */
#include "tools/program/arguments.h"
#include "tools/trace/generate.h"
#include "tools/trace/summary.h"
#include <ringdex/rdx_types.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

RDX_API const char *argp_program_version = "ringdex-trace " RDX_VERSION;

enum trace_option {
	OPTION_REQUESTS = 'n',
	OPTION_SEED = 's',
	OPTION_RATE = 'r',
	OPTION_SESSIONS = 0x100,
	OPTION_TURNS,
	OPTION_BRANCHES,
	OPTION_SYSTEMS,
	OPTION_SYSTEM_TOKENS,
	OPTION_FIRST_TOKENS,
	OPTION_TURN_TOKENS,
	OPTION_OUTPUT_TOKENS,
	OPTION_LONGEST,
	OPTION_JSON,
};

struct trace_arguments {
	struct trace_generate_options generate;
	const char *command;
	const char *path;
	int json;
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "generate:", 1 },
	{ "requests", OPTION_REQUESTS, "N", 0, "Requests to make (2000)", 1 },
	{ "seed", OPTION_SEED, "S", 0, "Same seed and options, same trace (1)", 1 },
	{ "rate", OPTION_RATE, "R", 0, "Requests per second of all sessions (20)", 1 },
	{ "sessions", OPTION_SESSIONS, "N", 0, "Conversations open at once (64)", 1 },
	{ "turns", OPTION_TURNS, "N", 0, "Turns per conversation, mean (6)", 1 },
	{ "branches", OPTION_BRANCHES, "X", 0, "Share of later turns that go on from an earlier "
	  "one than the last (0.15)", 1 },
	{ "system-prompts", OPTION_SYSTEMS, "N", 0, "Shared system prompts, 0 for none (4)", 1 },
	{ "system-tokens", OPTION_SYSTEM_TOKENS, "N", 0, "Tokens of each, mean (2048)", 1 },
	{ "first-tokens", OPTION_FIRST_TOKENS, "N", 0, "Tokens of the first message, mean (2048)",
	  1 },
	{ "turn-tokens", OPTION_TURN_TOKENS, "N", 0, "Tokens of later messages, mean (512)", 1 },
	{ "output-tokens", OPTION_OUTPUT_TOKENS, "N", 0, "Tokens of an answer, mean (256)", 1 },
	{ "longest", OPTION_LONGEST, "N", 0, "Longest prompt in tokens (32768)", 1 },
	{ NULL, 0, NULL, 0, "show:", 2 },
	{ "json", OPTION_JSON, NULL, 0, "Print the summary as one JSON line", 2 },
	{ 0 },
};

static int parse_generate(int key, const char *arg, struct argp_state *state,
			  struct trace_generate_options *g)
{
	const uint32_t tokens_max = TRACE_INPUT_MAX / 4;

#define NUMBER(name, min, max) arguments_number(state, name, arg, min, max)
	switch (key) {
	case OPTION_REQUESTS:
		g->requests = NUMBER("requests", 0, UINT32_MAX);
		return 0;
	case OPTION_SEED:
		g->seed = NUMBER("seed", 0, UINT64_MAX);
		return 0;
	case OPTION_RATE:
		g->rate_per_s = arguments_fraction(state, "rate", arg, 1e-6, 1e6);
		return 0;
	case OPTION_BRANCHES:
		g->branch_share = arguments_fraction(state, "branches", arg, 0, 1);
		return 0;
	case OPTION_SESSIONS:
		g->sessions = (uint32_t)NUMBER("sessions", 1, 1000000);
		return 0;
	case OPTION_TURNS:
		g->turns = (uint32_t)NUMBER("turns", 1, 100000);
		return 0;
	case OPTION_SYSTEMS:
		g->system_prompts = (uint32_t)NUMBER("system-prompts", 0, 1000000);
		return 0;
	case OPTION_SYSTEM_TOKENS:
		g->system_tokens = (uint32_t)NUMBER("system-tokens", 1, tokens_max);
		return 0;
	case OPTION_FIRST_TOKENS:
		g->first_tokens = (uint32_t)NUMBER("first-tokens", 1, tokens_max);
		return 0;
	case OPTION_TURN_TOKENS:
		g->turn_tokens = (uint32_t)NUMBER("turn-tokens", 1, tokens_max);
		return 0;
	case OPTION_OUTPUT_TOKENS:
		g->output_tokens = (uint32_t)NUMBER("output-tokens", 1, tokens_max);
		return 0;
	case OPTION_LONGEST:
		g->longest_tokens = (uint32_t)NUMBER("longest", 1, TRACE_INPUT_MAX);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
#undef NUMBER
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct trace_arguments *arguments = state->input;

	switch (key) {
	case OPTION_JSON:
		arguments->json = 1;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			arguments->command = arg;
		else if (state->arg_num == 1 && strcmp(arguments->command, "show") == 0)
			arguments->path = arg;
		else
			argp_error(state, "one argument too many: %s", arg);
		return 0;
	case ARGP_KEY_END:
		if (!arguments->command)
			argp_error(state, "say what to do: generate or show");
		if (strcmp(arguments->command, "show") == 0 && !arguments->path)
			argp_error(state, "show: name a file, or - for standard input");
		return 0;
	default:
		return parse_generate(key, arg, state, &arguments->generate);
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "generate\nshow FILE",
	.doc = "Make and look at traces of requests to a language model.\v"
	       "`generate' writes a trace of multi-turn conversations to standard output, one JSON "
	       "object per line, in the format of the Mooncake project's traces. `show' reads such "
	       "a file and prints what it is like; lines that are no request are reported with "
	       "their number, the rest is used.\n\n"
	       "Exit status: 0; 1 when a line was bad or a file could not be read or written; 2 "
	       "for wrong usage.",
};

static int generate(const struct trace_generate_options *o)
{
	struct trace_generator *generator;
	struct trace_request request;
	int got = trace_generator_open(&generator, o);

	if (got == -EINVAL) {
		fprintf(stderr, "ringdex-trace: the means do not fit: raise --longest over twice "
				"--system-tokens plus twice --first-tokens plus 512\n");
		return ARGUMENTS_EXIT_USAGE;
	}
	if (!got) {
		while ((got = trace_generator_next(generator, &request)) > 0) {
			if (trace_request_write(&request, stdout) < 0)
				break;
		}
		trace_generator_close(generator);
	}
	if (got < 0 || fflush(stdout) < 0 || ferror(stdout)) {
		fprintf(stderr, "ringdex-trace: cannot write the trace: %s\n",
			strerror(got < 0 ? -got : errno));
		return 1;
	}
	return 0;
}

static void print_summary(const struct trace_summary *s, uint64_t bad, int json)
{
	double reuse = s->ids ? 100.0 * (double)s->reused_ids / (double)s->ids : 0;
	double span_s = (double)(s->last_ms - s->first_ms) / 1000;

	if (json) {
		printf("{\"requests\":%" PRIu64 ",\"bad_lines\":%" PRIu64 ",\"ids\":%" PRIu64
		       ",\"distinct_ids\":%" PRIu64 ",\"reuse\":%.4f,\"longest_ids\":%u,"
		       "\"median_ids\":%u,\"input_tokens\":%" PRIu64 ",\"output_tokens\":%" PRIu64
		       ",\"span_s\":%.3f}\n",
		       s->requests, bad, s->ids, s->distinct_ids, reuse / 100, s->longest_ids,
		       s->median_ids, s->input_tokens, s->output_tokens, span_s);
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
	printf("reuse, infinite cache  %.1f %% of the ids\n", reuse);
}

/* Add every request of the file; the count of bad lines, or -errno after a message. */
static int64_t summarize(struct lines *lines, struct trace_summarizer *summarizer)
{
	struct trace_request request = { 0 };
	struct json_line_fault fault;
	int64_t bad = 0;
	int got;

	for (;;) {
		got = trace_next(lines, &request, &fault);
		if (got == 0)
			break;
		if (got > 0)
			got = trace_summarizer_add(summarizer, &request, &fault);
		if (got == -EBADMSG) {
			fprintf(stderr, "%s:%" PRIu64 ": %s\n", lines->name, lines->number,
				fault.text);
			bad++;
		} else if (got < 0) {
			fprintf(stderr, "ringdex-trace: %s: %s\n", lines->name, strerror(-got));
			bad = got;
			break;
		}
	}
	trace_request_free(&request);
	return bad;
}

static int show(const struct trace_arguments *arguments)
{
	struct trace_summarizer *summarizer;
	struct trace_summary summary;
	struct lines lines;
	int64_t bad;
	int error = lines_open(&lines, arguments->path);

	if (error) {
		fprintf(stderr, "ringdex-trace: %s: %s\n", arguments->path, strerror(-error));
		return 1;
	}
	error = trace_summarizer_open(&summarizer);
	if (error) {
		fprintf(stderr, "ringdex-trace: %s\n", strerror(-error));
		lines_close(&lines);
		return 1;
	}
	bad = summarize(&lines, summarizer);
	if (bad >= 0) {
		trace_summarizer_result(summarizer, &summary);
		print_summary(&summary, (uint64_t)bad, arguments->json);
	}
	trace_summarizer_close(summarizer);
	lines_close(&lines);
	return bad || fflush(stdout) < 0;
}

int main(int argc, char **argv)
{
	struct trace_arguments arguments = { .generate = TRACE_GENERATE_DEFAULTS };

	argp_err_exit_status = ARGUMENTS_EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	if (strcmp(arguments.command, "generate") == 0)
		return generate(&arguments.generate);
	if (strcmp(arguments.command, "show") == 0)
		return show(&arguments);
	fprintf(stderr, "ringdex-trace: %s: no such command: generate or show\n",
		arguments.command);
	return ARGUMENTS_EXIT_USAGE;
}
