/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/beside.h"

#include "bench/measure.h"

#include <errno.h>
#include <stdlib.h>

#define KNOWN_EVERY 16

/* An order is a number that rises, and in its low bits what to do. */
enum order { ORDER_NONE, ORDER_BUSY, ORDER_REST, ORDER_END, ORDER_KINDS };

/* The answer that never changes. */
static void ask_known(struct beside *beside, uint32_t i)
{
	const struct beside_known *known = &beside->known[i % beside->known_count];
	struct rdx_run *runs = beside->stage.runs;
	uint32_t held = 0;
	int rows;

	rows = rdx_index_lookup_local(beside->stage.index, known->prompt.local,
				      known->prompt.blocks, runs, RDX_RANKS_MAX);
	for (int row = 0; row < rows; row++) {
		if (runs[row].worker_id == known->worker)
			held = runs[row].blocks[RDX_TIER_DEVICE];
	}
	beside->wrong += held != known->prompt.blocks;
}

static void ask_timed(struct beside *beside, uint32_t i)
{
	const struct asking_prompt *prompt = &beside->prompts[i % beside->prompt_count];
	uint32_t blocks = prompt->blocks < beside->cut ? prompt->blocks : beside->cut;
	double ns = asking_once(&beside->asking, prompt, blocks, ASKING_LOCAL);

	if (beside->count < BESIDE_TIMES_MOST)
		beside->times[beside->count++] = ns;
}

static void lookup(struct beside *beside, uint32_t i)
{
	beside->stage.runs[0].size = sizeof(struct rdx_run);
	if (beside->known_count && i % KNOWN_EVERY == 0)
		ask_known(beside, i / KNOWN_EVERY);
	else
		ask_timed(beside, i);
}

/* At rest: as many as the caller put into `count`. */
static void ask_rest(struct beside *beside)
{
	uint32_t wanted = beside->count;

	beside->stage.runs[0].size = sizeof(struct rdx_run);
	beside->count = 0;
	for (uint32_t i = 0; i < wanted; i++)
		ask_timed(beside, i);
}

static void *run(void *context)
{
	struct beside *beside = context;
	uint32_t asked = 0, spins = 0;
	int order;

	measure_pin(1);
	do {
		order = atomic_load(&beside->order);
		if (order != atomic_load(&beside->seen)) {
			if (order % ORDER_KINDS == ORDER_REST)
				ask_rest(beside);
			atomic_store(&beside->seen, order);
		}
		if (order % ORDER_KINDS == ORDER_BUSY && atomic_load(&beside->busy))
			lookup(beside, asked++);
		else
			measure_spin(&spins);
	} while (order % ORDER_KINDS != ORDER_END);
	return NULL;
}

/* Give an order and wait until the thread follows it. */
static void give(struct beside *beside, enum order kind)
{
	int before = atomic_load(&beside->order), order = before - before % ORDER_KINDS;
	uint32_t spins = 0;

	order += ORDER_KINDS + (int)kind;
	atomic_store(&beside->order, order);
	while (atomic_load(&beside->seen) != order)
		measure_spin(&spins);
}

void beside_open(struct beside *beside, const struct options *options, const struct stage *stage)
{
	*beside = (struct beside){
		.times = measure_values(BESIDE_TIMES_MOST),
		.stage = {.index = stage_handle(stage),
			  .runs = calloc(RDX_RANKS_MAX, sizeof(struct rdx_run))},
	};
	asking_open(&beside->asking, options, NULL);
	beside->asking.stage = &beside->stage;
	if (!beside->stage.runs)
		stage_must(stage, -ENOMEM, "beside");
	stage_must(stage, -pthread_create(&beside->thread, NULL, run, beside), "pthread_create");
}

void beside_close(struct beside *beside)
{
	give(beside, ORDER_END);
	pthread_join(beside->thread, NULL);
	rdx_index_close(beside->stage.index);
	asking_close(&beside->asking);
	free(beside->stage.runs);
	free(beside->times);
}

void beside_start(struct beside *beside)
{
	beside->count = 0;
	give(beside, ORDER_BUSY);
}

void beside_stop(struct beside *beside)
{
	give(beside, ORDER_NONE);
}

void beside_rest(struct beside *beside, uint32_t count)
{
	beside->count = count;
	give(beside, ORDER_REST);
}

void beside_drain(struct beside *beside, struct stage *stage)
{
	atomic_store(&beside->busy, 1);
	stage_drain(stage);
	atomic_store(&beside->busy, 0);
}
