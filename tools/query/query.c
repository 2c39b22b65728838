/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-query: who holds the longest prefix of a request?
 */
#include "shm/tokens.h"
#include "tools/inspect/indexes.h"
#include "tools/inspect/ranks.h"
#include "tools/program/again.h"
#include "tools/program/figures.h"
#include "tools/program/sheet.h"
#include "tools/program/lines.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"
#include "tools/query/prompt.h"
#include "tools/query/request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct query_options {
	const char *dir;
	struct index_wanted wanted;
	int tokens; /* what the requests are; the first where none is given */
	int local;
	int prefix;
	struct prompt_defaults prompt;
	const char *file;
	int json;
	uint64_t watch_ns;
};

struct asking {
	const struct query_options *options;
	struct space space;
};

struct query {
	const struct query_options *options;
	struct rdx_index *index;
	struct index_name name;
	struct request request; /* numbers */
	struct prompt prompt;   /* token ids */
	struct lines lines;
	uint64_t requests; /* answered */
	struct rdx_run runs[RDX_RANKS_MAX];
};

#define TO(member) OPTIONS_TO(struct query_options, member)

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(dir)),
	OPTIONS_JSON(TO(json)),
	OPTIONS_WATCH(TO(watch_ns)),
	{.help = "Requests are:", .kind = OPTIONS_HEADING},
	{"tokens", 0, NULL, "Token ids (the default)", OPTIONS_FLAG, TO(tokens)},
	{"local", 0, NULL, "Local hashes of their blocks", OPTIONS_FLAG, TO(local)},
	{"prefix", 0, NULL, "Prefix hashes of this namespace", OPTIONS_FLAG, TO(prefix)},
	{"lora", 0, "NAME", "LoRA adapter of the token ids", OPTIONS_TEXT, TO(prompt.lora)},
	{"salt", 0, "TEXT", "Cache salt of the token ids", OPTIONS_TEXT, TO(prompt.salt)},
	{"eagle", 0, NULL, "Blocks are of pairs, as SGLang's with EAGLE", OPTIONS_FLAG,
	 TO(prompt.eagle)},
	{.help = "Which index, where there are several:", .kind = OPTIONS_HEADING},
	OPTIONS_MODEL(TO(wanted.model)),
	OPTIONS_TENANT(TO(wanted.tenant)),
	OPTIONS_BLOCK_TOKENS(TO(wanted.block_tokens), .fallback = ""),
	{0},
};

static void check(const struct argp_state *state, void *input)
{
	const struct query_options *options = input;

	if (options->tokens + options->local + options->prefix > 1)
		options_error(state, "give one of --tokens, --local, --prefix");
	if (options->watch_ns && options->file && strcmp(options->file, "-") == 0)
		argp_error(state, "--watch wants a file: standard input can be read once only");
	if ((options->prompt.lora || options->prompt.salt || options->prompt.eagle) &&
	    (options->local || options->prefix))
		options_error(state,
			      "--lora, --salt and --eagle go with --tokens only: hashes have "
			      "them in them");
}

static const struct options_arguments arguments = {
	.shown = "FILE|-",
	.missing = "FILE, or - for standard input",
	.most = 1,
	.take = options_take_text,
	.at = offsetof(struct query_options, file),
};

static const struct options_program program = {
	.entries = entries,
	.check = check,
	.arguments = &arguments,
	.about =
		"Ask the index of a namespace which ranks hold the longest prefix of a request. "
		"Each line of FILE is a request: a JSON array of numbers, numbers with blanks or "
		"commas between them, or, for token ids with images, a JSON object: "
		"{\"token_ids\":[...], \"extra_keys\":[...]}. Its extra_keys are as in vLLM's "
		"events, with an entry for each block: null, or a list of [identifier, offset]. "
		"mm_keys are the same as TensorRT-LLM writes it. lora_name, cache_salt and eagle "
		"(true or false) go before the options --lora, --salt and --eagle. "
		"docs/engines.md has more of it.\v"
		"The answer is, for each rank and best first, the number of leading blocks that it "
		"holds without a hole in its DEVICE tier, in device and host (+HOST), in those "
		"and disk (+DISK), and in ALL tiers. STATE is what the answer is worth: EXACT, "
		"RECOVERING (nothing is served), LACKING (the rank holds as much or more: route by "
		"it), INEXACT (it may hold less or more), STALE (the indexer is dead or behind). "
		"AGE is the time since the rank was last "
		"seen alive and caught up. With --json each request gives a line. ringdex follow "
		"maintains the index.\n\n"
		"Exit status: 0 every request was answered, 1 one was not, 2 wrong usage.",
};

