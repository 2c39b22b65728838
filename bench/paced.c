/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What do events at an engine's pace cost, by how the indexer rests between them?
 *
 * Eight ranks of another process publish in turn, each a batch every 2 ms. Each way of resting has its
 * own indexer: naps, sleep until it is rung for, spin. Taken: what the engine's call costs, how many
 * batches rang, from the call until the indexer has applied the batch, and the indexer's part of a
 * processor. The floor has no indexer, only naps.
 */
#include "bench/measure.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/scratch.h"
#include "shm/bell.h"
#include "shm/bell_file.h"
#include "shm/clock.h"
#include "shm/namespace.h"
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RANKS        8
#define GAP_NS       UINT64_C(250000) /* between batches: 2 ms of a rank */
#define NAP_NS       UINT64_C(250000) /* the indexer's */
#define BATCH_BLOCKS 8
#define TIER_BLOCKS  65536
#define BATCHES_MAX  8192
#define WARM_UP      32 /* batches that are not counted */

enum way { FLOOR, HYBRID, SLEEP, SPIN, WAYS };
static const char *const way_name[WAYS] = {"floor", "ringdex", "sleep", "spin"};
static const char *const way_what[WAYS] = {"bare naps", "naps", "the bell", "spins"};

/* What both processes see. */
struct arena {
	_Atomic uint32_t turn;  /* a slice begins */
	_Atomic uint32_t sent;  /* batches of the slice */
	_Atomic uint32_t ready; /* publishers are open; 2: they could not be */
	_Atomic uint32_t over;
	_Atomic uint32_t failed;
	uint64_t sent_ns[BATCHES_MAX];
	uint64_t call_ns[BATCHES_MAX];
};

struct bench {
	struct arena *arena;
	struct rdx_mapping bell;
	uint32_t batches, turn;
	int failed;
	char dir[SCRATCH_BYTES];
};

/* --- the engines, a process of its own --- */

static int open_publishers(const char *dir, struct rdx_publisher *publisher[RANKS])
{
	struct rdx_publisher_options options = {
		.size = sizeof(options), .dir = dir, .instance = "bench", .model = "bench"};
	int r = 0;

	options.tier_blocks[RDX_TIER_DEVICE] = TIER_BLOCKS;
	for (uint32_t i = 0; i < RANKS && r == 0; i++) {
		options.worker_id = i + 1;
		r = rdx_publisher_open(&publisher[i], &options);
	}
	return r;
}

/* What is stored by one batch is removed by the rank's next one. */
static int publish(struct rdx_publisher *publisher, uint64_t batch)
{
	uint64_t names[BATCH_BLOCKS];
	struct rdx_stored stored = {.size = sizeof(stored), .names = names, .local_hashes = names};
	struct rdx_removed removed = {.size = sizeof(removed), .names = names};
	int stores = batch / RANKS % 2 == 0;

	stored.count = removed.count = BATCH_BLOCKS;
	stored.name_bytes = removed.name_bytes = 8;
	for (uint64_t i = 0; i < BATCH_BLOCKS; i++) /* children first where they are removed */
		names[i] = (batch / (2 * RANKS) * RANKS + batch % RANKS + 1) << 8 |
			   (stores ? i : BATCH_BLOCKS - 1 - i);
	return stores ? rdx_publish_stored(publisher, &stored)
		      : rdx_publish_removed(publisher, &removed);
}

static void sleep_until(uint64_t ns)
{
	struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static void engine_slice(struct arena *arena, struct rdx_publisher *publisher[RANKS],
			 uint32_t batches)
{
	uint64_t next = rdx_clock_ns() + GAP_NS;

	for (uint32_t i = 0; i < batches; i++, next += GAP_NS) {
		int r;

		sleep_until(next);
		arena->sent_ns[i] = rdx_clock_ns();
		r = publish(publisher[i % RANKS], i);
		arena->call_ns[i] = rdx_clock_ns() - arena->sent_ns[i];
		if (r < 0)
			atomic_store(&arena->failed, 1);
		atomic_store(&arena->sent, i + 1);
	}
}

static void serve(struct arena *arena, const char *dir, uint32_t batches)
{
	struct rdx_publisher *publisher[RANKS] = {NULL};

	measure_pin(1);
	atomic_store(&arena->ready, open_publishers(dir, publisher) == 0 ? 1 : 2);
	for (uint32_t turn = 1;; turn++) {
		while (atomic_load(&arena->turn) < turn)
			sleep_until(rdx_clock_ns() + GAP_NS);
		if (atomic_load(&arena->over))
			break;
		engine_slice(arena, publisher, batches);
	}
	for (int i = 0; i < RANKS; i++)
		rdx_publisher_close(publisher[i]);
	_exit(0);
}

/* --- the indexer --- */

static uint64_t events(const struct rdx_indexer *indexer)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	rdx_indexer_get_stats(indexer, &stats);
	return stats.events;
}

