/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does an idle indexer cost, and how soon is it awake?
 *
 * Three ways to wait for an event of another process. The bell: rdx_indexer_wait, rung by the
 * publisher. Sleep: the indexer polls, and sleeps twice as long each time that nothing came, as one
 * would without a bell; it costs a publisher nothing. The floor is a bare futex, and for the CPU a
 * bare sleep as long as an idle indexer's. A sample: the waiting side says that it goes to sleep,
 * the other one publishes a while later, and the time is taken until the event has been applied.
 */
#include "bench/measure.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/scratch.h"
#include "shm/clock.h"
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RANKS         8
#define REST_NS       100000000 /* of an idle indexer */
#define SLEEP_LEAST   10000     /* the way without a bell: ns */
#define SLEEP_MOST    1000000
#define LULL_LEAST_NS 300000 /* from saying that one sleeps until the event */
#define LULL_MOST_NS  2300000

enum way { FLOOR, BELL, SLEEP, WAYS };
static const char *const way_name[WAYS] = {"floor", "ringdex", "sleep"};

/* What both processes see. */
struct arena {
	alignas(128) _Atomic uint32_t asked; /* samples that the waiting side is ready for */
	alignas(128) _Atomic uint32_t word;  /* the bare futex */
	alignas(128) _Atomic uint64_t sent_ns;
	_Atomic uint64_t call_ns;    /* what sending took */
	_Atomic uint32_t send_floor; /* the next one is the futex's */
	_Atomic uint32_t ready;      /* publishers are open; 2: they could not be */
	_Atomic uint32_t over;
};

struct bench {
	struct arena *arena;
	struct rdx_indexer *indexer;
	uint32_t samples;
	int failed;
	char dir[SCRATCH_BYTES];
};

static void futex(_Atomic uint32_t *word, int what, uint32_t value)
{
	syscall(SYS_futex, word, what, value, NULL, NULL, 0);
}

static void ask(struct arena *arena)
{
	atomic_fetch_add(&arena->asked, 1);
	futex(&arena->asked, FUTEX_WAKE, INT_MAX);
}

static void sleep_ns(uint64_t ns)
{
	struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* --- the side that publishes, a process of its own --- */

static int open_publishers(const char *dir, struct rdx_publisher *publisher[RANKS])
{
	struct rdx_publisher_options options = {
		.size = sizeof(options), .dir = dir, .instance = "bench", .model = "bench"};
	int r = 0;

	options.tier_blocks[RDX_TIER_DEVICE] = 4096;
	for (uint32_t i = 0; i < RANKS && r == 0; i++) {
		options.worker_id = i + 1;
		r = rdx_publisher_open(&publisher[i], &options);
	}
	return r;
}

static void publish(struct rdx_publisher *publisher, uint64_t number)
{
	uint64_t name = number * UINT64_C(0x9e3779b97f4a7c15);
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = &name,
				    .local_hashes = &name,
				    .count = 1,
				    .name_bytes = 8};

	rdx_publish_stored(publisher, &stored);
}

/* Wait for the `number`-th question, or the end: 0. */
static int next_question(struct arena *arena, uint32_t number)
{
	while (atomic_load(&arena->asked) < number)
		futex(&arena->asked, FUTEX_WAIT, number - 1);
	return !atomic_load(&arena->over);
}

static void answer(struct arena *arena, struct rdx_publisher *publisher, uint32_t number)
{
	uint64_t begin = rdx_clock_ns();

	atomic_store(&arena->sent_ns, begin);
	if (atomic_load(&arena->send_floor)) {
		atomic_store(&arena->word, number);
		futex(&arena->word, FUTEX_WAKE, INT_MAX);
	} else {
		publish(publisher, number);
	}
	atomic_store(&arena->call_ns, rdx_clock_ns() - begin);
}

