/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/corpus/demand.h"

#include "bench/corpus/format.h"

#include <errno.h>
#include <stdlib.h>

#define COPY_DELAY_MS 37000
#define SPAN_BLOCKS   (RDX_TRACE_SPAN_TOKENS / CORPUS_BLOCK_TOKENS)
#define SHORT_QUERIES 16 /* of so many demands one is a question only */

struct demand_arrival {
	uint64_t time_ms;
	uint64_t request;
	uint32_t copy;
};

static int compare(const void *a, const void *b)
{
	const struct demand_arrival *x = a, *y = b;

	if (x->time_ms != y->time_ms)
		return x->time_ms < y->time_ms ? -1 : 1;
	if (x->copy != y->copy)
		return x->copy < y->copy ? -1 : 1;
	return (x->request > y->request) - (x->request < y->request);
}

/* The copies of a trace, in order of time. */
static int make_order(struct demands *demands, uint64_t requests)
{
	uint32_t copies = demands->recipe->copies;
	uint64_t at = 0;

	demands->count = requests * copies;
	demands->order = malloc(demands->count * sizeof(*demands->order));
	if (!demands->order)
		return -ENOMEM;
	for (uint32_t copy = 0; copy < copies; copy++) {
		for (uint64_t i = 0; i < requests; i++)
			demands->order[at++] = (struct demand_arrival){
				demands->requests->list[i].time_ms + copy * COPY_DELAY_MS, i, copy};
	}
	qsort(demands->order, demands->count, sizeof(*demands->order), compare);
	return 0;
}

int demands_open(struct demands *ret_demands, const struct recipe *recipe,
		 const struct requests *requests, uint64_t count, uint64_t seed)
{
	struct demands demands = {
		.recipe = recipe,
		.requests = requests,
		.random = {seed},
		.seed = rdx_trace_mix(seed + RDX_TRACE_GOLDEN),
		.count = count,
		.local = malloc(CORPUS_BLOCKS_MAX * sizeof(uint64_t)),
	};
	int r = 0;

	if (!demands.local)
		return -ENOMEM;
	if (recipe->shape == RECIPE_TRACE)
		r = make_order(&demands, count);
	if (r < 0) {
		demands_close(&demands);
		return r;
	}
	*ret_demands = demands;
	return 0;
}

void demands_close(struct demands *demands)
{
	free(demands->order);
	free(demands->local);
	*demands = (struct demands){0};
}

/* The local hash of block `at` of something numbered: of a span of a trace's copy, of a prompt. */
static uint64_t local_hash(const struct demands *demands, uint64_t number, uint32_t copy,
			   uint32_t at)
{
	uint64_t hash = rdx_trace_mix(demands->seed ^ number * RDX_TRACE_GOLDEN);

	hash = rdx_trace_mix(hash + ((uint64_t)copy << 32 | at));
	return hash ? hash : 1;
}

static void fill_prompt(struct demands *demands, struct demand *demand, uint64_t number)
{
	for (uint32_t i = 0; i < demand->blocks; i++)
		demand->local[i] = local_hash(demands, number, 0, i);
}

/* The next request of the trace's copies. Their ids differ, but for the shared prompt, 0. */
static void next_of_trace(struct demands *demands, struct demand *demand)
{
	const struct demand_arrival *arrival = &demands->order[demands->at];
	const struct request *request = &demands->requests->list[arrival->request];
	const uint64_t *ids = &demands->requests->ids[request->first_id];

	demand->time_ms = arrival->time_ms;
	demand->blocks = request->tokens / CORPUS_BLOCK_TOKENS;
	if (demand->blocks > CORPUS_BLOCKS_MAX)
		demand->blocks = CORPUS_BLOCKS_MAX;
	demand->asked = demand->served = demand->blocks != 0;
	for (uint32_t i = 0; i < demand->blocks; i++) {
		uint64_t id = ids[i / SPAN_BLOCKS];

		demand->local[i] = local_hash(demands, id, id ? arrival->copy : 0, i % SPAN_BLOCKS);
	}
}

/* Mostly a new prompt for a random worker; else a question for one of the younger half of those that
 * the caches hold. */
static void next_short(struct demands *demands, struct demand *demand)
{
	const struct recipe *recipe = demands->recipe;
	uint64_t held = (uint64_t)recipe->workers * recipe->capacity / recipe->prompt_blocks;
	uint64_t number = demands->at, back;

	demand->blocks = recipe->prompt_blocks;
	demand->asked = number % SHORT_QUERIES == SHORT_QUERIES - 1;
	demand->served = !demand->asked;
	if (demand->asked) {
		back = 1 + random_below(&demands->random, (uint32_t)(held / 2));
		number -= back < number ? back : number;
		number -= number % SHORT_QUERIES == SHORT_QUERIES - 1;
	} else {
		demand->worker = random_below(&demands->random, recipe->workers);
	}
	fill_prompt(demands, demand, number);
}

/* A prompt of the pool, four of five times of its first fifth, up to a random depth. */
static void next_shared(struct demands *demands, struct demand *demand)
{
	const struct recipe *recipe = demands->recipe;
	uint32_t often = recipe->pool / 5 + 1, least = recipe->prompt_blocks / 4;
	int is_often = random_below(&demands->random, 10) < 8;

	demand->blocks = least + 1 + random_below(&demands->random, recipe->prompt_blocks - least);
	demand->worker = random_below(&demands->random, recipe->workers);
	demand->asked = demand->served = 1;
	fill_prompt(demands, demand,
		    random_below(&demands->random, is_often ? often : recipe->pool));
}

int demands_next(struct demands *demands, struct demand *ret_demand)
{
	if (demands->at == demands->count)
		return 0;
	*ret_demand = (struct demand){.local = demands->local, .worker = DEMAND_ANY};
	switch (demands->recipe->shape) {
	case RECIPE_TRACE:
		next_of_trace(demands, ret_demand);
		break;
	case RECIPE_SHORT:
		next_short(demands, ret_demand);
		break;
	case RECIPE_SHARED:
		next_shared(demands, ret_demand);
		break;
	}
	demands->at++;
	return 1;
}
