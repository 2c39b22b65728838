/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/publish_clear.h"

#include "bench/measure.h"
#include "bench/scratch.h"
#include "shm/clock.h"
#include <ringdex/rdx_publisher.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_BLOCKS 112
#define LATER      4000 /* calls after a clear that are timed */
#define ROUND_OF   4    /* one round in so many of the program's: each fills the rank twice */

struct clearing {
	struct rdx_publisher *publisher;
	uint64_t blocks;
	uint64_t name; /* the newest */
	int failed;
};

enum { ALL, TIER, TIER_MORE, ONE, ONE_MORE, FIGURES };

/* A run of new blocks that begins a prompt. */
static void store(struct clearing *clearing, uint32_t count)
{
	uint64_t names[RUN_BLOCKS], locals[RUN_BLOCKS];
	const struct rdx_stored stored = {.size = sizeof(stored),
					  .names = names,
					  .local_hashes = locals,
					  .count = count,
					  .tier = RDX_TIER_DEVICE,
					  .name_bytes = 8};

	for (uint32_t i = 0; i < count; i++) {
		names[i] = ++clearing->name * UINT64_C(0x9e3779b97f4a7c15);
		locals[i] = names[i] * UINT64_C(0xbf58476d1ce4e5b9);
	}
	clearing->failed |= rdx_publish_stored(clearing->publisher, &stored) != 0;
}

/* A copy of the newest block in the host's memory: a clear of the device is none of all then. */
static void copy_to_host(struct clearing *clearing)
{
	const uint64_t name = clearing->name * UINT64_C(0x9e3779b97f4a7c15);
	const struct rdx_stored stored = {.size = sizeof(stored),
					  .names = &name,
					  .count = 1,
					  .tier = RDX_TIER_HOST,
					  .name_bytes = 8};

	clearing->failed |= rdx_publish_stored(clearing->publisher, &stored) != 0;
}

static void fill(struct clearing *clearing)
{
	for (uint64_t i = 0; i < clearing->blocks / RUN_BLOCKS; i++)
		store(clearing, RUN_BLOCKS);
	copy_to_host(clearing);
}

/* Calls of one block, ns each. */
static double store_ones(struct clearing *clearing)
{
	uint64_t start = measure_cpu_ns();

	for (uint32_t i = 0; i < LATER; i++)
		store(clearing, 1);
	return (double)(measure_cpu_ns() - start) / LATER;
}

static double clear(struct clearing *clearing, uint8_t scope)
{
	uint64_t start = rdx_clock_ns();
	int r = rdx_publish_cleared(clearing->publisher, scope, 0);
	uint64_t end = rdx_clock_ns();

	clearing->failed |= r != 0;
	return (double)(end - start);
}

static void measure_round(struct clearing *clearing, double *const *values, uint32_t round)
{
	fill(clearing);
	values[ONE][round] = store_ones(clearing);
	values[ALL][round] = clear(clearing, RDX_SCOPE_ALL);
	fill(clearing);
	values[TIER][round] = clear(clearing, RDX_TIER_DEVICE);
	values[TIER_MORE][round] = values[TIER][round] - values[ALL][round];
	values[ONE_MORE][round] = store_ones(clearing) - values[ONE][round];
	clear(clearing, RDX_SCOPE_ALL);
}

static void give(struct report *report, uint64_t blocks, double *const *values, uint32_t rounds)
{
	static const char *const names[FIGURES][2] = {
		{"clear_all", "Cleared of all tiers"},
		{"clear_tier", "Cleared of one tier of two"},
		{"clear_tier_more", "more than of all"},
		{"one", "Stored, one block a call"},
		{"one_more", "more than that, after a clear of one tier"},
	};
	char id[64];

	for (int i = 0; i < FIGURES; i++) {
		snprintf(id, sizeof(id), "publish.%s.%llu.ringdex", names[i][0],
			 (unsigned long long)blocks);
		REPORT_ROW(report, .id = id, .what = names[i][1], .unit = "ns", .values = values[i],
			   .count = rounds);
	}
}

static void check(struct report *report, const struct clearing *clearing, uint32_t rounds)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	rdx_publisher_get_stats(clearing->publisher, &stats);
	report_check(report, !clearing->failed, "no clear fails");
	report_check(report, stats.clears == 2 * (uint64_t)rounds && !stats.inexact,
		     "clears of one tier are none of all");
}

static int open_rank(struct clearing *clearing, const char *dir)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	options.dir = dir;
	options.instance = options.model = "bench";
	options.worker_id = 1;
	options.tier_blocks[RDX_TIER_DEVICE] = clearing->blocks + LATER;
	options.tier_blocks[RDX_TIER_HOST] = RUN_BLOCKS;
	return rdx_publisher_open(&clearing->publisher, &options);
}

void publish_clear(struct report *report, const struct options *options, uint64_t blocks)
{
	struct clearing clearing = {.blocks = blocks};
	uint32_t rounds = (options->rounds + ROUND_OF - 1) / ROUND_OF;
	double *values[FIGURES];
	char dir[SCRATCH_BYTES];
	int r = scratch_make(dir);

	if (r == 0)
		r = open_rank(&clearing, dir);
	report_check(report, r == 0, "a rank can be opened: %s", strerror(-r));
	if (r < 0)
		return;
	for (int i = 0; i < FIGURES; i++)
		values[i] = measure_values(rounds);
	for (uint32_t round = 0; round < rounds; round++)
		measure_round(&clearing, values, round);
	give(report, blocks, values, rounds);
	check(report, &clearing, rounds);
	for (int i = 0; i < FIGURES; i++)
		free(values[i]);
	rdx_publisher_close(clearing.publisher);
	scratch_remove(dir);
}
