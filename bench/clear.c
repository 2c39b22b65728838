/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does it cost when a worker with a million blocks clears its cache, beside others?
 *
 * Other workers hold what corpus B (A) leaves; one worker more holds corpus E. It publishes a
 * Cleared, and the indexer polls: how long from the beginning of that poll until a lookup of another
 * thread sees nothing of the worker; how much CPU until polls cost again what they did before; how
 * long the longest of them. In half of the rounds nothing was polled for long, so that the poll finds
 * neither its code nor its lines in any cache; in the others (awake) polls come right before. Then the worker fills again: what a store costs that finds the remains
 * of those cleared, as far as they were left. Floor of the CPU: one fetched line for each block.
 */
#include "bench/corpus/find.h"
#include "bench/floor.h"
#include "bench/measure.h"
#include "bench/stage.h"
#include "shm/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MOST 16 /* even */
#define IDLE_POLLS  101
#define QUIET_POLLS 32     /* as cheap as idle ones: then nothing is left to do */
#define POLLS_MOST  100000 /* on a machine where none is as cheap any more */
#define QUERIES     50     /* compared, of each corpus */

/* Looks at one block of the worker until it is gone. */
struct watch {
	struct rdx_index *index;
	uint64_t local;
	uint64_t worker;
	_Atomic uint64_t looks;
	uint64_t gone_ns; /* the clock when it was first seen gone */
};

struct clear {
	const struct options *options;
	struct report *report;
	struct stage stage;
	struct corpus others;
	struct corpus large;
	struct floor_table floor;
	uint32_t worker; /* of the large one */
	uint64_t blocks;
	double idle_ns; /* CPU of a poll without anything to do */
	uint64_t wrong;
};

struct values {
	double *hidden[2], *cpu, *poll, *floor, *refill, *fill;
};

static void *watch_run(void *context)
{
	static struct rdx_run runs[RDX_RANKS_MAX];
	struct watch *watch = context;

	measure_pin(1);
	while (stage_held(watch->index, watch->worker, &watch->local, 1, runs))
		atomic_fetch_add(&watch->looks, 1);
	watch->gone_ns = rdx_clock_ns();
	return NULL;
}

/* CPU of one poll, in nanoseconds, and when it began. */
static double poll_from(struct clear *clear, uint64_t *ret_begun_ns)
{
	uint64_t cpu = measure_cpu_ns();

	*ret_begun_ns = rdx_clock_ns();
	stage_must(&clear->stage, rdx_indexer_poll(clear->stage.indexer, 0), "rdx_indexer_poll");
	return (double)(measure_cpu_ns() - cpu);
}

static double poll_cpu(struct clear *clear)
{
	uint64_t begun;

	return poll_from(clear, &begun);
}

static double idle_cpu(struct clear *clear)
{
	double polls[IDLE_POLLS];

	for (int i = 0; i < IDLE_POLLS; i++)
		polls[i] = poll_cpu(clear);
	return measure_percentile(polls, IDLE_POLLS, 50);
}

/* The large worker stores its corpus. CPU of applying a block, in nanoseconds. */
static double fill(struct clear *clear)
{
	struct stage *stage = &clear->stage;
	struct corpus_record record;
	uint64_t at = 0, cpu = 0, start;

	while (corpus_next(&clear->large, &at, &record)) {
		record.worker = clear->worker;
		if (record.kind != CORPUS_QUERY)
			stage_publish(stage, &record);
		if (!stage_is_full(stage, clear->worker) && at < clear->large.header->words)
			continue;
		start = measure_cpu_ns();
		stage_drain(stage);
		cpu += measure_cpu_ns() - start;
	}
	return (double)cpu / (double)clear->blocks;
}

static uint64_t first_local(const struct corpus *corpus)
{
	struct corpus_record record = {.kind = CORPUS_CLEARED};
	uint64_t at = 0;

	while (record.kind != CORPUS_STORED && corpus_next(corpus, &at, &record))
		;
	return record.local[0];
}

/* Polls until they cost what they do when there is nothing to do: what they cost more. */
static double sweep(struct clear *clear, double *ret_longest)
{
	double all = 0, cpu;

	for (int quiet = 0, polls = 0; quiet < QUIET_POLLS && polls < POLLS_MOST; polls++) {
		cpu = poll_cpu(clear);
		all += cpu > clear->idle_ns ? cpu - clear->idle_ns : 0;
		if (cpu > *ret_longest)
			*ret_longest = cpu;
		quiet = cpu > 3 * clear->idle_ns ? 0 : quiet + 1;
	}
	return all;
}

/* Told to the oracle by the caller: that takes its time, and the caches. */
static void publish_clear(struct clear *clear, const struct corpus_record *cleared)
{
	clear->stage.is_untold = 1;
	stage_publish(&clear->stage, cleared);
	clear->stage.is_untold = 0;
}

/* In odd rounds the indexer is awake. */
static void clear_once(struct clear *clear, uint32_t round, const struct values *values)
{
	const struct corpus_record cleared = {.kind = CORPUS_CLEARED, .worker = clear->worker};
	struct watch watch = {.index = stage_handle(&clear->stage),
			      .local = first_local(&clear->large),
			      .worker = clear->worker};
	double longest = 0, cpu;
	uint32_t spins = 0;
	pthread_t thread;
	uint64_t start;

	if (round % 2 == 0)
		publish_clear(clear, &cleared);
	stage_must(&clear->stage, -pthread_create(&thread, NULL, watch_run, &watch),
		   "pthread_create");
	while (atomic_load(&watch.looks) < 100)
		measure_spin(&spins);
	if (round % 2) {
		idle_cpu(clear);
		publish_clear(clear, &cleared);
	}
	cpu = longest = poll_from(clear, &start);
	pthread_join(thread, NULL);
	cpu += sweep(clear, &longest);
	oracle_apply(&clear->stage.oracle, &cleared);
	values->hidden[round % 2][round / 2] =
		watch.gone_ns > start ? (double)(watch.gone_ns - start) / 1e3 : 0;
	values->cpu[round] = cpu / 1e6;
	values->poll[round] = longest / 1e6;
	rdx_index_close(watch.index);
}