static void serve(struct arena *arena, const char *dir)
{
	struct rdx_publisher *publisher[RANKS] = {NULL};
	uint64_t random = 88172645463325252;

	measure_pin(1);
	atomic_store(&arena->ready, open_publishers(dir, publisher) == 0 ? 1 : 2);
	for (uint32_t number = 1; next_question(arena, number); number++) {
		sleep_ns(LULL_LEAST_NS + measure_random(&random) % (LULL_MOST_NS - LULL_LEAST_NS));
		answer(arena, publisher[number % RANKS], number);
	}
	for (int i = 0; i < RANKS; i++)
		rdx_publisher_close(publisher[i]);
	_exit(0);
}

/* --- the side that waits --- */

static uint64_t events(const struct bench *bench)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	rdx_indexer_get_stats(bench->indexer, &stats);
	return stats.events;
}

static void poll(struct bench *bench)
{
	bench->failed |= rdx_indexer_poll(bench->indexer, 0) < 0;
}

/* Until nothing is left to be done. */
static void settle(struct bench *bench)
{
	int done;

	while ((done = rdx_indexer_poll(bench->indexer, 0)) > 0)
		;
	bench->failed |= done < 0;
}

/* One sleep of the way without a bell; `ns` grows. */
static void nap(uint64_t *ns)
{
	sleep_ns(*ns);
	*ns = *ns * 2 < SLEEP_MOST ? *ns * 2 : SLEEP_MOST;
}

/* One turn of a consumer: wait, and look. */
static void wait_and_poll(struct bench *bench, enum way way, uint64_t *sleep)
{
	if (way == SLEEP)
		nap(sleep);
	else
		bench->failed |= rdx_indexer_wait(bench->indexer, -1) < 0;
	poll(bench);
}

/* Ask for an event, wait for it. Its latency, and what its sender paid, in us. */
static void sample(struct bench *bench, enum way way, double *ret_us, double *ret_call_us)
{
	struct arena *arena = bench->arena;
	uint64_t before, sleep = SLEEP_LEAST, call;
	uint32_t word = atomic_load(&arena->word);

	settle(bench);
	before = events(bench);
	atomic_store(&arena->call_ns, 0);
	atomic_store(&arena->send_floor, way == FLOOR);
	ask(arena);
	while (way == FLOOR ? atomic_load(&arena->word) == word : events(bench) == before) {
		if (way == FLOOR)
			futex(&arena->word, FUTEX_WAIT, word);
		else
			wait_and_poll(bench, way, &sleep);
	}
	*ret_us = (double)(rdx_clock_ns() - atomic_load(&arena->sent_ns)) / 1e3;
	while ((call = atomic_load(&arena->call_ns)) == 0)
		sched_yield();
	*ret_call_us = (double)call / 1e3;
}

static uint64_t process_cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* Nothing is published for a while: percent of a processor. */
static double idle(struct bench *bench, enum way way, uint64_t ns)
{
	uint64_t start = rdx_clock_ns(), used, sleep = SLEEP_LEAST;

	settle(bench);
	used = process_cpu_ns();
	while (rdx_clock_ns() - start < ns) {
		if (way == FLOOR)
			sleep_ns(REST_NS);
		else
			wait_and_poll(bench, way, &sleep);
	}
	return 100.0 * (double)(process_cpu_ns() - used) / (double)(rdx_clock_ns() - start);
}

static int all_found(const struct bench *bench)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	rdx_indexer_get_stats(bench->indexer, &stats);
	return stats.ranks == RANKS;
}

static int open_indexer(struct bench *bench)
{
	struct rdx_indexer_options options = {
		.size = sizeof(options), .dir = bench->dir, .rest_mode = RDX_REST_SLEEP};
	int r = rdx_indexer_open(&bench->indexer, &options);

	while (r == 0 && atomic_load(&bench->arena->ready) == 0)
		sched_yield();
	if (r < 0 || atomic_load(&bench->arena->ready) != 1)
		return r < 0 ? r : -EIO;
	while (!all_found(bench))
		poll(bench);
	return 0;
}

