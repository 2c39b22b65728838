/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/bridge_options.h"

#include "tools/feed/feed_entries.h"
#include "tools/program/lines.h"
#include "tools/program/messages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX       64
#define BLANKS          " \t\r"
#define PLACE_BYTES     64
#define RANKS_MAX       1024
#define DEFAULT_LOST_NS UINT64_C(5000000000)
#define DEFAULT_WAIT_NS UINT64_C(5000000000)
#define LONGEST_NS      (UINT64_C(24) * 3600 * 1000000000)

#define TO(member) OPTIONS_TO(struct engine_options, member)

/* Of one engine; a line of the file has these. */
/* clang-format off */
#define ENGINE_ENTRIES                                                                             \
	{"endpoint", 0, "ADDRESS",                                                               \
	 "Where the engine publishes its events, as it was told itself, with its host in place "   \
	 "of *: tcp://HOST:PORT of rank 0, whose port the other ranks count up from, or "          \
	 "ipc://PATH",                                                                             \
	 OPTIONS_TEXT, TO(endpoint), .min = 1},                                                    \
	{"bind", 0, NULL,                                                                        \
	 "Listen at the endpoint: the engine was told to connect to it. tcp://*:PORT is every "    \
	 "address of this machine",                                                                \
	 OPTIONS_FLAG, TO(binds)},                                                                 \
	{"replay", 0, "ADDRESS", "Where the engine repeats them, likewise", OPTIONS_TEXT,          \
	 TO(replay), .min = 1, .fallback = "none"},                                                \
	{"topic", 0, "TEXT", "Take messages of exactly this topic; without it, of any",            \
	 OPTIONS_TEXT, TO(topic), .fallback = ""},                                                 \
	{"worker", 0, "N", "Number of the engine, by which routers know it", OPTIONS_NUMBER,       \
	 TO(publisher.worker_id), .max = UINT64_MAX},                                              \
	{"dp-ranks", 0, "N", "Data-parallel ranks, each with a port of its own", OPTIONS_NUMBER,      \
	 TO(ranks), .min = 1, .max = RANKS_MAX},                                                   \
	{"first-rank", 0, "N", "The first of them", OPTIONS_NUMBER, TO(first_rank),                \
	 .max = RANKS_MAX - 1},                                                                    \
	OPTIONS_INSTANCE(TO(publisher.instance), .fallback = "bridge://WORKER/RANK"),              \
	{"lost-after", 0, "DURATION",                                                              \
	 "How long an engine may be away before it is taken for dead, and its blocks leave the "   \
	 "index",                                                                                  \
	 OPTIONS_DURATION, TO(lost_after_ns), .max = LONGEST_NS},                                  \
	{"replay-wait", 0, "DURATION", "How long to wait for each answer of the replay",           \
	 OPTIONS_DURATION, TO(replay_wait_ns), .min = 1000000, .max = LONGEST_NS},                 \
	FEED_ENTRIES_RANK(TO),                                                                     \
	FEED_ENTRIES_ENGINE(TO)
/* clang-format on */

static const struct options_entry line_entries[] = {ENGINE_ENTRIES, {0}};
static const struct options_entry entries[] = {
	ENGINE_ENTRIES,
	{.kind = OPTIONS_HEADING, .help = "Output"},
	OPTIONS_JSON(TO(json)),
	{"end-with-input", 0, NULL,
	 "End when standard input, a pipe or socket, does: with who started this, however that one "
	 "ends",
	 OPTIONS_FLAG, TO(ends_with_input)},
	{0},
};

static void check_address(const struct argp_state *state, const char *option, const char *address,
			  const struct engine_options *options, int is_own)
{
	const char *fault =
		address ? endpoint_fault(address, options->first_rank, options->ranks, is_own)
			: NULL;

	if (fault)
		options_error(state, "--%s: '%s' is %s", option, address, fault);
}

/* An engine is complete. */
static void check_engine(const struct argp_state *state, void *input)
{
	struct engine_options *options = input;

	if (!options->endpoint)
		options_error(state, "missing option: --endpoint, where the engine publishes");
	check_address(state, "endpoint", options->endpoint, options, options->binds);
	check_address(state, "replay", options->replay, options, 0);
	if (options->engine.counting_groups > 1 &&
	    options->publisher.clear_scope == RDX_CLEAR_WORKER)
		options_error(state, "--counting-groups above 1 goes with --clear-scope=rank only");
	options->publisher.reap_dead = !options->keep_dead;
	options->engine.joined_late = (uint32_t)options->joined_late;
	feed_words_read(&options->words, state, &options->engine);
}

static void check(const struct argp_state *state, void *input)
{
	struct engine_options *options = input;

	if (options->endpoint && options->path)
		options_error(state, "--endpoint is of one engine: give it in FILE, or no FILE");
	if (!options->endpoint && !options->path)
		options_error(state,
			      "missing argument: FILE, or - for standard input, or --endpoint");
	if (options->ends_with_input && options->path && strcmp(options->path, "-") == 0)
		options_error(state, "--end-with-input and FILE -: standard input ends once");
	if (options->endpoint)
		check_engine(state, input);
}

static const struct options_arguments arguments = {
	.shown = "[FILE|-]",
	.most = 1,
	.take = options_take_text,
	.at = offsetof(struct engine_options, path),
};

