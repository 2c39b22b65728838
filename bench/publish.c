/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does publishing cost on the engine's thread?
 *
 * Stored events of 8 blocks each, name map, copies, lineage and ledger kept, in steady
 * state: as many of the oldest blocks are removed, one hash at a time, as engines do.
 * Floor, in turn with the subject: one write to a random line of a table that is as large
 * as what the publisher keeps. And the bare append of a one-slot event, time given.
 */
#include "bench/measure.h"
#include "bench/options.h"
#include "bench/report.h"
#include "shm/clock.h"
#include "shm/barrier.h"
#include "shm/namespace.h"
#include "shm/segment.h"
#include <ringdex/rdx_publisher.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_BLOCKS    8
#define RUNS_A_SLICE  2000
#define APPENDS       100000
#define BLOCKS_MOST   UINT64_C(100000000)
#define LINES_A_SLICE (RUN_BLOCKS * RUNS_A_SLICE)
#define WARM_UP       3

struct bench {
	struct rdx_publisher *publisher;
	struct rdx_segment_owner bare;
	uint64_t bare_tail;
	uint64_t blocks;
	uint64_t next_name;
	uint64_t next_removed;
	uint64_t *floor_table;
	uint64_t floor_lines;
	uint64_t random;
	int failed;
	char dir[SCRATCH_BYTES];
};

/* Opaque names as engines have them, from a running number. */
static uint64_t name_of(uint64_t number)
{
	return (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* One conversation's next 8 blocks: children of the 8 before, 16 times in a row. */
static int store_run(struct bench *bench)
{
	uint64_t names[RUN_BLOCKS], locals[RUN_BLOCKS], parent;
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .local_hashes = locals,
				    .count = RUN_BLOCKS,
				    .time_ns = bench->next_name,
				    .tier = RDX_TIER_DEVICE,
				    .name_bytes = 8};

	for (int i = 0; i < RUN_BLOCKS; i++) {
		names[i] = name_of(bench->next_name + (uint64_t)i);
		locals[i] = names[i] * UINT64_C(0xbf58476d1ce4e5b9);
	}
	if (bench->next_name / RUN_BLOCKS % 16) {
		parent = name_of(bench->next_name - 1);
		stored.parent = &parent;
	}
	bench->next_name += RUN_BLOCKS;
	return rdx_publish_stored(bench->publisher, &stored);
}

static int remove_one(struct bench *bench)
{
	uint64_t conversation = bench->next_removed / (16 * RUN_BLOCKS);
	uint64_t depth = bench->next_removed % (16 * RUN_BLOCKS);
	uint64_t name = name_of(conversation * 16 * RUN_BLOCKS + 16 * RUN_BLOCKS - 1 - depth);
	struct rdx_removed removed = {.size = sizeof(removed),
				      .names = &name,
				      .count = 1,
				      .tier = RDX_TIER_DEVICE,
				      .name_bytes = 8};

	bench->next_removed++;
	return rdx_publish_removed(bench->publisher, &removed);
}

static double stored_slice(void *context)
{
	struct bench *bench = context;
	uint64_t start = rdx_clock_ns();

	for (int i = 0; i < RUNS_A_SLICE; i++)
		bench->failed |= store_run(bench) != 0;
	return (double)(rdx_clock_ns() - start) / LINES_A_SLICE;
}

static double removed_slice(void *context)
{
	struct bench *bench = context;
	uint64_t start = rdx_clock_ns();

	for (int i = 0; i < LINES_A_SLICE; i++)
		bench->failed |= remove_one(bench) != 0;
	return (double)(rdx_clock_ns() - start) / LINES_A_SLICE;
}

static double floor_slice(void *context)
{
	struct bench *bench = context;
	uint64_t start = rdx_clock_ns();

	for (int i = 0; i < LINES_A_SLICE; i++) {
		uint64_t line = measure_random(&bench->random) % bench->floor_lines;

		bench->floor_table[line * 8] = (uint64_t)i;
	}
	return (double)(rdx_clock_ns() - start) / LINES_A_SLICE;
}

static double append_slice(void *context)
{
	struct bench *bench = context;
	struct rdx_event_head head = {.kind = RDX_EVENT_STORED, .count = 1};
	uint64_t start = rdx_clock_ns();

	for (uint64_t i = 0; i < APPENDS; i++) {
		head.event_id = bench->bare_tail + 1;
		head.time_ns = i;
		bench->bare_tail = rdx_event_append(&bench->bare.ring, bench->bare_tail, &head, &i);
		atomic_store_explicit(&bench->bare.live->tail, bench->bare_tail,
				      memory_order_release);
	}
	return (double)(rdx_clock_ns() - start) / APPENDS;
}

static int open_bench(struct bench *bench, const struct options *given, uint64_t blocks)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};
	struct rdx_segment_spec bare = {.worker_id = 2,
					.block_tokens = 16,
					.ring_slots = 65536,
					.tier_blocks = {1},
					.instance = "bench",
					.model = "bench"};
	struct rdx_hash_key key;
	int dir_fd, r;

	r = scratch_make(given, bench->dir);
	if (r < 0)
		return r;
	options.dir = bench->dir;
	options.instance = options.model = "bench";
	options.worker_id = 1;
	/* half empty at rest: a slice stores before as much is removed */
	options.tier_blocks[RDX_TIER_DEVICE] = blocks + 2 * LINES_A_SLICE;
	r = rdx_publisher_open(&bench->publisher, &options);
	if (r < 0)
		return r;
	dir_fd = rdx_namespace_open(bench->dir, 0);
	r = rdx_namespace_key(dir_fd, 0, &key);
	if (r == 0)
		r = rdx_segment_claim(&bench->bare, dir_fd, &key, &bare);
	close(dir_fd);
	bench->blocks = blocks;
	bench->random = 88172645463325252;
	bench->floor_lines = blocks * 3; /* a name, a node, their buckets and ledger words */
	bench->floor_table = measure_memory(bench->floor_lines * 64, MEASURE_PRIVATE);
	return bench->floor_table ? r : -ENOMEM;
}

