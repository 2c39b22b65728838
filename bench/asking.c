/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/asking.h"

#include "bench/measure.h"
#include "shm/clock.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASS_LOOKUPS 2000  /* at least: p99.9 is of two of them */
#define TIMES_MOST   16384 /* more than any case has prompts */

static const double percentiles[ASKING_PERCENTILES] = {50, 99, 99.9};
static const char *const percentile_ids[ASKING_PERCENTILES] = {"p50", "p99", "p999"};

void asking_open(struct asking *ret_asking, const struct options *options, struct report *report)
{
	*ret_asking = (struct asking){
		.options = options,
		.report = report,
		.hashes = measure_memory(CORPUS_BLOCKS_MAX * sizeof(uint64_t), MEASURE_PRIVATE),
		.tokens = measure_memory(CORPUS_BLOCKS_MAX * sizeof(uint32_t), MEASURE_PRIVATE),
		.times = measure_values(TIMES_MOST),
	};
}

void asking_close(struct asking *asking)
{
	floor_close(&asking->floor);
	measure_memory_free(asking->hashes, CORPUS_BLOCKS_MAX * sizeof(uint64_t));
	measure_memory_free(asking->tokens, CORPUS_BLOCKS_MAX * sizeof(uint32_t));
	free(asking->times);
}

void asking_on(struct asking *asking, struct stage *stage)
{
	asking->stage = stage;
	floor_resize(&asking->floor, stage_stats(stage).table_bytes);
}

static uint32_t blocks_of(const struct asking_case *asked, uint32_t i)
{
	uint32_t blocks = asked->prompts[i].blocks;

	return asked->cut && blocks > asked->cut ? asked->cut : blocks;
}

uint64_t asking_wrong(struct asking *asking, const struct asking_case *asked)
{
	uint64_t wrong = 0;

	for (uint32_t i = 0; i < asked->count; i++)
		wrong += stage_wrong(asking->stage, asked->prompts[i].local, blocks_of(asked, i)) !=
			 0;
	return wrong;
}

/* The prompt as a router has it: just made, in cache. */
static void prepare(struct asking *asking, const struct asking_prompt *prompt, uint32_t blocks,
		    enum asking_way way)
{
	switch (way) {
	case ASKING_LOCAL:
		memcpy(asking->hashes, prompt->local, blocks * sizeof(uint64_t));
		break;
	case ASKING_PREFIX:
		rdx_hash_chain(rdx_index_hash_key(asking->stage->index), 0, prompt->local, blocks,
			       asking->hashes);
		break;
	case ASKING_TOKENS:
		memcpy(asking->tokens, prompt->tokens,
		       blocks * CORPUS_BLOCK_TOKENS * sizeof(uint32_t));
		break;
	}
}

static int ask(struct asking *asking, uint32_t blocks, enum asking_way way)
{
	struct rdx_index *index = asking->stage->index;
	struct rdx_run *runs = asking->stage->runs;
	const struct rdx_tokens tokens = {
		.size = sizeof(tokens),
		.ids = asking->tokens,
		.count = (uint64_t)blocks * CORPUS_BLOCK_TOKENS,
	};

	switch (way) {
	case ASKING_LOCAL:
		return rdx_index_lookup_local(index, asking->hashes, blocks, runs, RDX_RANKS_MAX);
	case ASKING_PREFIX:
		return rdx_index_lookup(index, asking->hashes, blocks, runs, RDX_RANKS_MAX);
	case ASKING_TOKENS:
		return rdx_index_lookup_tokens(index, &tokens, runs, RDX_RANKS_MAX);
	}
	return -EINVAL;
}

double asking_once(struct asking *asking, const struct asking_prompt *prompt, uint32_t blocks,
		   enum asking_way way)
{
	uint64_t start, end;
	int rows;

	prepare(asking, prompt, blocks, way);
	start = rdx_clock_ns();
	while ((rows = ask(asking, blocks, way)) == -EAGAIN)
		sched_yield(); /* the indexer beside may want this processor */
	end = rdx_clock_ns();
	stage_must(asking->stage, rows, "lookup");
	return (double)(end - start);
}

