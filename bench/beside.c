/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/beside.h"

#include "bench/measure.h"

#include <errno.h>
#include <stdlib.h>

#define KNOWN_EVERY 16

/* An order is a number that rises, and in its low bits what to do. */
enum order { ORDER_POSTED, ORDER_ALWAYS, ORDER_END, ORDER_KINDS };

/* The answer that never changes. */
static void ask_known(struct beside *beside, uint32_t i)
{
	const struct beside_known *known = &beside->known[i % beside->known_count];
	const struct asking_prompt *prompt = &known->prompt;
	uint32_t held = stage_held(beside->stage.index, known->worker, prompt->local,
				   prompt->blocks, beside->stage.runs);

	beside->wrong += held != prompt->blocks;
}

static void ask_timed(struct beside *beside, uint32_t i)
{
	const struct asking_prompt *prompt = &beside->prompts[i];
	uint32_t blocks = prompt->blocks < beside->cut ? prompt->blocks : beside->cut;
	double ns = asking_once(&beside->asking, prompt, blocks, ASKING_LOCAL);

	if (beside->count < BESIDE_TIMES_MOST)
		beside->times[beside->count++] = ns;
}

static void lookup(struct beside *beside, uint32_t i)
{
	beside->stage.runs[0].size = sizeof(struct rdx_run);
	ask_timed(beside, i);
	if (beside->known_count && ++beside->lookups % KNOWN_EVERY == 0)
		ask_known(beside, beside->lookups / KNOWN_EVERY);
}

/* Is there something to look up? */
static int has_work(struct beside *beside, int order)
{
	if (order % ORDER_KINDS == ORDER_ALWAYS)
		return atomic_load(&beside->busy);
	return order % ORDER_KINDS == ORDER_POSTED &&
	       atomic_load(&beside->done) != atomic_load(&beside->posted);
}

static void *run(void *context)
{
	struct beside *beside = context;
	uint32_t asked = 0, spins = 0;
	int order;

	measure_pin(1);
	do {
		order = atomic_load(&beside->order);
		atomic_store(&beside->seen, order);
		if (!has_work(beside, order)) {
			measure_spin(&spins);
		} else if (order % ORDER_KINDS == ORDER_ALWAYS) {
			lookup(beside, asked++ % beside->prompt_count);
		} else {
			lookup(beside, atomic_load(&beside->done) - beside->posted_before);
			atomic_fetch_add(&beside->done, 1);
		}
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
	give(beside, ORDER_ALWAYS);
}

void beside_stop(struct beside *beside)
{
	give(beside, ORDER_POSTED);
}

void beside_post(struct beside *beside, const struct asking_prompt *prompts, uint32_t count)
{
	beside->prompts = prompts;
	beside->posted_before = atomic_load(&beside->posted);
	atomic_fetch_add(&beside->posted, count);
}

void beside_wait(struct beside *beside)
{
	uint32_t spins = 0;

	while (atomic_load(&beside->done) != atomic_load(&beside->posted))
		measure_spin(&spins);
}
