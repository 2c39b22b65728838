/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How soon is one rank's event seen while another rank floods the indexer?
 *
 * The indexer is a process of its own. A sample: a rank stores one block, and a lookup is repeated until
 * it shows that block. The floor is the same with no other rank's events: the indexer sleeps, and is
 * rung awake. Beside it, the same while the indexer polls without a sleep. The flood: it is held up until
 * another rank has published more than it can apply in the time of a sample, and let go.
 */
#include "bench/measure.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/scratch.h"
#include "shm/clock.h"
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODEL         "bench"
#define CALL_BLOCKS   4096
#define CALLS         16
#define LULL_LEAST_NS 100000
#define LULL_MOST_NS  2000000

enum way { ALONE, AWAKE, FLOOD, WAYS };
static const char *const way_name[WAYS] = {"alone", "awake", "flood"};
static const char *const way_what[WAYS] = {"no other event", "no sleep either",
					   "another rank floods"};
enum { FLOODING = 1, QUIET };

/* What both processes see. */
struct arena {
	alignas(128) _Atomic uint32_t ready; /* the indexer is open; 2: it could not be */
	_Atomic uint32_t held_up;
	_Atomic uint32_t parked;
	_Atomic uint32_t awake;
	_Atomic uint32_t over;
	_Atomic uint32_t failed;
};

struct bench {
	struct arena *arena;
	struct rdx_publisher *publisher[QUIET + 1];
	struct rdx_index *index;
	uint64_t random, number, fills, beside;
	uint32_t samples;
	int failed;
	char dir[SCRATCH_BYTES];
};

static void maintain(struct arena *arena, const char *dir)
{
	struct rdx_indexer_options options = {
		.size = sizeof(options), .dir = dir, .rest_mode = RDX_REST_SLEEP};
	struct rdx_indexer *indexer;
	int r = rdx_indexer_open(&indexer, &options);

	measure_pin(0);
	atomic_store(&arena->ready, r < 0 ? 2 : 1);
	while (r >= 0 && !atomic_load(&arena->over)) {
		uint32_t spins = 0;

		while (atomic_load(&arena->held_up) && !atomic_load(&arena->over)) {
			atomic_store(&arena->parked, 1);
			measure_spin(&spins);
		}
		atomic_store(&arena->parked, 0);
		r = rdx_indexer_poll(indexer, 0);
		if (r == 0 && !atomic_load(&arena->awake))
			r = rdx_indexer_wait(indexer, -1);
	}
	atomic_store(&arena->failed, r < 0);
	_exit(0);
}

static int open_publisher(struct bench *bench, uint64_t worker_id, uint64_t blocks)
{
	struct rdx_publisher_options options = {.size = sizeof(options),
						.dir = bench->dir,
						.instance = "bench",
						.model = MODEL,
						.worker_id = worker_id};

	options.tier_blocks[RDX_TIER_DEVICE] = blocks;
	return rdx_publisher_open(&bench->publisher[worker_id], &options);
}

static void store(struct bench *bench, int rank, const uint64_t *names, uint32_t count)
{
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .local_hashes = names,
				    .count = count,
				    .name_bytes = 8};

	bench->failed |= rdx_publish_stored(bench->publisher[rank], &stored) < 0;
}

static void discard(struct bench *bench, int rank, const uint64_t *names, uint32_t count)
{
	struct rdx_removed removed = {
		.size = sizeof(removed), .names = names, .count = count, .name_bytes = 8};

	bench->failed |= rdx_publish_removed(bench->publisher[rank], &removed) < 0;
}

/* Has the index all that the flooding rank published? */
static int is_drained(struct bench *bench)
{
	struct rdx_index_rank ranks[QUIET + 1] = {{.size = sizeof(ranks[0])}};
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	int count = rdx_index_ranks(bench->index, ranks, QUIET + 1);

	/* the indexer may lose its processor while it writes what it says of a rank */
	bench->failed |= count < 0 && count != -EAGAIN;
	rdx_publisher_get_stats(bench->publisher[FLOODING], &stats);
	for (int i = 0; i < count; i++)
		if (ranks[i].worker_id == FLOODING)
			return ranks[i].last_event_id == stats.events;
	return 0;
}

/* One call of a fill; every other fill takes back what the one before stored. */
static void flood(struct bench *bench, uint64_t call)
{
	uint64_t names[CALL_BLOCKS];
	int stores = bench->fills % 2 == 0;

	for (uint64_t i = 0; i < CALL_BLOCKS; i++) /* children first where they are removed */
		names[stores ? i : CALL_BLOCKS - 1 - i] = (call + 1) << 32 | (i + 1);
	if (stores)
		store(bench, FLOODING, names, CALL_BLOCKS);
	else
		discard(bench, FLOODING, names, CALL_BLOCKS);
}

static void fill(struct bench *bench)
{
	uint32_t spins = 0;

	while (!is_drained(bench))
		measure_spin(&spins);
	atomic_store(&bench->arena->held_up, 1);
	flood(bench, 0); /* this rings, where it sleeps */
	while (!atomic_load(&bench->arena->parked))
		measure_spin(&spins);
	for (uint64_t call = 1; call < CALLS; call++)
		flood(bench, call);
	bench->fills++;
	atomic_store(&bench->arena->held_up, 0);
	while (atomic_load(&bench->arena->parked))
		measure_spin(&spins);
}

static int is_shown(struct bench *bench, uint64_t local)
{
	struct rdx_run runs[QUIET + 1] = {{.size = sizeof(runs[0])}};
	int rows = rdx_index_lookup_local(bench->index, &local, 1, runs, QUIET + 1);

	bench->failed |= rows < 0 && rows != -EAGAIN;
	for (int i = 0; i < rows; i++)
		if (runs[i].worker_id == QUIET && runs[i].blocks[RDX_TIER_COUNT - 1])
			return 1;
	return 0;
}

