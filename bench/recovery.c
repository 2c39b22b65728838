/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long until a router gets right answers again?
 *
 * As a user has it: workers run, there is no index; rdx_indexer_open with its defaults, polls, and
 * rdx_index_open as soon as it succeeds, until a lookup says EXACT and what the oracle says of every
 * worker. From the ledger: one worker that holds corpus D, the workers of corpus B (A) after all its
 * events; floor, in turn: a table as large is touched, and one fetched line of it for each block. By
 * the barrier: a thousand to a million dead events, a clear, 1,000 newer ones; floor: the same with
 * one event and no dead ones.
 */
#include "bench/corpus/find.h"
#include "bench/floor.h"
#include "bench/measure.h"
#include "bench/stage.h"
#include "shm/clock.h"
#include "tools/trace/random.h"
#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_EVENTS 1000
#define PATIENCE_NS UINT64_C(240000000000) /* on the busiest machine */
#define DEAD_LEAST  1000
#define DEAD_MOST   1000000

struct recovery {
	const struct options *options;
	struct report *report;
	double *values, *floors, *polls;
	uint64_t *names; /* that are held, for the floor */
	uint64_t name_count;
	struct floor_table floor;
};

/* What is asked until the answer is right. */
struct question {
	const uint64_t *local;
	uint32_t count;
	const uint32_t *want; /* blocks of each worker */
};

/* One right row of each worker. */
static int is_right(struct stage *stage, const struct question *question)
{
	uint32_t right = 0;
	int rows;

	if (!stage->index)
		return 0;
	stage->runs[0].size = sizeof(stage->runs[0]);
	rows = rdx_index_lookup_local(stage->index, question->local, question->count, stage->runs,
				      RDX_RANKS_MAX);
	for (int i = 0; i < rows; i++) {
		const struct rdx_run *run = &stage->runs[i];

		right += run->state == RDX_STATE_EXACT &&
			 run->blocks[RDX_TIER_DEVICE] == question->want[run->worker_id];
	}
	return right == stage->worker_count;
}

/* From open until the answer is right, which takes `ret_ms`; the longest poll, if it is longer. 1, or
 * 0 where it was given up. */
static int recover(struct stage *stage, const struct question *question, double *ret_ms,
		   double *ret_longest_ms)
{
	struct rdx_indexer_options options = {.size = sizeof(options), .dir = stage->dir};
	uint64_t start = rdx_clock_ns(), cpu;
	int right = 0;

	stage_must(stage, rdx_indexer_open(&stage->indexer, &options), "rdx_indexer_open");
	while (!right && rdx_clock_ns() - start < PATIENCE_NS) {
		cpu = measure_cpu_ns();
		stage_must(stage, rdx_indexer_poll(stage->indexer, 0), "rdx_indexer_poll");
		cpu = measure_cpu_ns() - cpu;
		if ((double)cpu / 1e6 > *ret_longest_ms)
			*ret_longest_ms = (double)cpu / 1e6;
		if (!stage->index)
			stage->index = stage_try_handle(stage);
		right = is_right(stage, question);
	}
	*ret_ms = (double)(rdx_clock_ns() - start) / 1e6;
	return right;
}

/* Recoveries by their way, as the indexer says. */
static uint64_t recovered(const struct stage *stage, uint32_t way)
{
	return stage_stats(stage).recoveries[way];
}

/* No index is left, as after a start of the machine. */
static void forget_index(struct stage *stage)
{
	char path[SCRATCH_BYTES + 16];

	stage_close_index(stage);
	snprintf(path, sizeof(path), "%s/index", stage->dir);
	scratch_remove(path);
}

/* How much of the prompt each worker holds. */
static struct question ask_for(struct stage *stage, const uint64_t *local, uint32_t count,
			       uint32_t *want)
{
	corpus_names(local, count, stage->names);
	for (uint32_t w = 0; w < stage->worker_count; w++)
		want[w] = oracle_leading(&stage->oracle, w, stage->names, count);
	return (struct question){local, count, want};
}

