/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prompts of 4 to 2,048 blocks, 8 to 256 workers. The first half of a prompt is one that all workers
 * hold, the rest of it has one worker only. Cases: nobody holds anything; only the shared half is
 * held; one worker holds all of it; the same after a fiftieth of the blocks was removed here and
 * there, so that no worker's blocks are without holes.
 */
#include "bench/lookup.h"

#include "bench/measure.h"
#include "tools/trace/random.h"

#include <stdio.h>
#include <stdlib.h>

#define FAMILIES      5
#define FAMILY_BLOCKS 200000 /* of all prompts of one length, about */
#define FAMILY_MOST   4096   /* prompts of one length */
#define HOLES_IN      50     /* one block of so many is removed */
#define WORKERS       64     /* where their number is not what is asked */
#define MANY_WORKERS  256
#define CASE_BLOCKS   268 /* likewise */

enum held { HELD_NONE, HELD_SHARED, HELD_ALL };

/* Prompts of one length. */
struct family {
	struct asking_prompt *prompts;
	uint64_t *local;
	uint32_t blocks;
	uint32_t count;
};

static const uint32_t lengths[FAMILIES] = {4, 16, 64, CASE_BLOCKS, 2048};

/* A block of a prompt; what `salt` makes different is another prompt. */
static uint64_t block_hash(uint32_t family, uint32_t salt, uint32_t at)
{
	return rdx_trace_mix((uint64_t)family << 56 | (uint64_t)salt << 24 | at) | 1;
}

/* Prompts of which so much is what the workers hold, and the rest is not. */
static struct family make_family(uint32_t number, enum held held, uint32_t divide)
{
	struct family family = {.blocks = lengths[number]};
	uint32_t shared = family.blocks / 2;

	family.count = FAMILY_BLOCKS / family.blocks / divide + 1;
	if (family.count > FAMILY_MOST / divide)
		family.count = FAMILY_MOST / divide;
	family.prompts = calloc(family.count, sizeof(*family.prompts));
	family.local = malloc((uint64_t)family.count * family.blocks * sizeof(uint64_t));
	if (!family.prompts || !family.local)
		exit(1);
	for (uint32_t p = 0; p < family.count; p++) {
		uint64_t *local = &family.local[(uint64_t)p * family.blocks];
		uint32_t other = held == HELD_ALL ? p + 1 : p + 1 + FAMILY_MOST;

		for (uint32_t i = 0; i < family.blocks; i++)
			local[i] =
				block_hash(number, i < shared && held != HELD_NONE ? 0 : other, i);
		family.prompts[p] = (struct asking_prompt){.local = local, .blocks = family.blocks};
	}
	return family;
}

static void free_family(struct family *family)
{
	free(family->prompts);
	free(family->local);
}

static void store_family(struct stage *stage, const struct family *family)
{
	uint32_t shared = family->blocks / 2;

	corpus_names(family->local, shared, stage->names);
	for (uint32_t w = 0; w < stage->worker_count; w++)
		stage_store(stage, w, family->local, stage->names, 0, shared);
	for (uint32_t p = 0; p < family->count; p++) {
		const uint64_t *local = family->prompts[p].local;
		uint32_t worker = p % stage->worker_count;

		corpus_names(local, family->blocks, stage->names);
		stage_store(stage, worker, local, stage->names, shared, family->blocks);
		if (stage_is_full(stage, worker))
			stage_drain(stage);
	}
}

/* Remove a block here and there of what one worker holds of each prompt. */
static void make_holes(struct stage *stage, const struct family *family,
		       struct random_state *random)
{
	for (uint32_t p = 0; p < family->count; p++) {
		corpus_names(family->prompts[p].local, family->blocks, stage->names);
		for (uint32_t i = family->blocks / 2; i < family->blocks; i++) {
			struct corpus_record record = {.kind = CORPUS_REMOVED,
						       .worker = p % stage->worker_count,
						       .count = 1,
						       .names = &stage->names[i]};

			if (random_below(random, HOLES_IN) == 0)
				stage_publish(stage, &record);
		}
	}
	stage_drain(stage);
}

static void measure(struct asking *asking, const char *name, uint32_t number, enum held held,
		    uint32_t divide)
{
	struct family family = make_family(number, held, divide);
	uint32_t workers = asking->stage->worker_count, blocks = family.blocks;
	char id[32], what[64];
	struct asking_case asked = {.id = id,
				    .what = what,
				    .prompts = family.prompts,
				    .count = family.count,
				    .floor = held == HELD_NONE ? ASKING_READ_HASH : ASKING_READ};
	uint64_t wrong = asking_wrong(asking, &asked);

	snprintf(what, sizeof(what), "%s, %u workers, %u blocks", name, workers, blocks);
	if (held == HELD_NONE && blocks == CASE_BLOCKS)
		snprintf(id, sizeof(id), "%s", name);
	else
		snprintf(id, sizeof(id), "%s.%ux%u", name, workers, blocks);
	report_check(asking->report, wrong == 0, "%s: every answer right: %llu wrong of %u", what,
		     (unsigned long long)wrong, family.count);
	asking_measure(asking, &asked);
	free_family(&family);
}

/* All lengths, or the one, of a case. */
static void measure_lengths(struct asking *asking, const char *name, enum held held, int all,
			    uint32_t divide)
{
	for (uint32_t number = 0; number < FAMILIES; number++) {
		if (all || lengths[number] == CASE_BLOCKS)
			measure(asking, name, number, held, divide);
	}
}

static void measure_workers(struct asking *asking, uint32_t workers, int all, uint32_t divide)
{
	struct family families[FAMILIES];
	struct random_state random = {1};
	struct stage stage;
	uint64_t most = 0;

	for (uint32_t number = 0; number < FAMILIES; number++) {
		families[number] = make_family(number, HELD_ALL, divide);
		most += families[number].blocks * ((uint64_t)families[number].count / workers + 2);
	}
	stage_open(&stage, asking->options, workers, most);
	stage_open_index(&stage);
	for (uint32_t number = 0; number < FAMILIES; number++)
		store_family(&stage, &families[number]);
	stage_drain(&stage);
	asking_on(asking, &stage);
	measure_lengths(asking, "long", HELD_ALL, all, divide);
	if (workers == WORKERS) {
		measure_lengths(asking, "shared", HELD_SHARED, all, divide);
		measure_lengths(asking, "miss", HELD_NONE, all, divide);
		for (uint32_t number = 0; number < FAMILIES; number++)
			make_holes(&stage, &families[number], &random);
		measure_lengths(asking, "holes", HELD_ALL, all, divide);
	}
	report_check(asking->report, stage_trouble(&stage) == 0, "%u workers: none in trouble",
		     workers);
	stage_close(&stage);
	for (uint32_t number = 0; number < FAMILIES; number++)
		free_family(&families[number]);
}

void lookup_made(struct asking *asking)
{
	uint32_t divide = (uint32_t)options_pick(asking->options, 1, 1, 64);
	int full = asking->options->length == OPTIONS_FULL;

	if (full)
		measure_workers(asking, 8, 1, divide);
	measure_workers(asking, WORKERS, full, divide);
	if (full && stage_is_allowed(MANY_WORKERS))
		measure_workers(asking, MANY_WORKERS, 1, divide);
	else if (full)
		report_note(asking->report,
			    "%d workers: left out, for want of descriptors (ulimit -n)",
			    MANY_WORKERS);
}