static const struct options_program line_program = {.entries = line_entries, .check = check_engine};
static const struct options_program program = {
	.entries = entries,
	.check = check,
	.arguments = &arguments,
	.about = "Publish the KV-cache events that engines send over ZeroMQ.\v"
		 "An engine (vLLM, SGLang, TensorRT-LLM) is one line of FILE, with options of this "
		 "list without their dashes, such as\n\n"
		 "  worker=7 endpoint=tcp://10.0.0.1:5557 replay=tcp://10.0.0.1:5558 dp-ranks=4\n\n"
		 "and # before a comment; what a line does not say, the command line does. One "
		 "engine needs no FILE. Each rank becomes a segment of the namespace with its "
		 "first event, and leaves when its engine does. Missed messages are asked of the "
		 "replay; where it has them no more, the rank is LACKING or INEXACT. A line on "
		 "standard output tells each change; docs/bridge.md has all cases.\n\n"
		 "Exit status: 0 it was told to stop, 1 it could not begin, 2 wrong usage.",
};

static struct engine_options *add(struct bridge_options *options,
				  const struct engine_options *engine)
{
	struct engine_options *grown =
		realloc(options->engines, (options->count + 1) * sizeof(*grown));

	if (!grown)
		messages_no_memory();
	options->engines = grown;
	grown[options->count] = *engine;
	return &grown[options->count++];
}

/* The words of a line as a command line, in memory that stays. Returns how many. */
static int split(char *line, char *memory, char **ret_words)
{
	int count = 1;

	for (char *at = strtok(line, BLANKS); at; at = strtok(NULL, BLANKS)) {
		if (count == WORDS_MAX) {
			messages_say("more than %d options in a line: %s", WORDS_MAX - 1, at);
			exit(EXIT_USAGE);
		}
		ret_words[count++] = memory;
		memory += sprintf(memory, "--%s", at) + 1;
	}
	ret_words[count] = NULL;
	return count;
}

static void read_line(struct bridge_options *options, const struct engine_options *defaults,
		      const struct lines *lines, char *line)
{
	char *words[WORDS_MAX + 1], place[PLACE_BYTES];
	struct engine_options *engine;

	line[strcspn(line, "#")] = 0;
	if (!line[strspn(line, BLANKS)])
		return;
	engine = add(options, defaults);
	/* a word gets two dashes for the blank before it, and an end */
	engine->line = malloc(2 * strlen(line) + 4);
	if (!engine->line)
		messages_no_memory();
	/* what is said of it begins so */
	snprintf(place, sizeof(place), "%s:%" PRIu64, basename(lines->name), lines->number);
	words[0] = place;
	options_parse_line(&line_program, split(line, engine->line, words), words, engine);
}

static void read_file(struct bridge_options *options, const struct engine_options *defaults)
{
	struct lines lines;
	char *line;
	size_t length;
	int r = lines_open(&lines, defaults->path);

	while (r >= 0 && (r = lines_next(&lines, &line, &length)) > 0)
		read_line(options, defaults, &lines, line);
	if (r < 0) {
		messages_say_error(r, "cannot read %s", defaults->path);
		exit(EXIT_FAILED);
	}
	lines_close(&lines);
	if (!options->count) {
		messages_say("%s: no engine in it: write worker=N endpoint=tcp://HOST:PORT",
			     lines.name);
		exit(EXIT_USAGE);
	}
}

/* The texts of an engine stay where they are, when the list does not. */
static void point_to_words(struct engine_options *engine)
{
	engine->engine.media = engine->words.medium_words;
	engine->engine.types = engine->words.event_words;
	engine->engine.harmless_fields = engine->words.harmless_fields;
	if (engine->words.counting_kinds)
		engine->engine.counting_kinds = engine->words.kinds;
}

static int share_a_rank(const struct engine_options *a, const struct engine_options *b)
{
	return a->publisher.worker_id == b->publisher.worker_id &&
	       strcmp(a->publisher.dir, b->publisher.dir) == 0 &&
	       a->first_rank < b->first_rank + b->ranks && b->first_rank < a->first_rank + a->ranks;
}

static void finish(struct bridge_options *options)
{
	for (uint32_t i = 0; i < options->count; i++) {
		point_to_words(&options->engines[i]);
		options->streams += options->engines[i].ranks;
		for (uint32_t j = 0; j < i; j++) {
			if (!share_a_rank(&options->engines[i], &options->engines[j]))
				continue;
			messages_say("two engines are worker %" PRIu64
				     " with the same rank: give each its own --worker",
				     options->engines[i].publisher.worker_id);
			exit(EXIT_USAGE);
		}
	}
}

void bridge_options_parse(int argc, char **argv, struct bridge_options *ret_options)
{
	static struct engine_options given;

	given = (struct engine_options){
		.publisher = {.size = sizeof(struct rdx_publisher_options),
			      .dir = RDX_DEFAULT_DIR,
			      .model = "bridge",
			      .block_tokens = 16,
			      .wait_ns = FEED_ENTRIES_DEFAULT_WAIT_NS,
			      .ring_slots = FEED_ENTRIES_DEFAULT_RING_SLOTS,
			      .tier_blocks = {[RDX_TIER_DEVICE] = FEED_ENTRIES_DEFAULT_BLOCKS,
					      [RDX_TIER_HOST] = FEED_ENTRIES_DEFAULT_BLOCKS}},
		.engine = {.size = sizeof(struct rdx_engine_options), .counting_groups = 1},
		.topic = "",
		.lost_after_ns = DEFAULT_LOST_NS,
		.replay_wait_ns = DEFAULT_WAIT_NS,
		.ranks = 1,
	};
	*ret_options = (struct bridge_options){0};
	options_parse(&program, argc, argv, &given);
	ret_options->json = given.json;
	ret_options->ends_with_input = given.ends_with_input;
	if (given.path)
		read_file(ret_options, &given);
	else
		add(ret_options, &given);
	finish(ret_options);
}