double asking_floor_once(struct asking *asking, const struct asking_case *asked, uint32_t i)
{
	uint32_t blocks = blocks_of(asked, i);
	uint64_t start, hash = 0;

	if (asked->floor == ASKING_XXH3)
		prepare(asking, &asked->prompts[i], blocks, ASKING_TOKENS);
	start = rdx_clock_ns();
	if (asked->floor == ASKING_XXH3)
		hash = rdx_hash_blocks(rdx_hash_seed(NULL, NULL), asking->tokens,
				       blocks * CORPUS_BLOCK_TOKENS, CORPUS_BLOCK_TOKENS,
				       asking->hashes);
	if (asked->floor == ASKING_READ_HASH) {
		hash = asking->floor.at;
		rdx_hash_chain(rdx_index_hash_key(asking->stage->index), hash, &hash, 1, &hash);
		asking->floor.at = hash;
	}
	if (asked->floor != ASKING_XXH3)
		floor_read(&asking->floor);
	measure_use(asking->floor.at + hash);
	return (double)(rdx_clock_ns() - start);
}

void asking_percentiles(double *times, uint32_t count, double *const values[ASKING_PERCENTILES],
			uint32_t at)
{
	for (int p = 0; p < ASKING_PERCENTILES; p++)
		values[p][at] = measure_percentile(times, count, percentiles[p]);
}

void asking_report(struct report *report, const struct asking_rows *rows)
{
	for (int p = 0; p < ASKING_PERCENTILES; p++) {
		char row[96], floor[96], text[128];

		snprintf(row, sizeof(row), "%s.%s.%s", rows->id, percentile_ids[p], rows->whose);
		snprintf(text, sizeof(text), "%s, %s", rows->what, percentile_ids[p]);
		if (rows->floor_id)
			snprintf(floor, sizeof(floor), "%s.%s.%s", rows->floor_id,
				 percentile_ids[p], rows->floor_whose);
		REPORT_ROW(report, .id = row, .what = text, .unit = "ns", .values = rows->values[p],
			   .count = rows->count, .floor = rows->floor_id ? floor : NULL);
	}
}

void asking_values_open(double *values[ASKING_PERCENTILES], uint32_t count)
{
	for (int p = 0; p < ASKING_PERCENTILES; p++)
		values[p] = measure_values(count);
}

void asking_values_close(double *values[ASKING_PERCENTILES])
{
	for (int p = 0; p < ASKING_PERCENTILES; p++)
		free(values[p]);
}

/* One pass of lookups and one of the floor. */
static void pass(struct asking *asking, const struct asking_case *asked, uint32_t at,
		 double *const values[], double *const floors[])
{
	uint32_t lookups = asked->count > PASS_LOOKUPS ? asked->count : PASS_LOOKUPS;

	if (asking->options->length == OPTIONS_SMOKE)
		lookups = asked->count;
	stage_drain(asking->stage); /* so that no rank is stale */
	for (uint32_t i = 0; i < lookups; i++)
		asking->times[i] = asking_floor_once(asking, asked, i % asked->count);
	asking_percentiles(asking->times, lookups, floors, at);
	asking->stage->runs[0].size = sizeof(struct rdx_run);
	for (uint32_t i = 0; i < lookups; i++) {
		uint32_t which = i % asked->count;

		asking->times[i] = asking_once(asking, &asked->prompts[which],
					       blocks_of(asked, which), asked->way);
	}
	asking_percentiles(asking->times, lookups, values, at);
}

/* What a floor is, for people. */
static const char *floor_text(enum asking_floor floor)
{
	return floor == ASKING_XXH3        ? "bare hashes"
	       : floor == ASKING_READ_HASH ? "a random read, a hash"
					   : "a random read";
}

void asking_measure(struct asking *asking, const struct asking_case *asked)
{
	uint32_t rounds = asking->options->rounds;
	double *values[ASKING_PERCENTILES], *floors[ASKING_PERCENTILES];
	char id[64], what[128];

	asking_values_open(values, rounds);
	asking_values_open(floors, rounds);
	pass(asking, asked, 0, values, floors); /* warms up */
	for (uint32_t i = 0; i < rounds; i++)
		pass(asking, asked, i, values, floors);
	snprintf(id, sizeof(id), "lookup.%s", asked->id);
	snprintf(what, sizeof(what), "%s: %s", asked->what, floor_text(asked->floor));
	asking_report(asking->report,
		      &(struct asking_rows){id, "floor", what, floors, rounds, NULL, NULL});
	asking_report(asking->report, &(struct asking_rows){id, "ringdex", asked->what, values,
							    rounds, id, "floor"});
	asking_values_close(values);
	asking_values_close(floors);
}
