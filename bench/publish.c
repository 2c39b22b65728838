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

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_BLOCKS    8
#define RUNS_A_SLICE  2000
#define APPENDS       100000
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
	char dir[64];
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

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

static double stored_slice(struct bench *bench, int *failed)
{
	uint64_t start = rdx_clock_ns();

	for (int i = 0; i < RUNS_A_SLICE; i++)
		*failed |= store_run(bench) != 0;
	return (double)(rdx_clock_ns() - start) / LINES_A_SLICE;
}

static double removed_slice(struct bench *bench, int *failed)
{
	uint64_t start = rdx_clock_ns();

	for (int i = 0; i < LINES_A_SLICE; i++)
		*failed |= remove_one(bench) != 0;
	return (double)(rdx_clock_ns() - start) / LINES_A_SLICE;
}

static double floor_slice(struct bench *bench)
{
	uint64_t start = rdx_clock_ns();

	for (int i = 0; i < LINES_A_SLICE; i++) {
		uint64_t line = next_random(&bench->random) % bench->floor_lines;

		bench->floor_table[line * 8] = (uint64_t)i;
	}
	return (double)(rdx_clock_ns() - start) / LINES_A_SLICE;
}

static double append_slice(struct bench *bench)
{
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

static int open_bench(struct bench *bench, uint64_t blocks)
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

	r = scratch_make(bench->dir);
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
	bench->floor_table = measure_memory(bench->floor_lines * 64, 0);
	return bench->floor_table ? r : -1;
}

int main(int argc, char **argv)
{
	struct options options = {.what = "The cost of publishing, on the engine's thread.",
				  .rounds = 60,
				  .blocks = 65536,
				  .blocks_least = LINES_A_SLICE};
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	struct bench bench = {.bare.lock_fd = -1};
	double *stored, *removed, *floor, *append;
	struct report *report;
	int failed = 0;

	options_parse(argc, argv, &options);
	measure_pin(0);
	stored = measure_memory(options.rounds * sizeof(double), 0);
	removed = measure_memory(options.rounds * sizeof(double), 0);
	floor = measure_memory(options.rounds * sizeof(double), 0);
	append = measure_memory(options.rounds * sizeof(double), 0);
	report = report_begin("publish: cost on the engine's thread", options.json);
	if (!report || open_bench(&bench, options.blocks) < 0) {
		fprintf(stderr, "bench-publish: cannot make a namespace in /dev/shm\n");
		return 1;
	}
	while (bench.next_name < options.blocks)
		failed |= store_run(&bench) != 0;
	for (uint32_t i = 0; i < options.rounds + WARM_UP; i++) {
		uint32_t at = i < WARM_UP ? 0 : i - WARM_UP;

		stored[at] = stored_slice(&bench, &failed);
		floor[at] = floor_slice(&bench);
		removed[at] = removed_slice(&bench, &failed);
		append[at] = append_slice(&bench);
	}
	rdx_publisher_get_stats(bench.publisher, &stats);
	failed |= stats.inexact || stats.unknown_removals ||
		  stats.blocks_stored != bench.next_name ||
		  stats.blocks_removed != bench.next_removed;

	report_figure(report, "floor: one write to a random line", "ns", floor, options.rounds);
	report_goal(report, "Stored, 8 blocks an event, per block", "ns", stored, options.rounds,
		    100);
	report_ratio(report, "Stored per block / floor", stored, floor, options.rounds, 0);
	report_figure(report, "Removed, one hash an event, per block", "ns", removed,
		      options.rounds);
	report_goal(report, "bare append of a one-slot event, time given", "ns", append,
		    options.rounds, 25);
	report_note(report, "%llu blocks held, %llu stored, %llu removed, INEXACT: %u",
		    (unsigned long long)options.blocks, (unsigned long long)stats.blocks_stored,
		    (unsigned long long)stats.blocks_removed, stats.inexact);
	rdx_publisher_close(bench.publisher);
	rdx_segment_release(&bench.bare);
	scratch_remove(bench.dir);
	return report_end(report, failed);
}