/* The last queries of a corpus. */
static void compare(struct clear *clear, const struct corpus *corpus)
{
	struct corpus_record record;
	uint64_t at = 0, query = 0;

	while (corpus_next(corpus, &at, &record)) {
		if (record.kind == CORPUS_QUERY && query++ + QUERIES >= corpus->header->queries)
			clear->wrong += stage_wrong(&clear->stage, record.local, record.count) != 0;
	}
}

static double floor_once(struct clear *clear)
{
	uint64_t *keys = measure_memory(clear->blocks * sizeof(*keys), MEASURE_PRIVATE);
	struct corpus_record record;
	uint64_t at = 0, count = 0, cpu;

	if (!keys)
		exit(1);
	while (corpus_next(&clear->large, &at, &record)) {
		if (record.kind != CORPUS_STORED)
			continue;
		memcpy(&keys[count], record.names, record.count * sizeof(*keys));
		count += record.count;
	}
	cpu = floor_apply(&clear->floor, keys, count);
	measure_memory_free(keys, clear->blocks * sizeof(*keys));
	return (double)cpu / 1e6;
}

static void give(const struct clear *clear, const struct values *values)
{
	struct report *report = clear->report;
	uint32_t rounds = clear->options->rounds;

	REPORT_ROW(report, .id = "clear.hidden.ringdex", .what = "hidden after its poll begins",
		   .unit = "us", .values = values->hidden[0], .count = rounds / 2);
	REPORT_ROW(report, .id = "clear.awake.ringdex", .what = "the same, indexer awake",
		   .unit = "us", .values = values->hidden[1], .count = rounds / 2);
	REPORT_ROW(report, .id = "clear.cpu.floor", .what = "one fetched line a block",
		   .unit = "ms", .values = values->floor, .count = rounds);
	REPORT_ROW(report, .id = "clear.cpu.ringdex", .what = "all CPU until polls are idle",
		   .unit = "ms", .values = values->cpu, .count = rounds,
		   .floor = "clear.cpu.floor");
	REPORT_ROW(report, .id = "clear.poll.ringdex", .what = "longest poll, CPU", .unit = "ms",
		   .values = values->poll, .count = rounds);
	REPORT_ROW(report, .id = "clear.fill.ringdex", .what = "a block stored at first, CPU",
		   .unit = "ns", .values = values->fill, .count = 1);
	REPORT_ROW(report, .id = "clear.refill.ringdex",
		   .what = "a block stored after a clear, CPU", .unit = "ns",
		   .values = values->refill, .count = rounds);
	report_note(report, "%llu blocks cleared, beside %llu of other workers",
		    (unsigned long long)clear->blocks,
		    (unsigned long long)clear->others.header->held_pairs);
}

static void measure(struct clear *clear)
{
	const struct corpus_header *others = clear->others.header;
	uint32_t rounds = clear->options->rounds;
	struct stage *stage = &clear->stage;
	double numbers[7][ROUNDS_MOST] = {{0}};
	const struct values values = {{numbers[0], numbers[1]},
				      numbers[2],
				      numbers[3],
				      numbers[4],
				      numbers[5],
				      numbers[6]};

	clear->worker = (uint32_t)others->workers;
	clear->blocks = clear->large.header->stored_blocks;
	stage_make(stage, clear->options, clear->worker + 1);
	for (uint32_t w = 0; w < clear->worker; w++)
		stage_join(stage, others->capacity);
	stage_join(stage, clear->large.header->capacity);
	stage_open_index(stage);
	stage_replay(stage, &clear->others, 0);
	values.fill[0] = fill(clear);
	floor_resize(&clear->floor, stage_stats(stage).table_bytes);
	for (uint32_t round = 0; round < rounds; round++) {
		clear->idle_ns = idle_cpu(clear);
		clear_once(clear, round, &values);
		values.floor[round] = floor_once(clear);
		compare(clear, &clear->large);
		values.refill[round] = fill(clear);
		compare(clear, &clear->large);
		compare(clear, &clear->others);
	}
	clear->wrong += stage_trouble(stage);
	give(clear, &values);
	floor_close(&clear->floor);
	stage_close(stage);
}

int main(int argc, char **argv)
{
	struct options options = {
		.name = "clear",
		.question =
			"What does it cost when a worker with a million blocks clears its cache?",
		.rounds_by_length = {8, 4, 2},
	};
	struct clear clear = {.options = &options};

	options_parse(argc, argv, &options);
	options.rounds += options.rounds % 2;
	if (options.rounds > ROUNDS_MOST)
		options.rounds = ROUNDS_MOST;
	measure_pin(0);
	clear.report = report_begin(&options);
	if (find_corpus(&options, clear.report, options.length == OPTIONS_FULL ? "B" : "A",
			&clear.others) &&
	    find_corpus(&options, clear.report, "E", &clear.large)) {
		measure(&clear);
		report_check(clear.report, clear.wrong == 0,
			     "answers after clears and after filling again: %llu wrong",
			     (unsigned long long)clear.wrong);
	}
	corpus_close(&clear.others);
	corpus_close(&clear.large);
	return report_end(clear.report);
}
