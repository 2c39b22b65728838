/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does it cost to apply the store or the removal of one block?
 *
 * Publishers write the events of a corpus into their rings, up to half of a ring; then the indexer
 * polls until it has read them, and only that is timed, by the CPU clock of its thread. So on until
 * the corpus ends: its changes of tables and its clean-up are in. Floor, after each of these slices:
 * the same keys in the same order, one line of a table as large as the index's for each, fetched
 * before.
 */
#include "bench/corpus/find.h"
#include "bench/floor.h"
#include "bench/measure.h"
#include "bench/stage.h"
#include "shm/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_BLOCKS (UINT64_C(1) << 21)   /* most of one slice */
#define PASSES_NS    UINT64_C(12000000000) /* for all of one corpus */
#define QUERIES      500                   /* compared with the oracle after each pass */

struct apply {
	const struct options *options;
	struct report *report;
	struct floor_table floor;
	uint64_t *keys; /* of a slice */
};

struct pass {
	double apply_ns;
	double floor_ns;
	uint64_t table_bytes;
	uint64_t tables;
	uint64_t wrong;
};

/* Publish the next slice. How many blocks; 0 at the end. */
static uint64_t feed(struct apply *apply, struct stage *stage, const struct corpus *corpus,
		     uint64_t *at)
{
	struct corpus_record record = {0};
	uint64_t blocks = 0;

	while (blocks + CORPUS_EVENT_BLOCKS <= SLICE_BLOCKS && corpus_next(corpus, at, &record)) {
		if (record.kind == CORPUS_QUERY)
			continue;
		stage_publish(stage, &record);
		if (record.names)
			memcpy(&apply->keys[blocks], record.names, record.count * sizeof(uint64_t));
		blocks += record.count;
		if (stage_is_full(stage, record.worker))
			break;
	}
	return blocks;
}

/* The newest queries of the corpus, against the oracle. */
static uint64_t compare(struct stage *stage, const struct corpus *corpus)
{
	uint64_t skip = corpus->header->queries > QUERIES ? corpus->header->queries - QUERIES : 0;
	struct corpus_record record;
	uint64_t at = 0, wrong = 0;

	while (corpus_next(corpus, &at, &record)) {
		if (record.kind == CORPUS_QUERY && (skip == 0 || skip-- == 0))
			wrong += stage_wrong(stage, record.local, record.count) != 0;
	}
	return wrong;
}

static struct pass run_pass(struct apply *apply, const struct corpus *corpus)
{
	struct rdx_indexer_stats stats;
	struct pass pass = {0};
	struct stage stage;
	uint64_t at = 0, blocks, all = 0, applied;

	stage_open(&stage, apply->options, (uint32_t)corpus->header->workers,
		   corpus->header->capacity);
	stage_open_index(&stage);
	while ((blocks = feed(apply, &stage, corpus, &at)) > 0) {
		uint64_t start = measure_cpu_ns();

		stage_drain(&stage);
		pass.apply_ns += (double)(measure_cpu_ns() - start);
		all += blocks;
		stats = stage_stats(&stage);
		if (stats.table_bytes > apply->floor.lines * 64)
			floor_resize(&apply->floor, stats.table_bytes);
		pass.floor_ns += (double)floor_apply(&apply->floor, apply->keys, blocks);
	}
	stats = stage_stats(&stage);
	applied = stats.blocks_stored + stats.blocks_removed;
	pass.apply_ns /= (double)applied;
	pass.floor_ns /= (double)all;
	pass.table_bytes = stats.table_bytes;
	pass.tables = stats.generations;
	/* events before a clear that is behind them in the ring are not read */
	pass.wrong = compare(&stage, corpus) + stage_trouble(&stage) + stats.slots_lost +
		     (applied != all && stats.events_dead == 0);
	stage_close(&stage);
	return pass;
}

static void give(const struct apply *apply, const char *name, const double *floors,
		 const double *values, uint32_t count, const struct pass *last)
{
	char floor[32], row[32], what[80], beside[80];

	snprintf(floor, sizeof(floor), "apply.%s.floor", name);
	snprintf(row, sizeof(row), "apply.%s.ringdex", name);
	snprintf(beside, sizeof(beside), "%s: one fetched line of a table as large", name);
	snprintf(what, sizeof(what), "%s: a block applied, CPU", name);
	REPORT_ROW(apply->report, .id = floor, .what = beside, .unit = "ns", .values = floors,
		   .count = count);
	REPORT_ROW(apply->report, .id = row, .what = what, .unit = "ns", .values = values,
		   .count = count, .floor = floor);
	report_note(apply->report, "%s: table of %.1f MB at the end, %llu tables", name,
		    (double)last->table_bytes / 1e6, (unsigned long long)last->tables);
}

/* Passes until there are enough of them, or their time is over. */
static void measure(struct apply *apply, const char *name, const struct corpus *corpus)
{
	double *floors = measure_values(apply->options->rounds);
	double *values = measure_values(apply->options->rounds);
	uint64_t start = rdx_clock_ns(), wrong = 0, took = 0;
	uint32_t count = 0;
	struct pass pass;

	floor_close(&apply->floor);
	while (count < apply->options->rounds && (count == 0 || took + took / count < PASSES_NS)) {
		pass = run_pass(apply, corpus);
		values[count] = pass.apply_ns;
		floors[count++] = pass.floor_ns;
		wrong += pass.wrong;
		took = rdx_clock_ns() - start;
	}
	give(apply, name, floors, values, count, &pass);
	report_check(apply->report, wrong == 0,
		     "%s: every block applied, the last queries' answers right: %llu wrong", name,
		     (unsigned long long)wrong);
	free(floors);
	free(values);
}

int main(int argc, char **argv)
{
	static const char *const names[OPTIONS_LENGTHS][FIND_MOST] = {
		[OPTIONS_FULL] = {"A", "A1", "B", "C", "H1", "H20", "S4", "S64", "R"},
		[OPTIONS_QUICK] = {"A", "S4"},
		[OPTIONS_SMOKE] = {"A", "H20", "S4"},
	};
	struct options options = {
		.name = "apply",
		.question = "What does it cost to apply the store or the removal of one block?",
		.rounds_by_length = {5, 2, 1},
	};
	struct apply apply = {.options = &options};
	struct corpus corpus;

	options_parse(argc, argv, &options);
	measure_pin(0);
	apply.report = report_begin(&options);
	apply.keys = measure_memory(SLICE_BLOCKS * sizeof(uint64_t), MEASURE_PRIVATE);
	stage_touch(&options);
	for (const char *const *name = names[options.length]; *name; name++) {
		if (!find_corpus(&options, apply.report, *name, &corpus))
			continue;
		measure(&apply, *name, &corpus);
		corpus_close(&corpus);
	}
	floor_close(&apply.floor);
	measure_memory_free(apply.keys, SLICE_BLOCKS * sizeof(uint64_t));
	return report_end(apply.report);
}
