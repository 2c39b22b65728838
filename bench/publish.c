/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does publishing cost on the engine's thread, as a trace does it?
 *
 * Prompts of 112 blocks, each stored in one call when the oldest one has been removed, last block
 * first, as engines evict: one hash a call, or 8 a call. Name map, copies, orphans, ledger and ring
 * are kept. Several ranks in turn, if one is small, so that no cache holds what they keep.
 * Floor, in turn with the subjects: one write to a random line of a table as large as that. And
 * the bare append of a one-slot event, time given. Clears: publish_clear.c.
 */
#include "bench/measure.h"
#include "bench/options.h"
#include "bench/publish_clear.h"
#include "bench/report.h"
#include "bench/scratch.h"
#include "shm/barrier.h"
#include "shm/namespace.h"
#include "shm/segment.h"
#include <ringdex/rdx_publisher.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROMPT_BLOCKS   112
#define BATCH           8
#define PROMPTS_A_SLICE 100
#define BLOCKS_A_SLICE  (PROMPT_BLOCKS * PROMPTS_A_SLICE)
#define APPENDS         100000
#define BLOCKS_MOST     UINT64_C(100000000)
#define BLOCKS_IN_ALL   UINT64_C(524288) /* of all ranks, at least */
#define RANKS_MOST      64
#define LINES_A_BLOCK   2 /* a node, its record, two table entries; a quarter more of them */
#define WARM_UP         3

struct rank {
	struct rdx_publisher *publisher;
	uint64_t next_stored; /* prompts */
	uint64_t next_removed;
};

struct bench {
	struct rank ranks[RANKS_MOST];
	uint32_t rank_count;
	uint32_t turn; /* whose prompt comes next */
	struct rdx_segment_owner bare;
	uint64_t bare_tail;
	uint64_t blocks; /* of a rank */
	uint64_t private_bytes;
	uint64_t *floor_table;
	uint64_t floor_lines;
	uint64_t random;
	int failed;
	char dir[SCRATCH_BYTES];
};

/* Opaque names as engines have them, from a running number. */
static uint64_t name_of(uint64_t prompt, uint64_t block)
{
	return (prompt * PROMPT_BLOCKS + block + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void store_prompt(struct bench *bench, struct rank *rank)
{
	uint64_t names[PROMPT_BLOCKS], locals[PROMPT_BLOCKS];
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .local_hashes = locals,
				    .count = PROMPT_BLOCKS,
				    .time_ns = rank->next_stored + 1,
				    .tier = RDX_TIER_DEVICE,
				    .name_bytes = 8};

	for (uint64_t i = 0; i < PROMPT_BLOCKS; i++) {
		names[i] = name_of(rank->next_stored, i);
		locals[i] = names[i] * UINT64_C(0xbf58476d1ce4e5b9);
	}
	rank->next_stored++;
	bench->failed |= rdx_publish_stored(rank->publisher, &stored) != 0;
}

static void remove_prompt(struct bench *bench, struct rank *rank, uint32_t batch)
{
	uint64_t names[PROMPT_BLOCKS];
	struct rdx_removed removed = {
		.size = sizeof(removed), .count = batch, .tier = RDX_TIER_DEVICE, .name_bytes = 8};

	for (uint64_t i = 0; i < PROMPT_BLOCKS; i++)
		names[i] = name_of(rank->next_removed, PROMPT_BLOCKS - 1 - i);
	rank->next_removed++;
	for (uint32_t i = 0; i < PROMPT_BLOCKS; i += batch) {
		removed.names = names + i;
		bench->failed |= rdx_publish_removed(rank->publisher, &removed) != 0;
	}
}

/* The rank whose prompt the `i`th of this slice is. */
static struct rank *rank_of(struct bench *bench, int i)
{
	return &bench->ranks[(bench->turn + (uint32_t)i) % bench->rank_count];
}

enum { TIME_REMOVED, TIME_STORED };

/* As many prompts removed as stored then. CPU time of one of the two, a block: others may want the
 * processor too. */
static double slice(struct bench *bench, uint32_t batch, int timed)
{
	uint64_t at[3];

	at[0] = measure_cpu_ns();
	for (int i = 0; i < PROMPTS_A_SLICE; i++)
		remove_prompt(bench, rank_of(bench, i), batch);
	at[1] = measure_cpu_ns();
	for (int i = 0; i < PROMPTS_A_SLICE; i++)
		store_prompt(bench, rank_of(bench, i));
	at[2] = measure_cpu_ns();
	bench->turn += PROMPTS_A_SLICE;
	return (double)(at[timed + 1] - at[timed]) / BLOCKS_A_SLICE;
}

static double stored_slice(void *context)
{
	return slice(context, 1, TIME_STORED);
}

static double removed_slice(void *context)
{
	return slice(context, 1, TIME_REMOVED);
}

static double batched_slice(void *context)
{
	return slice(context, BATCH, TIME_REMOVED);
}

static double floor_slice(void *context)
{
	struct bench *bench = context;
	uint64_t start = measure_cpu_ns();

	for (int i = 0; i < BLOCKS_A_SLICE; i++) {
		uint64_t line = measure_random(&bench->random) % bench->floor_lines;

		bench->floor_table[line * 8] = (uint64_t)i;
	}
	return (double)(measure_cpu_ns() - start) / BLOCKS_A_SLICE;
}

static double append_slice(void *context)
{
	struct bench *bench = context;
	struct rdx_event_head head = {.kind = RDX_EVENT_STORED, .count = 1};
	uint64_t start = measure_cpu_ns();

	for (uint64_t i = 0; i < APPENDS; i++) {
		head.event_id = bench->bare_tail + 1;
		head.time_ns = i;
		bench->bare_tail = rdx_event_append(&bench->bare.ring, bench->bare_tail, &head, &i);
		atomic_store_explicit(&bench->bare.live->tail, bench->bare_tail,
				      memory_order_release);
	}
	return (double)(measure_cpu_ns() - start) / APPENDS;
}

static uint64_t private_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long resident = 0, shared = 0;

	if (file) {
		if (fscanf(file, "%*u %llu %llu", &resident, &shared) != 2)
			resident = shared = 0;
		fclose(file);
	}
	return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int open_ranks(struct bench *bench)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};
	uint64_t before = private_bytes();
	int r = 0;

	options.dir = bench->dir;
	options.instance = options.model = "bench";
	options.tier_blocks[RDX_TIER_DEVICE] = bench->blocks;
	for (uint32_t i = 0; i < bench->rank_count && r == 0; i++) {
		options.worker_id = i + 1;
		r = rdx_publisher_open(&bench->ranks[i].publisher, &options);
	}
	bench->private_bytes = private_bytes() - before;
	return r;
}