static void begin_slice(struct bench *bench)
{
	atomic_store(&bench->arena->sent, 0);
	atomic_store(&bench->arena->turn, ++bench->turn);
}

/* When each batch had been applied. */
static void follow(struct bench *bench, struct rdx_indexer *indexer, uint64_t *seen_ns)
{
	uint64_t before = events(indexer), seen = 0;

	begin_slice(bench);
	while (seen < bench->batches && !bench->failed) {
		int r = rdx_indexer_poll(indexer, 0);
		uint64_t applied = events(indexer) - before, now = rdx_clock_ns();

		for (; seen < applied && seen < bench->batches; seen++)
			seen_ns[seen] = now;
		if (r >= 0)
			r = rdx_indexer_wait(indexer, -1);
		bench->failed |= r < 0;
	}
}

static void nap_until_the_end(struct bench *bench)
{
	while (atomic_load(&bench->arena->sent) < bench->batches)
		sleep_until(rdx_clock_ns() + NAP_NS);
}

/* All ranks are followed. */
static int is_complete(const struct rdx_indexer *indexer)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	uint64_t recovered = 0;

	rdx_indexer_get_stats(indexer, &stats);
	for (int i = 0; i < 4; i++)
		recovered += stats.recoveries[i];
	return recovered >= RANKS;
}

static int open_indexer(struct bench *bench, enum way way, struct rdx_indexer **ret_indexer)
{
	struct rdx_indexer_options options = {.size = sizeof(options), .dir = bench->dir};
	int r;

	options.rest_mode = way == SPIN    ? RDX_REST_SPIN
			    : way == SLEEP ? RDX_REST_SLEEP
					   : RDX_REST_HYBRID;
	r = rdx_indexer_open(ret_indexer, &options);
	while (r >= 0 && (!is_complete(*ret_indexer) || r > 0))
		r = rdx_indexer_poll(*ret_indexer, 0);
	return r;
}

enum figure { CALL_P50, CALL_P99, VISIBLE_P50, VISIBLE_P99, BELLS, CPU, FIGURES };
static const struct {
	const char *id, *unit, *what;
} figures[FIGURES] = {
	{"paced.call.p50", "us", "the engine's call, p50"},
	{"paced.call.p99", "us", "the engine's call, p99"},
	{"paced.visible.p50", "us", "called until applied, p50"},
	{"paced.visible.p99", "us", "called until applied, p99"},
	{"paced.bells", "%", "of the batches ring"},
	{"paced.cpu", "%", "of a processor, the indexer's thread"},
};

static void give_times(struct bench *bench, const uint64_t *seen_ns, double *ret_figures)
{
	uint32_t count = bench->batches - WARM_UP;
	double *call = measure_values(count), *visible = measure_values(count);

	for (uint32_t i = 0; i < count; i++) {
		call[i] = (double)bench->arena->call_ns[WARM_UP + i] / 1e3;
		visible[i] = seen_ns ? (double)(seen_ns[WARM_UP + i] -
						bench->arena->sent_ns[WARM_UP + i]) /
					       1e3
				     : 0;
	}
	ret_figures[CALL_P50] = measure_percentile(call, count, 50);
	ret_figures[CALL_P99] = measure_percentile(call, count, 99);
	ret_figures[VISIBLE_P50] = measure_percentile(visible, count, 50);
	ret_figures[VISIBLE_P99] = measure_percentile(visible, count, 99);
	free(call);
	free(visible);
}

