/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-demo: the whole of ringdex in one command. docs/demo.md says what it does.
 */
#include "tools/demo/narrate.h"
#include "tools/demo/place.h"
#include "tools/demo/report.h"
#include "tools/inspect/space.h"
#include "tools/program/figures.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"
#include "tools/program/stop.h"

#include <signal.h>
#include <stdlib.h>

#define REQUESTS_DEFAULT 8000
#define REQUESTS_MAX     100000000
#define BLOCKS_MAX       (UINT32_C(1) << 24)
#define SLOTS_MAX        (UINT32_C(1) << 30)
#define INCIDENTS_MAX    1000

#define TO(member) OPTIONS_TO(struct settings, member)

static const struct options_entry entries[] = {
	{.help = "What is replayed:", .kind = OPTIONS_HEADING},
	OPTIONS_TRACE(TO(trace), .fallback = "a generated one"),
	OPTIONS_REQUESTS(TO(requests), .min = 1, .max = REQUESTS_MAX,
			 .fallback = "8000, or all of a FILE"),
	OPTIONS_SEED(TO(seed)),
	{.help = "Workers and indexer:", .kind = OPTIONS_HEADING},
	{"workers", 'w', "N", "Worker processes", OPTIONS_NUMBER, TO(workers), .min = 1,
	 .max = DEMO_WORKERS_MAX},
	OPTIONS_BLOCKS(TO(blocks), .min = 1, .max = BLOCKS_MAX),
	OPTIONS_HOST_BLOCKS(TO(host_blocks), .max = BLOCKS_MAX),
	OPTIONS_BLOCK_TOKENS(TO(block_tokens)),
	OPTIONS_RING_SLOTS(TO(ring_slots), .max = SLOTS_MAX),
	OPTIONS_WAIT(TO(wait_mode)),
	{.help = "Incidents:", .kind = OPTIONS_HEADING},
	{"kills", 0, "N", "Processes to kill with SIGKILL: a worker, the indexer, a worker, ...",
	 OPTIONS_NUMBER, TO(incidents[DEMO_KILL]), .max = INCIDENTS_MAX},
	{"clears", 0, "N",
	 "Times that a worker clears: its host tier, all its cache, its host tier, ...",
	 OPTIONS_NUMBER, TO(incidents[DEMO_CLEAR]), .max = INCIDENTS_MAX},
	{"pauses", 0, "N",
	 "Times that the indexer is stopped: briefly, for a 16th of the requests, briefly, ...",
	 OPTIONS_NUMBER, TO(incidents[DEMO_PAUSE]), .max = INCIDENTS_MAX},
	{"no-baselines", 0, NULL,
	 "Skip the passes without incidents: overlap, random and round-robin routing", OPTIONS_FLAG,
	 TO(no_baselines)},
	{.help = "Output:", .kind = OPTIONS_HEADING},
	OPTIONS_DIR(TO(dir), .fallback = "a new one in /dev/shm, removed at the end"),
	OPTIONS_JSON(TO(json)),
	{0},
};

static const struct options_program program = {
	.entries = entries,
	.about = "Shows ringdex at work: worker processes with mock engines publish what their "
		 "caches hold; an indexer follows them; each request goes to the worker that has "
		 "most of its prefix cached and is least busy; workers and indexer are killed, "
		 "stopped and started again; and the index is compared with the workers' "
		 "ledgers, block by block, and with the engines' own caches.\v"
		 "Chosen is the worker with the least 4 x (blocks of the prompt - "
		 "leading blocks cached there) + blocks that running requests use there.\n\n"
		 "Exit status: 0 done, 1 the index differed or something failed, 2 wrong usage.",
};

static const struct pass_plan plans[] = {
	{POLICY_OVERLAP, 1, "overlap, disturbed",
	 "routed by prefix overlap and load, through crashes"},
	{POLICY_OVERLAP, 0, "overlap", "the same again, undisturbed"},
	{POLICY_RANDOM, 0, "random", "the same at random, undisturbed"},
	{POLICY_ROUND_ROBIN, 0, "round robin", "the same round robin, undisturbed"},
};
#define PLANS (sizeof(plans) / sizeof(plans[0]))

static void introduce(const struct settings *s, const struct requests *trace, const char *dir)
{
	char requests[FIGURES_BYTES], blocks[FIGURES_BYTES], host[FIGURES_BYTES];
	char needs[FIGURES_BYTES];

	narrate("%u workers of %s blocks in the device tier and %s in the host tier, %u tokens "
		"each; at most %s in %s",
		s->workers, figures_grouped(s->blocks, blocks),
		figures_grouped(s->host_blocks, host), s->block_tokens,
		figures_size(place_needs(s), needs), dir);
	narrate("%s requests over %.0f s of virtual time, replayed as fast as it goes",
		figures_grouped(trace->count, requests),
		(double)(trace->items[trace->count - 1].timestamp_ms -
			 trace->items[0].timestamp_ms) /
			1000);
}

static int run(const struct settings *s)
{
	static struct pass passes[PLANS];
	static struct requests trace;
	uint32_t count = s->no_baselines ? 1 : PLANS;
	struct comparison comparison = {0};
	const char *dir;

	narrate_open(s->json ? stderr : stdout);
	dir = place_open(s);
	requests_load(&trace, s);
	introduce(s, &trace, dir);
	for (uint32_t i = 0; i < count; i++)
		pass_run(&passes[i], &plans[i], s, &trace, dir, &comparison);
	if (s->json)
		report_print_json(passes, count);
	else
		report_print(passes, count);
	return comparison.divergences || comparison.failed || !comparison.times ? EXIT_FAILED
										: EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct settings settings = {
		.seed = OPTIONS_SEED_DEFAULT,
		.workers = 4,
		.blocks = 12288,
		.host_blocks = 4096,
		.block_tokens = 16,
		.ring_slots = 32768,
		.incidents = {[DEMO_KILL] = 4, [DEMO_CLEAR] = 4, [DEMO_PAUSE] = 2},
	};

	options_parse(&program, argc, argv, &settings);
	if (!settings.requests && !settings.trace)
		settings.requests = REQUESTS_DEFAULT;
	space_guard();
	signal(SIGPIPE, SIG_IGN);
	stop_listen();
	return run(&settings);
}