/* What is reported of each way. */
enum figure { WAKE_P50, WAKE_P99, CALL, CPU, FIGURES };
static const struct {
	const char *id, *unit, *what;
} figures[FIGURES] = {
	{"idle.wake.p50", "us", "awake, event applied, p50"},
	{"idle.wake.p99", "us", "awake, event applied, p99"},
	{"idle.call", "us", "the call that sends it, p50"},
	{"idle.cpu", "%", "of a processor while nothing comes"},
};
static const char *const way_what[WAYS] = {"bare", "bell", "poll and sleep"};

static void round_of(struct bench *bench, enum way way, uint64_t idle_ns, uint32_t round,
		     double *values[FIGURES])
{
	double *us = measure_values(bench->samples), *call_us = measure_values(bench->samples);

	for (uint32_t i = 0; i < bench->samples; i++)
		sample(bench, way, &us[i], &call_us[i]);
	values[WAKE_P50][round] = measure_percentile(us, bench->samples, 50);
	values[WAKE_P99][round] = measure_percentile(us, bench->samples, 99);
	values[CALL][round] = measure_percentile(call_us, bench->samples, 50);
	values[CPU][round] = idle(bench, way, idle_ns);
	free(us);
	free(call_us);
}

static void give(struct report *report, double *values[WAYS][FIGURES], uint32_t rounds)
{
	char id[64], floor[64], what[96];

	for (int figure = 0; figure < FIGURES; figure++)
		for (int way = 0; way < WAYS; way++) {
			snprintf(id, sizeof(id), "%s.%s", figures[figure].id, way_name[way]);
			snprintf(floor, sizeof(floor), "%s.floor", figures[figure].id);
			snprintf(what, sizeof(what), "%s: %s", way_what[way], figures[figure].what);
			REPORT_ROW(report, .id = id, .what = what, .unit = figures[figure].unit,
				   .values = values[way][figure], .count = rounds,
				   .floor = way == FLOOR ? NULL : floor);
		}
}

static void measure(struct bench *bench, struct report *report, uint32_t rounds, uint64_t idle_ns)
{
	double *values[WAYS][FIGURES];

	for (int i = 0; i < WAYS * FIGURES; i++)
		values[i / FIGURES][i % FIGURES] = measure_values(rounds);
	for (uint32_t round = 0; round < rounds; round++)
		for (int way = 0; way < WAYS; way++)
			round_of(bench, (enum way)way, idle_ns, round, values[way]);
	give(report, values, rounds);
	for (int i = 0; i < WAYS * FIGURES; i++)
		free(values[i / FIGURES][i % FIGURES]);
	report_note(report,
		    "%u samples a round, %d ranks; poll and sleep: %d us, twice as long each time, "
		    "to %d us",
		    bench->samples, RANKS, SLEEP_LEAST / 1000, SLEEP_MOST / 1000);
}

int main(int argc, char **argv)
{
	struct options options = {
		.name = "idle",
		.question = "What does an idle indexer cost, and how soon is it awake?",
		.rounds_by_length = {6, 3, 1}};
	struct bench bench = {.failed = 0};
	struct report *report;
	pid_t child;
	int r;

	options_parse(argc, argv, &options);
	bench.samples = (uint32_t)options_pick(&options, 150, 100, 5);
	bench.arena = measure_memory(sizeof(*bench.arena), MEASURE_SHARED);
	if (!bench.arena || scratch_make(bench.dir) < 0)
		return 1;
	measure_pin(0);
	report = report_begin(&options);
	child = measure_fork();
	if (child == 0)
		serve(bench.arena, bench.dir);
	r = open_indexer(&bench);
	report_check(report, r == 0, "a namespace with %d ranks in %s: %s", RANKS, options.scratch,
		     strerror(-r));
	if (r == 0)
		measure(&bench, report, options.rounds,
			options_pick(&options, 400000000, 300000000, 20000000));
	report_check(report, !bench.failed, "no poll or wait fails");
	atomic_store(&bench.arena->over, 1);
	ask(bench.arena);
	waitpid(child, NULL, 0);
	rdx_indexer_close(bench.indexer);
	scratch_remove(bench.dir);
	measure_memory_free(bench.arena, sizeof(*bench.arena));
	return report_end(report);
}
