/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/corpus/simulate.h"

#include "bench/corpus/cache.h"
#include "bench/corpus/corpus.h"
#include "bench/corpus/demand.h"
#include "bench/corpus/emit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define LOAD_DECAY_MS 10000.0
#define LOAD_SLACK    256 /* blocks */

struct worker {
	struct cache cache;
	double load; /* new blocks, decaying */
};

struct simulation {
	struct recipe recipe;
	struct worker *workers;
	struct random_state random;
	struct demands demands;
	struct emit emit;
	uint64_t time_ms;
	uint64_t *names; /* of the prompt being served */
	uint8_t *lacked; /* likewise: its blocks that were not held */
};

uint64_t simulate_fingerprint(const struct recipe *recipe, const struct simulate_options *options)
{
	struct recipe smaller = recipe_divided(recipe, options->divide);
	uint64_t words[] = {CORPUS_VERSION,
			    smaller.shape,
			    smaller.workers,
			    smaller.capacity,
			    smaller.copies,
			    smaller.removed_blocks,
			    smaller.hole_ppm,
			    smaller.requests_per_clear,
			    smaller.prompt_blocks,
			    smaller.requests,
			    smaller.pool,
			    smaller.held_stop,
			    options->divide,
			    options->seed,
			    recipe->copies ? options->requests->fingerprint : 0};

	return XXH3_64bits(words, sizeof(words));
}

static void decay_loads(struct simulation *s, uint64_t time_ms)
{
	double factor = exp(-(double)(time_ms - s->time_ms) / LOAD_DECAY_MS);

	for (uint32_t w = 0; w < s->recipe.workers; w++)
		s->workers[w].load *= factor;
	s->time_ms = time_ms;
}

/* About how many leading blocks are held: by halving, as if there were no holes. */
static uint32_t leading(const struct cache *cache, const uint64_t *names, uint32_t count)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (cache_has(cache, names[middle]))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The longest prefix, then the least load; but none that is far above the mean. */
static uint32_t choose_worker(const struct simulation *s, uint32_t blocks)
{
	uint32_t best = 0, longest = 0, least = 0;
	double sum = 0;

	for (uint32_t w = 0; w < s->recipe.workers; w++) {
		const struct worker *worker = &s->workers[w];
		uint32_t held = leading(&worker->cache, s->names, blocks);

		sum += worker->load;
		if (held > longest || (held == longest && worker->load < s->workers[best].load)) {
			best = w;
			longest = held;
		}
		if (worker->load < s->workers[least].load)
			least = w;
	}
	return s->workers[best].load > 2 * sum / s->recipe.workers + LOAD_SLACK ? least : best;
}

/* Evict until there is room for `wanted` more, and say so. */
static void make_room(struct simulation *s, uint32_t w, uint32_t wanted)
{
	struct cache *cache = &s->workers[w].cache;
	uint64_t victims[CORPUS_EVENT_BLOCKS];
	uint32_t count = 0;

	while (cache->count + wanted > cache->capacity) {
		int any = s->recipe.hole_ppm &&
			  random_below(&s->random, 1000000) < s->recipe.hole_ppm;

		victims[count++] = cache_evict(cache, any ? &s->random : NULL);
		if (count == s->recipe.removed_blocks) {
			emit_removed(&s->emit, w, victims, count);
			count = 0;
		}
	}
	if (count)
		emit_removed(&s->emit, w, victims, count);
}

/* Store `count` blocks from `first` on, none of which is held. */
static void store(struct simulation *s, uint32_t w, const struct demand *demand, uint32_t first,
		  uint32_t count)
{
	make_room(s, w, count);
	emit_stored(&s->emit, w, first ? &s->names[first - 1] : NULL, first, &demand->local[first],
		    &s->names[first], count);
	for (uint32_t i = 0; i < count; i++)
		cache_add(&s->workers[w].cache, s->names[first + i]);
}

/* The worker uses what it holds of the prompt, stores what it lacks, and frees it, tail first. */
static void serve(struct simulation *s, uint32_t w, const struct demand *demand)
{
	struct worker *worker = &s->workers[w];
	uint32_t run;

	for (uint32_t i = 0; i < demand->blocks; i++) {
		s->lacked[i] = !cache_use(&worker->cache, s->names[i]);
		worker->load += s->lacked[i];
	}
	for (uint32_t i = 0; i < demand->blocks; i += run) {
		run = 1;
		if (!s->lacked[i])
			continue;
		while (i + run < demand->blocks && run < CORPUS_EVENT_BLOCKS && s->lacked[i + run])
			run++;
		store(s, w, demand, i, run);
	}
	for (uint32_t i = demand->blocks; i-- > 0;)
		cache_free(&worker->cache, s->names[i]);
}

