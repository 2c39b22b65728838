/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long may a poll take while the table grows, and a lookup beside it?
 *
 * Workers join one after the other and fill their caches with prompts, 64 events at a time, from an
 * index that was opened with its defaults. Each poll is timed, by the CPU clock of its thread: the
 * longest counts, of all that are needed until the last worker is full. Another thread looks up what
 * the first worker holds; each answer is compared. Floor: the longest poll when as many events, of
 * the full workers' churn, are applied without growth.
 */
#include "bench/beside.h"
#include "bench/measure.h"
#include "shm/clock.h"
#include "tools/trace/random.h"

#include <stdio.h>
#include <stdlib.h>

#define PROMPT_BLOCKS  256
#define EVENTS_A_DRAIN 64
#define KNOWN          64

struct grow {
	const struct options *options;
	struct stage stage;
	struct beside beside;
	struct beside_known known[KNOWN];
	struct asking_prompt prompts[KNOWN];
	uint64_t *local; /* of the known prompts */
	uint64_t next_prompt;
	uint64_t events; /* waiting */
	uint64_t longest_cpu_ns;
	uint64_t longest_wall_ns;
	uint64_t wrong;
};

static void make_prompt(uint64_t number, uint64_t *ret_local)
{
	for (uint32_t i = 0; i < PROMPT_BLOCKS; i++)
		ret_local[i] = rdx_trace_mix(number << 16 | (i + 1)) | 1;
}

/* Poll until all is applied; the longest is kept. */
static void drain(struct grow *grow)
{
	int read;

	atomic_store(&grow->beside.busy, 1);
	do {
		uint64_t wall = rdx_clock_ns(), cpu = measure_cpu_ns();

		read = rdx_indexer_poll(grow->stage.indexer, 0);
		cpu = measure_cpu_ns() - cpu;
		wall = rdx_clock_ns() - wall;
		stage_must(&grow->stage, read, "rdx_indexer_poll");
		if (cpu > grow->longest_cpu_ns)
			grow->longest_cpu_ns = cpu;
		if (wall > grow->longest_wall_ns)
			grow->longest_wall_ns = wall;
	} while (read > 0);
	atomic_store(&grow->beside.busy, 0);
	stage_drain(&grow->stage);
	grow->events = 0;
}

static void store_prompt(struct grow *grow, uint32_t worker)
{
	uint64_t local[PROMPT_BLOCKS], before = grow->stage.events;

	make_prompt(grow->next_prompt++, local);
	corpus_names(local, PROMPT_BLOCKS, grow->stage.names);
	stage_store(&grow->stage, worker, local, grow->stage.names, 0, PROMPT_BLOCKS);
	grow->events += grow->stage.events - before;
	if (grow->events >= EVENTS_A_DRAIN)
		drain(grow);
}

static void remove_prompt(struct grow *grow, uint32_t worker, uint64_t number)
{
	uint64_t local[PROMPT_BLOCKS];
	struct corpus_record record = {.kind = CORPUS_REMOVED, .worker = worker};

	make_prompt(number, local);
	corpus_names(local, PROMPT_BLOCKS, grow->stage.names);
	record.count = CORPUS_EVENT_BLOCKS;
	for (uint32_t at = PROMPT_BLOCKS; at > 0; at -= CORPUS_EVENT_BLOCKS) {
		record.names = &grow->stage.names[at - CORPUS_EVENT_BLOCKS];
		stage_publish(&grow->stage, &record);
		grow->events++;
	}
}

/* The first worker, which holds what is looked up. */
static void begin(struct grow *grow, uint32_t workers, uint64_t blocks)
{
	stage_make(&grow->stage, grow->options, workers);
	stage_join(&grow->stage, blocks);
	stage_open_index(&grow->stage);
	for (uint32_t p = 0; p < KNOWN; p++) {
		uint64_t *local = &grow->local[p * PROMPT_BLOCKS];

		make_prompt(p, local);
		grow->prompts[p] = (struct asking_prompt){.local = local, .blocks = PROMPT_BLOCKS};
		grow->known[p] = (struct beside_known){grow->prompts[p], 0};
		store_prompt(grow, 0);
	}
	drain(grow);
	beside_open(&grow->beside, grow->options, &grow->stage);
	grow->beside.prompts = grow->prompts;
	grow->beside.known = grow->known;
	grow->beside.prompt_count = grow->beside.known_count = KNOWN;
	grow->beside.cut = PROMPT_BLOCKS;
	grow->longest_cpu_ns = grow->longest_wall_ns = 0;
	beside_start(&grow->beside);
}

/* Workers join and fill up. */
static void fill(struct grow *grow, uint32_t workers, uint64_t blocks)
{
	for (uint32_t w = 1; w < workers; w++) {
		stage_join(&grow->stage, blocks);
		for (uint64_t held = 0; held + PROMPT_BLOCKS <= blocks; held += PROMPT_BLOCKS)
			store_prompt(grow, w);
	}
	drain(grow);
}