/* From the call that stores a block until a lookup shows it, in us. */
static double sample(struct bench *bench, enum way way)
{
	uint64_t local = UINT64_C(1) << 63 | ++bench->number, begin, end;
	uint32_t spins = 0;

	if (way == FLOOD)
		fill(bench);
	begin = rdx_clock_ns() + LULL_LEAST_NS +
		measure_random(&bench->random) % (LULL_MOST_NS - LULL_LEAST_NS);
	while (rdx_clock_ns() < begin)
		measure_spin(&spins);
	begin = rdx_clock_ns();
	store(bench, QUIET, &local, 1);
	while (!is_shown(bench, local))
		measure_pause();
	end = rdx_clock_ns();
	bench->beside += way == FLOOD && !is_drained(bench);
	discard(bench, QUIET, &local, 1);
	return (double)(end - begin) / 1e3;
}

static void round_of(struct bench *bench, enum way way, double *ret_p50, double *ret_p99)
{
	double *us = measure_values(bench->samples);

	atomic_store(&bench->arena->awake, way == AWAKE);
	for (uint32_t i = 0; i < bench->samples; i++)
		us[i] = sample(bench, way);
	*ret_p50 = measure_percentile(us, bench->samples, 50);
	*ret_p99 = measure_percentile(us, bench->samples, 99);
	free(us);
}

static void give(struct report *report, double *values[WAYS][2], uint32_t rounds)
{
	static const char *const part[] = {"p50", "p99"};
	char id[64], floor[64], what[96];

	for (int i = 0; i < 2; i++)
		for (int way = 0; way < WAYS; way++) {
			snprintf(id, sizeof(id), "fairness.%s.%s", part[i], way_name[way]);
			snprintf(floor, sizeof(floor), "fairness.%s.%s", part[i], way_name[ALONE]);
			snprintf(what, sizeof(what), "stored until shown: %s, %s", way_what[way],
				 part[i]);
			REPORT_ROW(report, .id = id, .what = what, .unit = "us",
				   .values = values[way][i], .count = rounds,
				   .floor = way == ALONE ? NULL : floor);
		}
}

static void measure(struct bench *bench, struct report *report, uint32_t rounds)
{
	double *values[WAYS][2];

	for (int i = 0; i < WAYS * 2; i++)
		values[i / 2][i % 2] = measure_values(rounds);
	for (uint32_t round = 0; round < rounds; round++)
		for (int way = 0; way < WAYS; way++)
			round_of(bench, (enum way)way, &values[way][0][round],
				 &values[way][1][round]);
	give(report, values, rounds);
	report_note(report,
		    "%u samples a round; a flood is %d calls of %d blocks, stored and removed in "
		    "turn; it was not over after %.1f %% of its samples",
		    bench->samples, CALLS, CALL_BLOCKS,
		    100.0 * (double)bench->beside / (double)(bench->samples * rounds));
	for (int i = 0; i < WAYS * 2; i++)
		free(values[i / 2][i % 2]);
}

/* Publishers, and an index that shows both. */
static int begin(struct bench *bench)
{
	struct rdx_index_key key = {.size = sizeof(key), .model = MODEL};
	uint64_t local = UINT64_C(1) << 63;
	int r = open_publisher(bench, FLOODING, UINT64_C(2) * CALLS * CALL_BLOCKS);

	if (r == 0)
		r = open_publisher(bench, QUIET, CALL_BLOCKS);
	while (r == 0 && atomic_load(&bench->arena->ready) == 0)
		sched_yield();
	if (r < 0 || atomic_load(&bench->arena->ready) != 1)
		return r < 0 ? r : -EIO;
	store(bench, FLOODING, &local, 1);
	store(bench, QUIET, &local, 1);
	do
		r = rdx_index_open(&bench->index, bench->dir, &key);
	while (r == -ESRCH || r == -EAGAIN);
	while (r == 0 && !(is_drained(bench) && is_shown(bench, local)))
		sched_yield();
	return r;
}

static void end(struct bench *bench)
{
	rdx_index_close(bench->index);
	rdx_publisher_close(bench->publisher[FLOODING]);
	rdx_publisher_close(bench->publisher[QUIET]);
	scratch_remove(bench->dir);
	measure_memory_free(bench->arena, sizeof(*bench->arena));
}

int main(int argc, char **argv)
{
	struct options options = {
		.name = "fairness",
		.question = "How soon is one rank's event seen while another floods the indexer?",
		.rounds_by_length = {6, 3, 1}};
	struct bench bench = {.random = 88172645463325252};
	struct report *report;
	pid_t child;
	int r;

	options_parse(argc, argv, &options);
	bench.samples = (uint32_t)options_pick(&options, 200, 100, 5);
	bench.arena = measure_memory(sizeof(*bench.arena), MEASURE_SHARED);
	if (!bench.arena || scratch_make(bench.dir) < 0)
		return 1;
	report = report_begin(&options);
	child = measure_fork();
	if (child == 0)
		maintain(bench.arena, bench.dir);
	measure_pin(1);
	r = begin(&bench);
	report_check(report, r == 0, "a namespace with two ranks in %s: %s", options.scratch,
		     strerror(-r));
	if (r == 0)
		measure(&bench, report, options.rounds);
	atomic_store(&bench.arena->over, 1);
	waitpid(child, NULL, 0);
	report_check(report, !bench.failed && !atomic_load(&bench.arena->failed), "no call fails");
	end(&bench);
	return report_end(report);
}