static void check(struct report *report, const struct bench *bench)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	rdx_publisher_get_stats(bench->publisher, &stats);
	report_note(report, "%llu blocks held, %llu stored, %llu removed",
		    (unsigned long long)bench->blocks, (unsigned long long)stats.blocks_stored,
		    (unsigned long long)stats.blocks_removed);
	report_check(report, !bench->failed, "no call fails");
	report_check(report, !stats.inexact && !stats.unknown_removals,
		     "everything is represented");
	report_check(report,
		     stats.blocks_stored == bench->next_name &&
			     stats.blocks_removed == bench->next_removed,
		     "each block is counted once");
}

enum { STORED, FLOOR, REMOVED, APPEND, SIDES };

static void give(struct report *report, const struct measure_side *sides, uint64_t blocks,
		 uint32_t rounds)
{
	static const char *const name[SIDES][2] = {
		{"stored.%llu.ringdex", "Stored, 8 blocks an event, per block"},
		{"stored.%llu.floor", "floor: one write to a random line"},
		{"removed.%llu.ringdex", "Removed, one hash an event, per block"},
		{"append.ringdex", "bare append of a one-slot event, time given"}};
	static const int order[SIDES] = {FLOOR, STORED, REMOVED, APPEND};
	char id[64], floor[64];

	snprintf(floor, sizeof(floor), "publish.stored.%llu.floor", (unsigned long long)blocks);
	for (int i = 0; i < SIDES; i++) {
		struct report_row row = {.id = id,
					 .what = name[order[i]][1],
					 .unit = "ns",
					 .values = sides[order[i]].values,
					 .count = rounds,
					 .floor = order[i] == FLOOR || order[i] == APPEND ? NULL
											  : floor};
		int at = snprintf(id, sizeof(id), "publish.");

		snprintf(id + at, sizeof(id) - (size_t)at, name[order[i]][0],
			 (unsigned long long)blocks);
		report_row(report, &row);
	}
}

static void measure(struct bench *bench, struct report *report, uint32_t rounds)
{
	struct measure_side sides[SIDES] = {
		{stored_slice, bench, measure_values(rounds)},
		{floor_slice, bench, measure_values(rounds)},
		{removed_slice, bench, measure_values(rounds)},
		{append_slice, bench, measure_values(rounds)},
	};

	while (bench->next_name < bench->blocks)
		bench->failed |= store_run(bench) != 0;
	measure_alternate(sides, SIDES, WARM_UP, rounds);
	give(report, sides, bench->blocks, rounds);
	check(report, bench);
	for (int i = 0; i < SIDES; i++)
		free(sides[i].values);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	uint64_t *blocks = state->input;

	if (key != 'b')
		return ARGP_ERR_UNKNOWN;
	*blocks = options_number(state, "blocks", argument, LINES_A_SLICE, BLOCKS_MOST);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp_option known[] = {{"blocks", 'b', "N", 0, "Blocks held", 0}, {0}};
	static const struct argp own = {.options = known, .parser = parse};
	uint64_t blocks = 0;
	struct options options = {.name = "publish",
				  .question = "What does publishing cost on the engine's thread?",
				  .rounds_by_length = {60, 20, 1},
				  .own = &own,
				  .own_input = &blocks};
	struct bench bench = {.bare.lock_fd = -1};
	struct report *report;
	int r;

	options_parse(argc, argv, &options);
	if (blocks == 0)
		blocks = options_pick(&options, 65536, 65536, LINES_A_SLICE);
	measure_pin(0);
	report = report_begin(&options);
	r = open_bench(&bench, &options, blocks);
	report_check(report, r == 0, "a namespace can be made in %s: %s", options.scratch,
		     strerror(-r));
	if (r == 0)
		measure(&bench, report, options.rounds);
	rdx_publisher_close(bench.publisher);
	rdx_segment_release(&bench.bare);
	measure_memory_free(bench.floor_table, bench.floor_lines * 64);
	scratch_remove(bench.dir);
	return report_end(report);
}
