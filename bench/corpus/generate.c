/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Make the corpora that the benchmarks and the peers beside them read, see format.md.
 */
#include "bench/corpus/corpus.h"
#include "bench/corpus/find.h"
#include "bench/corpus/simulate.h"
#include "bench/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { KEY_TRACE = 2000, KEY_ONLY, KEY_DIVIDE, KEY_SEED };

struct wanted {
	const char *trace; /* NULL: a made one */
	char *only;        /* "A,S4"; NULL: all, or with --quick what that needs */
	uint64_t seed;
	uint32_t divide; /* 0: as the run's length says */
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct wanted *wanted = state->input;

	switch (key) {
	case KEY_TRACE:
		wanted->trace = argument;
		return 0;
	case KEY_ONLY:
		wanted->only = argument;
		return 0;
	case KEY_DIVIDE:
		wanted->divide = (uint32_t)options_number(state, "divide", argument, 1, 1024);
		return 0;
	case KEY_SEED:
		wanted->seed = options_number(state, "seed", argument, 0, INT64_MAX);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Is it there as this run would make it? */
static int is_made(const char *path, uint64_t fingerprint)
{
	struct corpus corpus;
	int same;

	if (corpus_open(&corpus, path) < 0)
		return 0;
	same = corpus.header->fingerprint == fingerprint;
	corpus_close(&corpus);
	return same;
}

static void say(const char *path)
{
	const struct corpus_header *h;
	struct corpus corpus;

	if (corpus_open(&corpus, path) < 0)
		return;
	h = corpus.header;
	printf("%-3s %3" PRIu64 " x %-7" PRIu64 " stored %" PRIu64 " in %" PRIu64
	       ", removed %" PRIu64 " in %" PRIu64 ", cleared %" PRIu64 ", queries %" PRIu64
	       " of %" PRIu64 " blocks, held %" PRIu64 ", distinct %" PRIu64 ", %" PRIu64 " MB\n",
	       h->name, h->workers, h->capacity, h->stored_blocks, h->stored_events,
	       h->removed_blocks, h->removed_events, h->clears, h->queries,
	       h->queries ? h->query_blocks / h->queries : 0, h->held_pairs, h->held_blocks,
	       corpus.bytes / 1000000);
	corpus_close(&corpus);
}

static int make(const struct options *options, const struct simulate_options *how,
		const struct recipe *recipe)
{
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/%s.corpus", options->corpora, recipe->name);
	if (is_made(path, simulate_fingerprint(recipe, how)))
		return 0;
	r = simulate_run(recipe, how, path);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
	else
		say(path);
	return r;
}

static int make_all(const struct options *options, const struct wanted *wanted,
		    const struct requests *requests)
{
	struct simulate_options how = {requests, wanted->seed, wanted->divide};
	char *only = wanted->only, quick[] = "A,S4", *rest = NULL;
	const struct recipe *recipe;
	int r = 0;

	if (!only && options->length == OPTIONS_QUICK)
		only = quick;
	for (int i = 0; !only && i < RECIPE_COUNT && r == 0; i++)
		r = make(options, &how, &recipe_all[i]);
	for (char *name = only ? strtok_r(only, ",", &rest) : NULL; name && r == 0;
	     name = strtok_r(NULL, ",", &rest)) {
		recipe = recipe_find(name);
		if (recipe)
			r = make(options, &how, recipe);
		else
			fprintf(stderr, "there is no corpus \"%s\"\n", name);
		if (!recipe)
			r = -ENOENT;
	}
	return r;
}

int main(int argc, char **argv)
{
	static const struct argp_option known[] = {
		{"trace", KEY_TRACE, "FILE", 0, "Follow this trace (a made one)", 0},
		{"only", KEY_ONLY, "A,B,...", 0, "These corpora (all; with --quick A,S4)", 0},
		{"divide", KEY_DIVIDE, "N", 0, "So many times smaller (1; with --smoke 64)", 0},
		{"seed", KEY_SEED, "N", 0, "Seed of all random choices (1)", 0},
		{0},
	};
	static const struct argp own = {.options = known, .parser = parse};
	struct wanted wanted = {.seed = 1};
	struct options options = {.name = "corpus",
				  .question = "Makes the corpora that benchmarks read.",
				  .rounds_by_length = {1, 1, 1},
				  .own = &own,
				  .own_input = &wanted};
	struct requests requests;
	int r;

	options_parse(argc, argv, &options);
	if (wanted.divide == 0)
		wanted.divide = options.length == OPTIONS_SMOKE ? FIND_SMOKE_DIVIDE : 1;
	if (mkdir(options.corpora, 0755) < 0 && errno != EEXIST) {
		fprintf(stderr, "%s: %s\n", options.corpora, strerror(errno));
		return 1;
	}
	r = wanted.trace ? requests_read(&requests, wanted.trace)
			 : requests_make(&requests, wanted.seed, wanted.divide);
	if (r == 0) {
		if (wanted.trace)
			requests_shorten(&requests, wanted.divide);
		r = make_all(&options, &wanted, &requests);
		requests_free(&requests);
	}
	return r < 0;
}