/* Longest of all tiers first, then of the nearer ones, then by rank. */
static int compare_runs(const void *left, const void *right)
{
	const struct rdx_run *a = left, *b = right;

	for (int tier = RDX_TIER_COUNT - 1; tier >= 0; tier--)
		if (a->blocks[tier] != b->blocks[tier])
			return a->blocks[tier] > b->blocks[tier] ? -1 : 1;
	if (a->worker_id != b->worker_id)
		return a->worker_id < b->worker_id ? -1 : 1;
	return a->dp_rank < b->dp_rank ? -1 : a->dp_rank > b->dp_rank;
}

static void describe(struct sheet *sheet, const void *of, uint32_t i)
{
	static const enum table_tone tone[] = {
		[RDX_STATE_EXACT] = TABLE_GOOD,      [RDX_STATE_RECOVERING] = TABLE_WARNING,
		[RDX_STATE_INEXACT] = TABLE_WARNING, [RDX_STATE_STALE] = TABLE_BAD,
		[RDX_STATE_GONE] = TABLE_FAINT,      [RDX_STATE_LACKING] = TABLE_WARNING,
	};
	static const char *const sets[RDX_TIER_COUNT][2] = {{"DEVICE", "device"},
							    {"+HOST", "device_host"},
							    {"+DISK", "device_host_disk"},
							    {"ALL", "all"}};
	const struct rdx_run *run = &((const struct query *)of)->runs[i];
	const char *state = rdx_state_text(run->state);
	char rank[RANKS_TEXT_BYTES];

	sheet_text(sheet, "RANK", NULL, ranks_text(run->worker_id, run->dp_rank, rank));
	sheet_number(sheet, NULL, "worker", SHEET_ID, run->worker_id);
	sheet_number(sheet, NULL, "dp_rank", SHEET_PLAIN, run->dp_rank);
	sheet_open(sheet);
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		sheet_number(sheet, sets[tier][0], sets[tier][1], SHEET_PLAIN, run->blocks[tier]);
	sheet_close(sheet, "leading_blocks");
	sheet_text(sheet, "STATE", "state", state ? state : "?");
	sheet_tone(sheet, run->state < sizeof(tone) / sizeof(*tone) ? tone[run->state] : TABLE_BAD);
	sheet_number(sheet, "AGE", "age_ns", SHEET_AGE, run->age_ns);
	sheet_number(sheet, NULL, "event_age_ns", SHEET_AGE, run->event_age_ns);
	sheet_number(sheet, NULL, "epoch", SHEET_ID, run->epoch);
	sheet_number(sheet, NULL, "last_event_id", SHEET_PLAIN, run->last_event_id);
	sheet_flag(sheet, "scanned", run->scanned);
	sheet_long_text(sheet, "INSTANCE", "instance", run->instance);
}

static void print_json(const struct query *query, uint64_t blocks, int rows)
{
	struct json_object *object = json_new_object();

	json_put_number(object, "line", query->lines.number);
	json_put_number(object, "blocks", blocks);
	json_put(object, "ranks", sheet_list(describe, query, (uint32_t)rows));
	json_print_line(object);
}

static void print_table(const struct query *query, uint64_t blocks, int rows)
{
	printf("%srequest of line %" PRIu64 ": %" PRIu64 " block%s\n", query->requests ? "\n" : "",
	       query->lines.number, blocks, figures_plural(blocks));
	if (rows == 0)
		printf("no running worker feeds this index: start one\n");
	else
		sheet_print(NULL, describe, query, 0, (uint32_t)rows);
}

/* What the line asks for. 1, 0 for a blank one, -EBADMSG with `ret_fault` filled. */
static int read_line(struct query *query, const char *line, size_t length,
		     struct rdx_tokens *ret_tokens, struct json_line_fault *ret_fault)
{
	const struct query_options *options = query->options;
	int hashes = options->local || options->prefix, r = 1;

	if (!hashes && request_is_object(line)) {
		r = prompt_read(&query->prompt, line, length, ret_fault);
	} else {
		r = request_read(&query->request, line, hashes ? UINT64_MAX : UINT32_MAX,
				 ret_fault);
		if (r <= 0 || hashes)
			return r;
		prompt_take(&query->prompt, query->request.numbers, query->request.count);
	}
	if (r >= 0)
		r = prompt_tokens(&query->prompt, &options->prompt, query->name.block_tokens,
				  ret_tokens, ret_fault);
	return r < 0 ? r : 1;
}

