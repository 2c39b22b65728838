/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lookups from token ids: prompts of 4,288 tokens, whose first half several workers hold and whose
 * rest has one. Floor, in turn: the local hashes of the same tokens and nothing else.
 */
#include "bench/lookup.h"

#include "bench/measure.h"
#include "tools/trace/random.h"

#include <stdlib.h>
#include <string.h>

#define BLOCKS  268
#define TOKENS  (BLOCKS * CORPUS_BLOCK_TOKENS)
#define PROMPTS 512
#define WORKERS 8

struct talk {
	struct asking_prompt prompt;
	uint64_t local[BLOCKS];
	uint32_t tokens[TOKENS];
};

static void make_talk(struct talk *talk, struct random_state *random, const struct talk *first)
{
	for (uint32_t i = 0; i < TOKENS; i++)
		talk->tokens[i] = random_below(random, RDX_TRACE_VOCABULARY);
	if (talk != first)
		memcpy(talk->tokens, first->tokens, sizeof(talk->tokens) / 2);
	rdx_hash_blocks(rdx_hash_seed(NULL, NULL), talk->tokens, TOKENS, CORPUS_BLOCK_TOKENS,
			talk->local);
	talk->prompt = (struct asking_prompt){talk->local, talk->tokens, BLOCKS};
}

/* The worker stores what it does not hold of the prompt. */
static void store(struct stage *stage, uint32_t worker, const struct talk *talk)
{
	uint64_t *names = stage->names;

	corpus_names(talk->local, BLOCKS, names);
	stage_store(stage, worker, talk->local, names,
		    oracle_leading(&stage->oracle, worker, names, BLOCKS), BLOCKS);
}

/* The p50 of the lookups beyond that of the bare hashes, in microseconds. */
static void measure_over(struct asking *asking, const struct asking_case *asked)
{
	uint32_t rounds = asking->options->rounds, lookups = asked->count;
	double *over = measure_values(rounds), *times = measure_values(lookups);

	for (uint32_t round = 0; round < rounds; round++) {
		for (uint32_t i = 0; i < lookups; i++)
			times[i] = asking_floor_once(asking, asked, i);
		over[round] = -measure_percentile(times, lookups, 50);
		for (uint32_t i = 0; i < lookups; i++)
			times[i] = asking_once(asking, &asked->prompts[i], BLOCKS, ASKING_TOKENS);
		over[round] += measure_percentile(times, lookups, 50);
		over[round] /= 1e3;
	}
	REPORT_ROW(asking->report, .id = "lookup.tokens.over.ringdex",
		   .what = "4,288 tokens, p50 beyond the bare hashes", .unit = "us", .values = over,
		   .count = rounds);
	free(over);
	free(times);
}

void lookup_tokens(struct asking *asking)
{
	uint32_t count = (uint32_t)options_pick(asking->options, PROMPTS, PROMPTS, 16);
	struct talk *talks = calloc(count, sizeof(*talks));
	struct asking_prompt *prompts = calloc(count, sizeof(*prompts));
	struct asking_case asked = {
		"tokens", "4,288 tokens", prompts, count, 0, ASKING_TOKENS, ASKING_XXH3,
	};
	struct random_state random = {1};
	struct stage stage;
	uint64_t wrong;

	if (!talks || !prompts)
		exit(1);
	stage_open(&stage, asking->options, WORKERS, (uint64_t)BLOCKS * PROMPTS / WORKERS + BLOCKS);
	stage_open_index(&stage);
	for (uint32_t i = 0; i < count; i++) {
		make_talk(&talks[i], &random, talks);
		prompts[i] = talks[i].prompt;
		store(&stage, i % WORKERS, &talks[i]);
	}
	stage_drain(&stage);
	asking_on(asking, &stage);
	wrong = asking_wrong(asking, &asked);
	report_check(asking->report, wrong == 0, "from tokens: every answer right: %llu wrong",
		     (unsigned long long)wrong);
	asking_measure(asking, &asked);
	measure_over(asking, &asked);
	stage_close(&stage);
	free(prompts);
	free(talks);
}