static void slice(struct bench *bench, enum way way, double *ret_figures)
{
	const struct rdx_bell *bell = bench->bell.base;
	uint64_t *seen_ns = calloc(bench->batches, sizeof(*seen_ns)), begun, cpu;
	struct rdx_indexer *indexer = NULL;
	uint32_t word;

	if (way != FLOOR && open_indexer(bench, way, &indexer) < 0)
		bench->failed = 1;
	word = atomic_load(&bell->word);
	begun = rdx_clock_ns();
	cpu = measure_cpu_ns();
	if (indexer) {
		follow(bench, indexer, seen_ns);
	} else {
		begin_slice(bench);
		nap_until_the_end(bench);
	}
	cpu = measure_cpu_ns() - cpu;
	begun = rdx_clock_ns() - begun;
	/* the engine may have lost its processor between its last call and saying what that took */
	nap_until_the_end(bench);
	give_times(bench, indexer ? seen_ns : NULL, ret_figures);
	ret_figures[BELLS] = 100.0 * (atomic_load(&bell->word) - word) / bench->batches;
	ret_figures[CPU] = 100.0 * (double)cpu / (double)begun;
	rdx_indexer_close(indexer);
	free(seen_ns);
}

static void give(struct report *report, double *values[WAYS][FIGURES], uint32_t rounds)
{
	char id[64], what[96];

	for (int figure = 0; figure < FIGURES; figure++)
		for (int way = FLOOR; way < WAYS; way++) {
			if (way == FLOOR && figure >= VISIBLE_P50 && figure <= BELLS)
				continue;
			snprintf(id, sizeof(id), "%s.%s", figures[figure].id, way_name[way]);
			snprintf(what, sizeof(what), "%s: %s", way_what[way], figures[figure].what);
			REPORT_ROW(report, .id = id, .what = what, .unit = figures[figure].unit,
				   .values = values[way][figure], .count = rounds);
		}
}

static void measure(struct bench *bench, struct report *report, uint32_t rounds)
{
	double *values[WAYS][FIGURES];

	for (int i = 0; i < WAYS * FIGURES; i++)
		values[i / FIGURES][i % FIGURES] = measure_values(rounds);
	for (uint32_t round = 0; round < rounds; round++)
		for (int way = 0; way < WAYS; way++) {
			double got[FIGURES] = {0};

			slice(bench, (enum way)way, got);
			for (int figure = 0; figure < FIGURES; figure++)
				values[way][figure][round] = got[figure];
		}
	give(report, values, rounds);
	report_note(report,
		    "%u batches a slice, of %d blocks, one every %u us from %d ranks in turn",
		    bench->batches, BATCH_BLOCKS, (unsigned)(GAP_NS / 1000), RANKS);
	for (int i = 0; i < WAYS * FIGURES; i++)
		free(values[i / FIGURES][i % FIGURES]);
}

static int begin(struct bench *bench)
{
	int dir_fd, r;

	while (atomic_load(&bench->arena->ready) == 0)
		sched_yield();
	if (atomic_load(&bench->arena->ready) != 1)
		return -EIO;
	dir_fd = rdx_namespace_open(bench->dir, 0);
	if (dir_fd < 0)
		return dir_fd;
	r = rdx_bell_file_open(&bench->bell, dir_fd, 0);
	close(dir_fd);
	return r;
}

int main(int argc, char **argv)
{
	struct options options = {
		.name = "paced",
		.question = "What do events at an engine's pace cost, by how the indexer rests?",
		.rounds_by_length = {5, 3, 1}};
	struct bench bench = {.bell.fd = -1};
	struct report *report;
	pid_t child;
	int r;

	options_parse(argc, argv, &options);
	bench.batches = (uint32_t)options_pick(&options, 4096, 2048, 48);
	bench.arena = measure_memory(sizeof(*bench.arena), MEASURE_SHARED);
	if (!bench.arena || scratch_make(bench.dir) < 0)
		return 1;
	measure_pin(0);
	report = report_begin(&options);
	child = measure_fork();
	if (child == 0)
		serve(bench.arena, bench.dir, bench.batches);
	r = begin(&bench);
	report_check(report, r == 0, "a namespace with %d ranks in %s: %s", RANKS, options.scratch,
		     strerror(-r));
	if (r == 0)
		measure(&bench, report, options.rounds);
	atomic_store(&bench.arena->over, 1);
	atomic_store(&bench.arena->turn, ++bench.turn);
	waitpid(child, NULL, 0);
	report_check(report, !bench.failed && !atomic_load(&bench.arena->failed), "no call fails");
	rdx_mapping_close(&bench.bell);
	scratch_remove(bench.dir);
	measure_memory_free(bench.arena, sizeof(*bench.arena));
	return report_end(report);
}
