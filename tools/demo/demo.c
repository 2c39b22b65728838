/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-demo: the whole of ringdex in one command. Worker processes append their caches'
 * events, a router process reads them in place and routes a trace by what it knows, both
 * are killed in mid-run, and at the end the router's index is compared with each engine's
 * own cache, block by block. Then the same trace under random and round-robin routing.
 */
#include "tools/demo/narrate.h"
#include "tools/demo/pass.h"
#include "tools/demo/place.h"
#include "tools/demo/report.h"
#include "tools/demo/router.h"
#include "tools/inspect/space.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"
#include "tools/program/stop.h"
#include "tools/program/figures.h"

#include <errno.h>
#include <libgen.h>
#include <ringdex/rdx_indexer.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUESTS_DEFAULT 8000
#define REQUESTS_MAX     100000000
#define BLOCKS_MAX       (UINT32_C(1) << 24)
#define INCIDENTS_MAX    1000
#define WEIGHT_MAX       1000
#define PASSES_MAX       4

#define SETTINGS_DEFAULT                                                                           \
	{                                                                                          \
		.seed = OPTIONS_SEED_DEFAULT, .workers = 4, .blocks = 12288,            \
		.host_blocks = 4096, .block_tokens = 16, .ring_slots = 32768, .kills = 4,          \
		.clears = 4, .pauses = 2, .overlap_weight = 4, .baselines = 1,                     \
	}

struct arguments {
	struct settings settings;
	int no_baselines;
	int router; /* this process is the router of another demo */
};

#define TO(member) OPTIONS_TO(struct arguments, settings.member)

static const struct options_entry entries[] = {
	{.help = "What is replayed:", .kind = OPTIONS_HEADING},
	OPTIONS_TRACE(TO(trace), .fallback = "made by ringdex-trace"),
	OPTIONS_REQUESTS(TO(requests), .min = 1, .max = REQUESTS_MAX,
			 .fallback = "8000, or all of a trace"),
	OPTIONS_SEED(TO(seed)),
	{.help = "Who runs it:", .kind = OPTIONS_HEADING},
	{"workers", 'w', "N", "Worker processes", OPTIONS_NUMBER, TO(workers), .min = 1,
	 .max = DEMO_WORKERS_MAX},
	OPTIONS_BLOCKS(TO(blocks), .min = 1, .max = BLOCKS_MAX),
	OPTIONS_HOST_BLOCKS(TO(host_blocks), .max = BLOCKS_MAX),
	OPTIONS_BLOCK_TOKENS(TO(block_tokens)),
	OPTIONS_RING_SLOTS(TO(ring_slots), .max = UINT32_C(1) << 30),
	{"overlap-weight", 0, "X",
	 "Weight of a block to compute, against that of a block in use at the worker",
	 OPTIONS_FRACTION, TO(overlap_weight), .least = 1e-6, .most = WEIGHT_MAX},
	OPTIONS_WAIT(TO(wait_mode)),
	{.help = "What happens to it:", .kind = OPTIONS_HEADING},
	{"kills", 0, "N", "SIGKILLs: a worker, the router, a worker, ...", OPTIONS_NUMBER, TO(kills),
	 .max = INCIDENTS_MAX},
	{"clears", 0, "N", "Times that a worker clears its cache", OPTIONS_NUMBER, TO(clears),
	 .max = INCIDENTS_MAX},
	{"pauses", 0, "N",
	 "Times that the router is stopped: briefly, until a ring has wrapped, ...",
	 OPTIONS_NUMBER, TO(pauses), .max = INCIDENTS_MAX},
	{"no-baselines", 0, NULL,
	 "Only this: no second run undisturbed, none at random or round robin", OPTIONS_FLAG,
	 OPTIONS_TO(struct arguments, no_baselines)},
	{.help = "Output:", .kind = OPTIONS_HEADING},
	OPTIONS_DIR(TO(dir), .fallback = "a new one in /dev/shm, removed at the end"),
	OPTIONS_JSON(TO(json)),
	{"router", 0, NULL, NULL, OPTIONS_FLAG, OPTIONS_TO(struct arguments, router), .hidden = 1},
	{0},
};