static void restart_sometimes(struct simulation *s, uint32_t w)
{
	if (!s->recipe.requests_per_clear ||
	    random_below(&s->random, s->recipe.requests_per_clear) != 0)
		return;
	cache_clear(&s->workers[w].cache);
	emit_cleared(&s->emit, w);
}

static void take(struct simulation *s, struct demand *demand)
{
	uint32_t worker = demand->worker;

	if (demand->blocks > s->recipe.capacity)
		demand->blocks = s->recipe.capacity;
	corpus_names(demand->local, demand->blocks, s->names);
	if (demand->asked)
		emit_query(&s->emit, demand->local, demand->blocks);
	if (!demand->served)
		return;
	decay_loads(s, demand->time_ms);
	if (worker == DEMAND_ANY)
		worker = choose_worker(s, demand->blocks);
	restart_sometimes(s, worker);
	serve(s, worker, demand);
}

static uint64_t held_pairs(const struct simulation *s)
{
	uint64_t pairs = 0;

	for (uint32_t w = 0; w < s->recipe.workers; w++)
		pairs += s->workers[w].cache.count;
	return pairs;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* How many different blocks all workers hold together. */
static int count_held(const struct simulation *s, uint64_t *ret_pairs, uint64_t *ret_blocks)
{
	uint64_t pairs = held_pairs(s), at = 0, distinct = 0;
	uint64_t *names = malloc((pairs + 1) * sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (uint32_t w = 0; w < s->recipe.workers; w++) {
		for (uint32_t i = 0; i < s->workers[w].cache.count; i++)
			names[at++] = s->workers[w].cache.blocks[i].name;
	}
	qsort(names, pairs, sizeof(*names), compare);
	for (uint64_t i = 0; i < pairs; i++)
		distinct += i == 0 || names[i] != names[i - 1];
	free(names);
	*ret_pairs = pairs;
	*ret_blocks = distinct;
	return 0;
}

static int open_workers(struct simulation *s, const struct simulate_options *options)
{
	int of_trace = s->recipe.shape == RECIPE_TRACE;
	uint64_t requests = of_trace ? options->requests->count : s->recipe.requests;
	int r = demands_open(&s->demands, &s->recipe, options->requests, requests, options->seed);

	s->names = malloc(CORPUS_BLOCKS_MAX * sizeof(*s->names));
	s->lacked = malloc(CORPUS_BLOCKS_MAX);
	s->workers = calloc(s->recipe.workers, sizeof(*s->workers));
	if (!s->names || !s->lacked || !s->workers)
		return -ENOMEM;
	for (uint32_t w = 0; w < s->recipe.workers && r == 0; w++)
		r = cache_open(&s->workers[w].cache, s->recipe.capacity);
	return r;
}

static void close_workers(struct simulation *s)
{
	for (uint32_t w = 0; s->workers && w < s->recipe.workers; w++)
		cache_close(&s->workers[w].cache);
	demands_close(&s->demands);
	free(s->workers);
	free(s->lacked);
	free(s->names);
}

/* Everything but the file's name. */
static int write_corpus(struct simulation *s, const struct simulate_options *options)
{
	struct corpus_header *header = &s->emit.header;
	struct demand demand;
	int r = open_workers(s, options);

	while (r == 0 && demands_next(&s->demands, &demand)) {
		take(s, &demand);
		if (s->recipe.held_stop && held_pairs(s) >= s->recipe.held_stop)
			break;
	}
	if (r == 0)
		r = count_held(s, &header->held_pairs, &header->held_blocks);
	close_workers(s);
	return r;
}

int simulate_run(const struct recipe *recipe, const struct simulate_options *options,
		 const char *path)
{
	struct simulation s = {.recipe = recipe_divided(recipe, options->divide),
			       .random = {rdx_trace_mix(options->seed)}};
	char unfinished[4096];
	int r, closed;

	if (snprintf(unfinished, sizeof(unfinished), "%s.part", path) >= (int)sizeof(unfinished))
		return -ENAMETOOLONG;
	r = emit_open(&s.emit, unfinished);
	if (r < 0)
		return r;
	s.emit.header.workers = s.recipe.workers;
	s.emit.header.capacity = s.recipe.capacity;
	s.emit.header.seed = options->seed;
	s.emit.header.fingerprint = simulate_fingerprint(recipe, options);
	strncpy(s.emit.header.name, recipe->name, sizeof(s.emit.header.name) - 1);
	r = write_corpus(&s, options);
	closed = emit_close(&s.emit);
	r = r < 0 ? r : closed;
	if (r == 0 && rename(unfinished, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(unfinished);
	return r;
}