/* Touch a table as large, and a line of it for each block. Nanoseconds. */
static double floor_once(struct recovery *recovery, uint64_t table_bytes)
{
	uint64_t start = rdx_clock_ns();

	floor_resize(&recovery->floor, table_bytes);
	floor_apply(&recovery->floor, recovery->names, recovery->name_count);
	return (double)(rdx_clock_ns() - start);
}

/* The names that workers hold, in no order. */
static void collect_names(struct recovery *recovery, const struct stage *stage)
{
	uint64_t at = 0;

	recovery->name_count = 0;
	for (uint32_t w = 0; w < stage->worker_count; w++)
		recovery->name_count += stage->oracle.sets[w].count;
	recovery->names = measure_memory(recovery->name_count * sizeof(uint64_t), MEASURE_PRIVATE);
	if (!recovery->names)
		exit(1);
	for (uint32_t w = 0; w < stage->worker_count; w++) {
		const struct oracle_set *set = &stage->oracle.sets[w];

		for (uint64_t i = 0; set->names && i <= set->mask; i++) {
			if (set->names[i])
				recovery->names[at++] = set->names[i];
		}
	}
}

static void give(const struct recovery *recovery, const char *name, const char *what,
		 const char *floor_what)
{
	char id[64], floor[64];

	snprintf(id, sizeof(id), "recovery.%s.ringdex", name);
	snprintf(floor, sizeof(floor), "recovery.%s.floor", name);
	REPORT_ROW(recovery->report, .id = floor, .what = floor_what, .unit = "ms",
		   .values = recovery->floors, .count = recovery->options->rounds);
	REPORT_ROW(recovery->report, .id = id, .what = what, .unit = "ms",
		   .values = recovery->values, .count = recovery->options->rounds, .floor = floor);
}

/* The newest query of a corpus. */
static struct corpus_record last_query(const struct corpus *corpus)
{
	struct corpus_record record, query = {.count = 0};
	uint64_t at = 0;

	while (corpus_next(corpus, &at, &record)) {
		if (record.kind == CORPUS_QUERY)
			query = record;
	}
	return query;
}

/* What the workers of a corpus hold. */
static void measure_ledgers(struct recovery *recovery, const struct corpus *corpus,
			    const char *name, const char *what, int is_longest)
{
	const struct corpus_header *header = corpus->header;
	uint32_t *want = calloc(header->workers, sizeof(*want));
	struct corpus_record query = last_query(corpus);
	struct question question;
	struct stage stage;
	uint64_t ledgers = 0, wrong = 0;

	stage_open(&stage, recovery->options, (uint32_t)header->workers, header->capacity);
	stage.index_flags = RDX_INDEX_ALL_RANKS;
	stage_replay(&stage, corpus, 0);
	question = ask_for(&stage, query.local, query.count, want);
	collect_names(recovery, &stage);
	for (uint32_t round = 0; round < recovery->options->rounds; round++) {
		recovery->polls[round] = 0;
		wrong += !recover(&stage, &question, &recovery->values[round],
				  &recovery->polls[round]);
		ledgers += recovered(&stage, RDX_RECOVERED_LEDGER);
		recovery->floors[round] =
			floor_once(recovery, stage_stats(&stage).table_bytes) / 1e6;
		forget_index(&stage);
	}
	give(recovery, name, what, "touching a table as large, a line a block");
	if (is_longest)
		REPORT_ROW(recovery->report, .id = "recovery.poll.ringdex",
			   .what = "the longest poll of it, CPU", .unit = "ms",
			   .values = recovery->polls, .count = recovery->options->rounds);
	report_note(recovery->report, "%s: %.1f ledgers read a time", name,
		    (double)ledgers / recovery->options->rounds);
	report_check(recovery->report, wrong + stage_trouble(&stage) == 0, "%s: %llu wrong answers",
		     name, (unsigned long long)wrong);
	measure_memory_free(recovery->names, recovery->name_count * sizeof(uint64_t));
	floor_close(&recovery->floor);
	stage_close(&stage);
	free(want);
}