static int open_bench(struct bench *bench, uint64_t blocks)
{
	struct rdx_segment_spec bare = {.worker_id = RANKS_MOST + 1,
					.block_tokens = 16,
					.ring_slots = 65536,
					.tier_blocks = {1},
					.instance = "bench",
					.model = "bench"};
	struct rdx_hash_key key;
	int dir_fd, r;

	bench->blocks = blocks;
	bench->rank_count = blocks < BLOCKS_IN_ALL ? (uint32_t)(BLOCKS_IN_ALL / blocks) : 1;
	if (bench->rank_count > RANKS_MOST)
		bench->rank_count = RANKS_MOST;
	r = scratch_make(bench->dir);
	if (r == 0)
		r = open_ranks(bench);
	if (r < 0)
		return r;
	dir_fd = rdx_namespace_open(bench->dir, 0);
	r = rdx_namespace_key(dir_fd, 0, &key);
	if (r == 0)
		r = rdx_segment_claim(&bench->bare, dir_fd, &key, &bare);
	if (r == 0)
		r = rdx_segment_name(&bench->bare, dir_fd);
	close(dir_fd);
	bench->random = 88172645463325252;
	bench->floor_lines = bench->rank_count * blocks * LINES_A_BLOCK;
	bench->floor_table = measure_memory(bench->floor_lines * 64, MEASURE_PRIVATE);
	return bench->floor_table ? r : -ENOMEM;
}

static void check(struct report *report, const struct bench *bench)
{
	uint64_t stored = 0, removed = 0;
	int represented = 1, counted = 1;

	for (uint32_t i = 0; i < bench->rank_count; i++) {
		const struct rank *rank = &bench->ranks[i];
		struct rdx_publisher_stats stats = {.size = sizeof(stats)};

		rdx_publisher_get_stats(rank->publisher, &stats);
		stored += stats.blocks_stored;
		removed += stats.blocks_removed;
		represented &= !stats.inexact && !stats.unknown_removals;
		counted &= stats.blocks_stored == rank->next_stored * PROMPT_BLOCKS &&
			   stats.blocks_removed == rank->next_removed * PROMPT_BLOCKS;
	}
	report_note(report, "%u ranks of %llu blocks, %llu stored, %llu removed", bench->rank_count,
		    (unsigned long long)bench->blocks, (unsigned long long)stored,
		    (unsigned long long)removed);
	report_check(report, !bench->failed, "no call fails");
	report_check(report, represented, "everything is represented");
	report_check(report, counted, "each block is counted once");
}

