/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that looks prompts up beside the indexer, on another processor, with a handle of its own.
 * The caller touches what is not atomic only while the thread has nothing to do.
 */
#ifndef RDX_BENCH_BESIDE_H
#define RDX_BENCH_BESIDE_H

#include "bench/asking.h"

#include <pthread.h>
#include <stdatomic.h>

#define BESIDE_TIMES_MOST (1 << 20) /* more are not kept */

/* A prompt of which one worker holds all as long as the thread runs: its answer never changes. */
struct beside_known {
	struct asking_prompt prompt;
	uint32_t worker;
};

struct beside {
	/* set by the caller */
	const struct asking_prompt *prompts;
	uint32_t prompt_count;            /* for beside_start */
	uint32_t cut;                     /* blocks of a prompt at most */
	const struct beside_known *known; /* one after 16 lookups, compared and not timed */
	uint32_t known_count;

	/* what it found; the caller sets `count` to 0 */
	double *times;
	uint32_t count;
	uint64_t wrong; /* answers of `known` */

	struct asking asking; /* the thread's own */
	struct stage stage;   /* likewise: a handle and rows */
	pthread_t thread;
	uint32_t lookups;
	uint32_t posted_before; /* when `prompts` were posted */
	_Atomic uint32_t posted;
	_Atomic uint32_t done;
	_Atomic int order;
	_Atomic int seen; /* the order that it follows */
	_Atomic int busy; /* beside_start: the indexer is polling */
};

/* Start the thread, which keeps `beside`'s address. */
void beside_open(struct beside *beside, const struct options *options, const struct stage *stage);
void beside_close(struct beside *beside);

/* Look up `count` prompts, each once. What was posted before is done. */
void beside_post(struct beside *beside, const struct asking_prompt *prompts, uint32_t count);

/* Until what was posted is done. */
void beside_wait(struct beside *beside);

/* Look up all `prompts` again and again, while `busy` is set, until beside_stop. */
void beside_start(struct beside *beside);
void beside_stop(struct beside *beside);

#endif