/* Single blocks, each a prompt of its own. The last one's local hash. */
static uint64_t store_singles(struct stage *stage, uint64_t first, uint64_t count)
{
	uint64_t local = 0;

	for (uint64_t i = 0; i < count; i++) {
		local = rdx_trace_mix(first + i + 1) | 1;
		stage_store(stage, 0, &local, &local, 0, 1);
	}
	return local;
}

/* Dead events, a clear, live ones. */
static void make_history(struct stage *stage, const struct options *options, uint64_t dead,
			 uint64_t live, uint64_t *ret_local)
{
	stage_open(stage, options, 1, dead + live);
	stage->index_flags = RDX_INDEX_ALL_RANKS;
	store_singles(stage, 0, dead);
	if (dead)
		stage_publish(stage, &(struct corpus_record){.kind = CORPUS_CLEARED});
	*ret_local = store_singles(stage, dead, live);
}

static void measure_barrier(struct recovery *recovery, uint64_t dead)
{
	uint32_t want = 1, rounds = recovery->options->rounds;
	uint64_t local, one_local, wrong = 0;
	struct question question = {&local, 1, &want}, one_question = {&one_local, 1, &want};
	struct stage stage, one;
	double longest = 0;
	char name[32], what[64];

	make_history(&stage, recovery->options, dead, LIVE_EVENTS, &local);
	make_history(&one, recovery->options, 0, 1, &one_local);
	for (uint32_t round = 0; round < rounds; round++) {
		struct rdx_recovery_row row = {.size = sizeof(row)};

		wrong += !recover(&one, &one_question, &recovery->floors[round], &longest);
		forget_index(&one);
		wrong += !recover(&stage, &question, &recovery->values[round], &longest) ||
			 rdx_indexer_recovery(stage.indexer, 0, &row) != 0 ||
			 row.way != RDX_RECOVERED_BARRIER || row.events_skipped != dead ||
			 row.events_replayed != LIVE_EVENTS + 1;
		forget_index(&stage);
	}
	snprintf(name, sizeof(name), "barrier.%llu", (unsigned long long)dead);
	snprintf(what, sizeof(what), "%llu dead events, a clear, %d live ones",
		 (unsigned long long)dead, LIVE_EVENTS);
	give(recovery, name, what, "one event, none dead");
	report_check(recovery->report, wrong + stage_trouble(&stage) == 0,
		     "barrier: %llu dead events skipped, and no others: %llu times not",
		     (unsigned long long)dead, (unsigned long long)wrong);
	stage_close(&stage);
	stage_close(&one);
}

static void measure_all_ledgers(struct recovery *recovery)
{
	int full = recovery->options->length == OPTIONS_FULL;
	const char *several = full ? "B" : "A";
	struct corpus corpus;
	char name[48];

	if (find_corpus(recovery->options, recovery->report, "D", &corpus)) {
		measure_ledgers(recovery, &corpus, "ledger.2280000",
				"the ledger of 2.28 million blocks", 1);
		corpus_close(&corpus);
	}
	if (find_corpus(recovery->options, recovery->report, several, &corpus)) {
		snprintf(name, sizeof(name), "ledger.%llux%llu",
			 (unsigned long long)corpus.header->workers,
			 (unsigned long long)corpus.header->capacity);
		measure_ledgers(recovery, &corpus, name, "ledgers of several workers", 0);
		corpus_close(&corpus);
	}
}

int main(int argc, char **argv)
{
	struct options options = {.name = "recovery",
				  .question = "How long until a router gets right answers again?",
				  .rounds_by_length = {11, 3, 1}};
	struct recovery recovery = {.options = &options};
	uint64_t most;

	options_parse(argc, argv, &options);
	measure_pin(0);
	most = options_pick(&options, DEAD_MOST, DEAD_MOST, DEAD_LEAST);
	recovery.report = report_begin(&options);
	recovery.values = measure_values(options.rounds);
	recovery.floors = measure_values(options.rounds);
	recovery.polls = measure_values(options.rounds);
	measure_all_ledgers(&recovery);
	for (uint64_t dead = DEAD_LEAST; dead <= most; dead *= 10)
		measure_barrier(&recovery, dead);
	free(recovery.values);
	free(recovery.floors);
	free(recovery.polls);
	return report_end(recovery.report);
}