enum { STORED, FLOOR, REMOVED, BATCHED, APPEND, SIDES };

static void give_private(struct report *report, const struct bench *bench)
{
	double value = (double)bench->private_bytes / (double)(bench->blocks * bench->rank_count);
	char id[64];
	struct report_row row = {.id = id,
				 .what = "publisher's private memory, per block",
				 .unit = "bytes",
				 .values = &value,
				 .count = 1};

	snprintf(id, sizeof(id), "publish.private.%llu.ringdex", (unsigned long long)bench->blocks);
	report_row(report, &row);
}

/* The bare append does not depend on the blocks held: it is given once. */
static void give(struct report *report, const struct measure_side *sides, uint64_t blocks,
		 uint32_t rounds, int is_first)
{
	static const char *const name[SIDES][2] = {
		{"stored.%llu.ringdex", "Stored, 112 blocks a call, per block"},
		{"stored.%llu.floor", "floor: one write to a random line"},
		{"removed.%llu.ringdex", "Removed, one block a call"},
		{"batched.%llu.ringdex", "Removed, 8 blocks a call, per block"},
		{"append.ringdex", "bare append of a one-slot event, time given"}};
	static const int order[SIDES] = {FLOOR, STORED, REMOVED, BATCHED, APPEND};
	char id[64], floor[64];

	snprintf(floor, sizeof(floor), "publish.stored.%llu.floor", (unsigned long long)blocks);
	for (int i = 0; i < (is_first ? SIDES : SIDES - 1); i++) {
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

static void measure(struct bench *bench, struct report *report, uint32_t rounds, int is_first)
{
	struct measure_side sides[SIDES] = {
		{stored_slice, bench, measure_values(rounds)},
		{floor_slice, bench, measure_values(rounds)},
		{removed_slice, bench, measure_values(rounds)},
		{batched_slice, bench, measure_values(rounds)},
		{append_slice, bench, measure_values(rounds)},
	};

	for (uint32_t i = 0; i < bench->rank_count; i++) {
		for (uint64_t n = 0; n < bench->blocks / PROMPT_BLOCKS; n++)
			store_prompt(bench, &bench->ranks[i]);
	}
	measure_alternate(sides, SIDES, WARM_UP, rounds);
	give(report, sides, bench->blocks, rounds, is_first);
	give_private(report, bench);
	check(report, bench);
	for (int i = 0; i < SIDES; i++)
		free(sides[i].values);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	uint64_t *blocks = state->input;

	if (key != 'b')
		return ARGP_ERR_UNKNOWN;
	*blocks = options_number(state, "blocks", argument, BLOCKS_A_SLICE, BLOCKS_MOST);
	return 0;
}

static void measure_size(struct report *report, const struct options *options, uint64_t blocks,
			 int is_first)
{
	static struct bench bench;
	int r;

	memset(&bench, 0, sizeof(bench));
	bench.bare.lock_fd = -1;
	r = open_bench(&bench, blocks);
	report_check(report, r == 0, "a namespace can be made in %s: %s", options->scratch,
		     strerror(-r));
	if (r == 0)
		measure(&bench, report, options->rounds, is_first);
	for (uint32_t i = 0; i < bench.rank_count; i++)
		rdx_publisher_close(bench.ranks[i].publisher);
	rdx_segment_release(&bench.bare);
	measure_memory_free(bench.floor_table, bench.floor_lines * 64);
	scratch_remove(bench.dir);
	publish_clear(report, options, blocks);
}

int main(int argc, char **argv)
{
	static const struct argp_option known[] = {
		{"blocks", 'b', "N", 0, "Blocks of a rank (65,536, then a million)", 0}, {0}};
	static const struct argp own = {.options = known, .parser = parse};
	uint64_t blocks = 0;
	struct options options = {.name = "publish",
				  .question = "What does publishing cost on the engine's thread?",
				  .rounds_by_length = {60, 20, 1},
				  .own = &own,
				  .own_input = &blocks};
	struct report *report;

	options_parse(argc, argv, &options);
	measure_pin(0);
	report = report_begin(&options);
	if (blocks == 0)
		measure_size(report, &options, options_pick(&options, 65536, 65536, BLOCKS_A_SLICE),
			     1);
	if (blocks || options.length == OPTIONS_FULL)
		measure_size(report, &options, blocks ? blocks : 1000000, blocks != 0);
	return report_end(report);
}
