/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeded random numbers: the same seed gives the same numbers everywhere.
 */
#ifndef TRACE_RANDOM_H
#define TRACE_RANDOM_H

#include "tools/trace/trace_tokens.h"

struct random_state {
	uint64_t at;
};

static inline uint64_t random_next(struct random_state *state)
{
	state->at += RDX_TRACE_GOLDEN;
	return rdx_trace_mix(state->at);
}

/* 0 .. below - 1, evenly (to 2^-32 for any `below` in use here). */
static inline uint32_t random_below(struct random_state *state, uint32_t below)
{
	return (uint32_t)(((random_next(state) >> 32) * below) >> 32);
}

/* 0 <= x < 1. */
static inline double random_unit(struct random_state *state)
{
	return (double)(random_next(state) >> 11) * 0x1p-53;
}

/* 1 .. 2 * mean - 1, evenly; `mean` at least 1. */
static inline uint32_t random_around(struct random_state *state, uint32_t mean)
{
	return 1 + random_below(state, 2 * mean - 1);
}

#endif
