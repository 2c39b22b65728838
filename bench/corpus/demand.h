/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of simulated workers, one prompt after the other.
 */
#ifndef CORPUS_DEMAND_H
#define CORPUS_DEMAND_H

#include "bench/corpus/recipe.h"
#include "tools/trace/random.h"

#define DEMAND_ANY UINT32_MAX

struct demand {
	uint64_t time_ms;
	uint64_t *local; /* valid until the next call */
	uint32_t blocks;
	uint32_t worker; /* who serves it, or DEMAND_ANY */
	int asked;       /* a router is asked for it */
	int served;      /* a worker serves it */
};

struct demands {
	const struct recipe *recipe;
	const struct requests *requests;
	struct random_state random;
	uint64_t seed;
	uint64_t at;
	uint64_t count;
	struct demand_arrival *order; /* of the copies of a trace */
	uint64_t *local;
};

/* -ENOMEM. */
int demands_open(struct demands *ret_demands, const struct recipe *recipe,
		 const struct requests *requests, uint64_t count, uint64_t seed);
void demands_close(struct demands *demands);

/* 0 at the end. */
int demands_next(struct demands *demands, struct demand *ret_demand);

#endif