static const struct options_program program = {
	.entries = entries,
	.about = "Shows ringdex at work: worker processes with mock engines publish what their "
		 "caches hold; a router process indexes it and sends each request to the worker "
		 "that has most of its prefix cached and is least busy; workers and router are "
		 "killed, stopped and started again; and the index is compared with the engines' "
		 "own caches, block by block.\v"
		 "The router's choice is the least of: overlap weight x (blocks of the prompt - "
		 "leading blocks cached there) + blocks in use there by running requests.\n\n"
		 "Exit status: 0 done, 1 the index differed from a cache, or something failed, 2 "
		 "wrong usage.",
};

/* -- the run -- */

static char *own_folder(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length < 0) {
		messages_say("cannot find the programs beside this one: /proc/self/exe: %s",
			 strerror(errno));
		return NULL;
	}
	path[length] = 0;
	return strdup(dirname(path));
}

static void introduce(const struct settings *s, const struct requests *trace, const char *dir)
{
	char requests[FIGURES_BYTES], blocks[FIGURES_BYTES], host[FIGURES_BYTES];
	char needs[FIGURES_BYTES];
	const struct request *last = &trace->items[trace->count - 1];

	narrate("%u workers of %s blocks in the device tier and %s in the host tier, %u tokens "
		"each; at most %s in %s",
		s->workers, figures_grouped(s->blocks, blocks), figures_grouped(s->host_blocks, host),
		s->block_tokens, figures_size(place_needs(s), needs), dir);
	narrate("%s requests over %.0f s of virtual time, replayed as fast as it goes",
		figures_grouped(trace->count, requests), (double)last->timestamp_ms / 1000);
}

/* The passes in order. The count done, or -errno. */
static int run_passes(struct pass *passes, const struct settings *s, const struct requests *trace,
		      const char *dir)
{
	static const struct {
		enum policy policy;
		int incidents;
		const char *what;
	} plan[PASSES_MAX] = {
		{POLICY_OVERLAP, 1, "routed by prefix overlap and load, through crashes"},
		{POLICY_OVERLAP, 0, "the same again, undisturbed"},
		{POLICY_RANDOM, 0, "the same at random, undisturbed"},
		{POLICY_ROUND_ROBIN, 0, "the same round robin, undisturbed"},
	};
	int count = s->baselines ? PASSES_MAX : 1;

	for (int i = 0; i < count; i++) {
		int r;

		narrate("%s", plan[i].what);
		r = pass_run(&passes[i], s, trace, plan[i].policy, plan[i].incidents, dir);
		if (r < 0)
			return r;
	}
	return count;
}

static int result(const struct pass *passes, int count)
{
	int status = EXIT_DONE;

	for (int i = 0; i < count; i++) {
		const struct comparison *c = &passes[i].comparison;

		if (passes[i].policy == POLICY_OVERLAP &&
		    (c->divergences || c->failed || !c->times))
			status = EXIT_FAILED;
	}
	return status;
}

static int run(const struct settings *s)
{
	struct pass *passes = calloc(PASSES_MAX, sizeof(*passes));
	struct requests trace;
	int count, status = EXIT_FAILED;
	const char *dir;

	if (!passes)
		messages_no_memory();
	narrate_open(s->json ? stderr : stdout);
	dir = place_open(s);
	if (dir && requests_load(&trace, s) == 0) {
		introduce(s, &trace, dir);
		count = run_passes(passes, s, &trace, dir);
		if (count > 0 && s->json)
			report_print_json(passes, (uint32_t)count);
		else if (count > 0)
			report_print(passes, (uint32_t)count);
		if (count > 0)
			status = result(passes, count);
		for (int i = 0; i < PASSES_MAX; i++)
			pass_close(&passes[i]);
		requests_free(&trace);
	}
	free(passes);
	if (stop_asked())
		messages_say("told to stop: all ended, %s", s->dir ? "the --dir is left as it is"
							       : "nothing left behind");
	return status;
}

int main(int argc, char **argv)
{
	struct arguments arguments = {.settings = SETTINGS_DEFAULT};
	char *bin;
	int status;

	options_parse(&program, argc, argv, &arguments);
	arguments.settings.baselines = !arguments.no_baselines;
	if (!arguments.settings.requests && !arguments.settings.trace)
		arguments.settings.requests = REQUESTS_DEFAULT;
	space_guard();
	if (arguments.router)
		return router_run(&arguments.settings);
	signal(SIGPIPE, SIG_IGN);
	stop_listen();
	bin = own_folder();
	if (!bin)
		return EXIT_FAILED;
	arguments.settings.bin = bin;
	status = run(&arguments.settings);
	free(bin);
	return status;
}
