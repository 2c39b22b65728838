/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that looks prompts up beside the indexer, on another processor, with a handle of its own.
 * The two take turns at giving orders: what is not atomic is the thread's while it works, else the
 * caller's.
 */
#ifndef RDX_BENCH_BESIDE_H
#define RDX_BENCH_BESIDE_H

#include "bench/asking.h"

#include <pthread.h>
#include <stdatomic.h>

#define BESIDE_TIMES_MOST (1 << 20) /* of one order */

/* A prompt of which one worker holds all from before the first order on: its answer never changes. */
struct beside_known {
	struct asking_prompt prompt;
	uint32_t worker;
};

struct beside {
	/* set by the caller while no order runs */
	const struct asking_prompt *prompts; /* looked up in turn, and timed */
	uint32_t prompt_count;
	uint32_t cut;                     /* blocks at most */
	const struct beside_known *known; /* one of 16 lookups, compared and not timed */
	uint32_t known_count;

	/* what an order brought */
	double *times;
	uint32_t count;
	uint64_t wrong;

	struct asking asking; /* the thread's own */
	struct stage stage;   /* likewise: a handle and rows */
	pthread_t thread;
	_Atomic int order;
	_Atomic int seen; /* the order that it follows */
	_Atomic int busy; /* the indexer is polling: only such lookups count */
};

/* Start the thread, which keeps `beside`'s address. */
void beside_open(struct beside *beside, const struct options *options, const struct stage *stage);
void beside_close(struct beside *beside);

/* Look up until beside_stop, timing those that begin while `busy` is set. */
void beside_start(struct beside *beside);
void beside_stop(struct beside *beside);

/* Time `count` lookups at rest, and return when they are done. */
void beside_rest(struct beside *beside, uint32_t count);

/* Poll until all is applied, with `busy` set. */
void beside_drain(struct beside *beside, struct stage *stage);

#endif