/* Ask; how many rows, or -errno. */
static int look_up(struct query *query, const struct rdx_tokens *tokens, uint64_t *ret_blocks)
{
	const struct query_options *options = query->options;
	const struct request *request = &query->request;
	uint32_t blocks = (uint32_t)request->count;

	if (!options->local && !options->prefix) {
		*ret_blocks = rdx_tokens_blocks(tokens);
		return rdx_index_lookup_tokens(query->index, tokens, query->runs, RDX_RANKS_MAX);
	}
	if (request->count > UINT32_MAX)
		return -E2BIG;
	*ret_blocks = blocks;
	if (options->local)
		return rdx_index_lookup_local(query->index, request->numbers, blocks, query->runs,
					      RDX_RANKS_MAX);
	return rdx_index_lookup(query->index, request->numbers, blocks, query->runs, RDX_RANKS_MAX);
}

static int answer_line(struct query *query, const char *line, size_t length)
{
	const struct lines *lines = &query->lines;
	struct json_line_fault fault;
	struct rdx_tokens tokens;
	uint64_t until_ns = 0;
	uint64_t blocks;
	int rows;
	int r = read_line(query, line, length, &tokens, &fault);

	if (r == -EBADMSG)
		messages_say("%s:%" PRIu64 ": %s", lines->name, lines->number, fault.text);
	else if (r < 0)
		messages_say_error(r, "%s:%" PRIu64 ": cannot read", lines->name, lines->number);
	if (r <= 0)
		return r;
	query->runs[0].size = sizeof(query->runs[0]);
	do
		rows = look_up(query, &tokens, &blocks);
	while (rows == -EAGAIN && indexes_pause(&until_ns));
	if (rows < 0) {
		messages_say_error(rows, "%s:%" PRIu64 ": cannot answer", lines->name,
				   lines->number);
		return rows;
	}
	qsort(query->runs, (size_t)rows, sizeof(query->runs[0]), compare_runs);
	if (query->options->json)
		print_json(query, blocks, rows);
	else
		print_table(query, blocks, rows);
	query->requests++;
	/* whoever asks through a pipe waits for it */
	fflush(stdout);
	return 0;
}

/* Answer line after line; one that cannot be answered does not keep the rest from it. */
static int answer_file(struct query *query)
{
	int got, status = EXIT_DONE;
	size_t length;
	char *line;

	while ((got = lines_next(&query->lines, &line, &length)) != 0) {
		if (got == -E2BIG)
			messages_say("%s:%" PRIu64 ": the line is too long: split it",
				     query->lines.name, query->lines.number);
		if (got > 0 ? answer_line(query, line, length) < 0 : got)
			status = EXIT_FAILED;
		if (got < 0 && got != -E2BIG) {
			messages_say_error(got, "cannot read %s", query->lines.name);
			break;
		}
	}
	return status;
}

static int query_file(const struct query_options *options, const struct space *space)
{
	struct query *query = calloc(1, sizeof(*query));
	int r, status = EXIT_FAILED;

	if (!query)
		messages_no_memory();
	query->options = options;
	r = lines_open(&query->lines, options->file);
	if (r < 0) {
		messages_say_error(r, "cannot open %s", options->file);
		free(query);
		return EXIT_FAILED;
	}
	if (indexes_choose(space, &options->wanted, &query->index, &query->name) == 0) {
		if (!space_has_indexer(space))
			messages_say("no indexer runs: the answers are as old as their ages; start "
				     "ringdex follow");
		status = answer_file(query);
		rdx_index_close(query->index);
	}
	lines_close(&query->lines);
	request_free(&query->request);
	prompt_free(&query->prompt);
	free(query);
	return status;
}

static int look(void *context)
{
	struct asking *asking = context;

	(void)space_renew(&asking->space);
	return query_file(asking->options, &asking->space);
}

int main(int argc, char **argv)
{
	struct query_options options = {.dir = RDX_DEFAULT_DIR};
	struct asking asking = {.options = &options};
	int status;

	options_parse(&program, argc, argv, &options);
	if (space_open(&asking.space, options.dir) < 0)
		return EXIT_FAILED;
	status = again_run(options.watch_ns, options.json, look, &asking);
	space_close(&asking.space);
	return status;
}
