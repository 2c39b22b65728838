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
#include "tools/program/messages.h"
#include "tools/program/options.h"
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
		.requests = REQUESTS_DEFAULT, .seed = 1, .workers = 4, .blocks = 12288,            \
		.host_blocks = 4096, .block_tokens = 16, .ring_slots = 32768, .kills = 4,          \
		.clears = 4, .pauses = 2, .overlap_weight = 4, .baselines = 1,                     \
	}

enum demo_option {
	OPTION_WORKERS = 'w',
	OPTION_REQUESTS = 'n',
	OPTION_TRACE = 't',
	OPTION_SEED = 's',
	OPTION_DIR = 'd',
	OPTION_JSON = 'j',
	OPTION_BLOCKS = 0x100,
	OPTION_HOST_BLOCKS,
	OPTION_BLOCK_TOKENS,
	OPTION_RING_SLOTS,
	OPTION_KILLS,
	OPTION_CLEARS,
	OPTION_PAUSES,
	OPTION_WEIGHT,
	OPTION_NO_BASELINES,
	OPTION_WAIT,
	OPTION_ROUTER,
};

struct arguments {
	struct settings settings;
	int requests_given;
	int router; /* this process is the router of another demo */
};

static const struct argp_option options[] = {
	{NULL, 0, NULL, 0, "What is replayed:", 1},
	{"trace", OPTION_TRACE, "FILE", 0,
	 "Requests in the format of ringdex-trace, - for standard input (made by it)", 1},
	{"requests", OPTION_REQUESTS, "N", 0, "At most that many (8000; all of a FILE)", 1},
	{"seed", OPTION_SEED, "S", 0, "Of the trace made, and of whom things happen to (1)", 1},
	{NULL, 0, NULL, 0, "Who runs it:", 2},
	{"workers", OPTION_WORKERS, "N", 0, "Worker processes (4)", 2},
	{"blocks", OPTION_BLOCKS, "N", 0, "Blocks of each, in the device tier (12288)", 2},
	{"host-blocks", OPTION_HOST_BLOCKS, "N", 0, "And in the host tier (4096; 0: none)", 2},
	{"block-tokens", OPTION_BLOCK_TOKENS, "N", 0, "Tokens per block (16)", 2},
	{"ring-slots", OPTION_RING_SLOTS, "N", 0,
	 "Slots of 64 bytes in each ring, a power of two (32768)", 2},
	{"overlap-weight", OPTION_WEIGHT, "X", 0,
	 "Of a block to compute, against one in use at the worker (4)", 2},
	{"wait", OPTION_WAIT, "auto|io_uring|epoll", 0, "How the router sleeps (auto)", 2},
	{NULL, 0, NULL, 0, "What happens to it:", 3},
	{"kills", OPTION_KILLS, "N", 0, "SIGKILLs: a worker, the router, a worker ... (4)", 3},
	{"clears", OPTION_CLEARS, "N", 0, "Times that a worker clears its cache (4)", 3},
	{"pauses", OPTION_PAUSES, "N", 0,
	 "Times that the router is stopped: shortly, until a ring has gone round, ... (2)", 3},
	{"no-baselines", OPTION_NO_BASELINES, NULL, 0,
	 "Only this: not again undisturbed, at random and round robin", 3},
	{NULL, 0, NULL, 0, "And else:", 4},
	{"dir", OPTION_DIR, "DIR", 0,
	 "Folder for the namespaces, kept at the end (a fresh one below /dev/shm, removed)", 4},
	{"json", OPTION_JSON, NULL, 0,
	 "Print the result as JSON; progress goes to standard error", 4},
	{"router", OPTION_ROUTER, NULL, OPTION_HIDDEN, NULL, 4},
	{0},
};

static uint32_t parse_wait(const struct argp_state *state, const char *text)
{
	if (strcmp(text, "auto") == 0)
		return RDX_WAIT_AUTO;
	if (strcmp(text, "io_uring") == 0)
		return RDX_WAIT_URING;
	if (strcmp(text, "epoll") != 0)
		argp_error(state, "--wait: '%s' is not auto, io_uring or epoll", text);
	return RDX_WAIT_EPOLL;
}

static uint32_t parse_slots(const struct argp_state *state, const char *text)
{
	uint32_t slots = (uint32_t)number_option(state, "--ring-slots", text, RDX_RING_SLOTS_MIN,
						 UINT32_C(1) << 30);

	if (slots & (slots - 1))
		argp_error(state, "--ring-slots: %s is not a power of two", text);
	return slots;
}

static int parse_sizes(int key, char *text, const struct argp_state *state, struct settings *s)
{
#define NUMBER(name, min, max) (uint32_t)number_option(state, name, text, min, max)
	switch (key) {
	case OPTION_WORKERS:
		s->workers = NUMBER("--workers", 1, DEMO_WORKERS_MAX);
		return 0;
	case OPTION_BLOCKS:
		s->blocks = NUMBER("--blocks", 1, BLOCKS_MAX);
		return 0;
	case OPTION_HOST_BLOCKS:
		s->host_blocks = NUMBER("--host-blocks", 0, BLOCKS_MAX);
		return 0;
	case OPTION_BLOCK_TOKENS:
		s->block_tokens = NUMBER("--block-tokens", 1, RDX_BLOCK_TOKENS_MAX);
		return 0;
	case OPTION_KILLS:
		s->kills = NUMBER("--kills", 0, INCIDENTS_MAX);
		return 0;
	case OPTION_CLEARS:
		s->clears = NUMBER("--clears", 0, INCIDENTS_MAX);
		return 0;
	case OPTION_PAUSES:
		s->pauses = NUMBER("--pauses", 0, INCIDENTS_MAX);
		return 0;
	case OPTION_RING_SLOTS:
		s->ring_slots = parse_slots(state, text);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
#undef NUMBER
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	struct settings *s = &arguments->settings;

	switch (key) {
	case OPTION_TRACE:
		s->trace = text;
		return 0;
	case OPTION_REQUESTS:
		s->requests = number_option(state, "--requests", text, 1, REQUESTS_MAX);
		arguments->requests_given = 1;
		return 0;
	case OPTION_SEED:
		s->seed = number_option(state, "--seed", text, 0, UINT64_MAX);
		return 0;
	case OPTION_DIR:
		s->dir = text;
		return 0;
	case OPTION_JSON:
		s->json = 1;
		return 0;
	case OPTION_WEIGHT:
		s->overlap_weight = positive_option(state, "--overlap-weight", text, WEIGHT_MAX);
		return 0;
	case OPTION_NO_BASELINES:
		s->baselines = 0;
		return 0;
	case OPTION_WAIT:
		s->wait_mode = parse_wait(state, text);
		return 0;
	case OPTION_ROUTER:
		arguments->router = 1;
		return 0;
	case ARGP_KEY_END:
		if (s->trace && !arguments->requests_given)
			s->requests = 0;
		return 0;
	default:
		return parse_sizes(key, text, state, s);
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "Shows ringdex at work: worker processes with mock engines publish what their "
	       "caches hold; a router process indexes it and sends each request to the worker "
	       "that has most of its prefix cached and is least busy; workers and router are "
	       "killed, stopped and started again; and the index is compared with the engines' "
	       "own caches, block by block.\v"
	       "The router's choice is the least of: overlap weight x (blocks of the prompt - "
	       "leading blocks cached there) + blocks in use there by running requests.\n\n"
	       "Exit status: 0; 1 when the index differed from a cache or something failed; 2 for "
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

	parse_command_line(&argp, argc, argv, &arguments);
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