/* A quarter of what is held goes and comes. */
static void churn(struct grow *grow, uint32_t workers, uint64_t blocks)
{
	uint64_t prompts = blocks / PROMPT_BLOCKS;

	for (uint64_t i = 0; i < prompts / 4; i++) {
		for (uint32_t w = 1; w < workers; w++) {
			remove_prompt(grow, w, KNOWN + (w - 1) * prompts + i);
			store_prompt(grow, w);
		}
	}
	drain(grow);
}

/* Some of the living and some of those that are gone. */
static void compare(struct grow *grow)
{
	uint64_t local[PROMPT_BLOCKS], step = grow->next_prompt / 256 + 1;

	stage_settle(&grow->stage);
	for (uint64_t number = 0; number < grow->next_prompt; number += step) {
		make_prompt(number, local);
		grow->wrong += stage_wrong(&grow->stage, local, PROMPT_BLOCKS) != 0;
	}
	grow->wrong += grow->beside.wrong + stage_trouble(&grow->stage);
}

struct values {
	double *poll, *steady, *wall, *longest, *lookup[ASKING_PERCENTILES];
};

static void run_round(struct grow *grow, uint32_t workers, uint64_t blocks, uint32_t round,
		      const struct values *values)
{
	begin(grow, workers, blocks);
	fill(grow, workers, blocks);
	beside_stop(&grow->beside);
	values->poll[round] = (double)grow->longest_cpu_ns / 1e6;
	values->wall[round] = (double)grow->longest_wall_ns / 1e6;
	asking_percentiles(grow->beside.times, grow->beside.count, values->lookup, round);
	values->longest[round] = measure_percentile(grow->beside.times, grow->beside.count, 100);
	grow->longest_cpu_ns = 0;
	churn(grow, workers, blocks);
	values->steady[round] = (double)grow->longest_cpu_ns / 1e6;
	compare(grow);
	beside_close(&grow->beside);
	stage_close(&grow->stage);
	grow->next_prompt = 0;
}

static void give(struct report *report, const struct values *values, uint32_t rounds)
{
	REPORT_ROW(report, .id = "grow.poll.floor", .what = "longest poll without growth, CPU",
		   .unit = "ms", .values = values->steady, .count = rounds);
	REPORT_ROW(report, .id = "grow.poll.ringdex",
		   .what = "longest poll while the table grows, CPU", .unit = "ms",
		   .values = values->poll, .count = rounds, .floor = "grow.poll.floor");
	REPORT_ROW(report, .id = "grow.wall.ringdex", .what = "the same, by the clock",
		   .unit = "ms", .values = values->wall, .count = rounds);
	asking_report(report, &(struct asking_rows){"grow.lookup", "ringdex",
						    "a lookup of 256 blocks beside it",
						    values->lookup, rounds, NULL, NULL});
	REPORT_ROW(report, .id = "grow.lookup.longest.ringdex",
		   .what = "the longest of these lookups", .unit = "ns", .values = values->longest,
		   .count = rounds);
}

int main(int argc, char **argv)
{
	struct options options = {
		.name = "grow",
		.question =
			"How long may a poll take while the table grows, and a lookup beside it?",
		.rounds_by_length = {5, 3, 1},
	};
	struct grow *grow = calloc(1, sizeof(*grow));
	struct values values;
	struct report *report;
	uint32_t workers;
	uint64_t blocks;

	options_parse(argc, argv, &options);
	workers = (uint32_t)options_pick(&options, 17, 9, 3);
	blocks = options_pick(&options, 131072, 131072, 40960);
	measure_pin(0);
	report = report_begin(&options);
	values = (struct values){.poll = measure_values(options.rounds),
				 .steady = measure_values(options.rounds),
				 .wall = measure_values(options.rounds),
				 .longest = measure_values(options.rounds)};
	asking_values_open(values.lookup, options.rounds);
	if (!grow || !(grow->local = calloc(KNOWN * PROMPT_BLOCKS, sizeof(uint64_t))))
		return 1;
	grow->options = &options;
	for (uint32_t round = 0; round < options.rounds; round++)
		run_round(grow, workers, blocks, round, &values);
	give(report, &values, options.rounds);
	report_note(report, "%u workers of %llu blocks join one after the other", workers - 1,
		    (unsigned long long)blocks);
	report_check(report, grow->wrong == 0, "answers while it grows and after: %llu wrong",
		     (unsigned long long)grow->wrong);
	asking_values_close(values.lookup);
	free(values.poll);
	free(values.steady);
	free(values.wall);
	free(values.longest);
	free(grow->local);
	free(grow);
	return report_end(report);
}
