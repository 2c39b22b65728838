/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker that makes publish calls which depend on a seed alone (calls.h), in this process
 * or in one of its own: the stream's oracle is that of tests that kill.
 *
 * A clear of all begins a new era with other blocks, so that tables fill with the keys of old
 * ones.
 */
#ifndef RDX_TESTS_WORKER_H
#define RDX_TESTS_WORKER_H

#include "tests/calls.h"
#include "tests/child.h"
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>

#define WORKER_CHAINS 16
#define WORKER_DEPTH  32
#define WORKER_TIERS  3
#define WORKER_BLOCKS 300 /* per tier: less than all blocks */
#define WORKER_MODEL  "model"

/* The stream of a worker process with this seed; its publisher's options but for the place. */
void worker_calls_make(struct calls *calls, const struct rdx_hash_key *key, uint64_t seed,
		       uint32_t clear_in);

/*
 * Look all conversations up, by search and by scan, and call rdx_index_verify. Returns how many
 * answers differ from the oracle's (they are printed), or -errno. The index must be at rest.
 */
int worker_differences(struct rdx_index *index, const struct calls *calls, uint64_t worker_id,
		       uint32_t dp_rank);

/* A worker process. Its plan is above the line, set before the start. */
struct worker_plan {
	struct child_plan child;
	uint64_t worker_id;
	uint64_t ring_slots;
	uint64_t seed;
	uint32_t dp_rank;
	uint32_t clear_scope;
	uint32_t clear_in;
	uint32_t pace_us; /* it sleeps so long after every 16th operation; 0: never */
	/* --- */
	_Atomic uint64_t limit;    /* operations to do before it rests */
	_Atomic uint64_t done;     /* operations done, when it rests */
	_Atomic uint64_t events;   /* published, when it rests */
	_Atomic uint32_t order;    /* raised when the limit is given */
	_Atomic uint32_t answered; /* the order that it has carried out */
};

#define WORKER_ROLE "worker"

/* The child's main. */
int worker_main(const char *path);

/* An indexer process, which polls and waits until it is killed. */
struct indexer_plan {
	struct child_plan child;
	_Atomic int32_t result; /* of its open; 1 while there is none */
};

#define INDEXER_ROLE "indexer"

/* For tests that are not about STALE: a process may not run for a quarter of a second. */
#define INDEXER_NEVER_STALE UINT64_C(1000000000000)

/* The child's main. */
int indexer_main(const char *path);

/* Options of a worker's publisher, all that the plan says. */
struct rdx_publisher_options worker_options(const struct worker_plan *plan);

/* Let it do operations up to `limit` of them, or without end (UINT64_MAX). */
void worker_run(struct worker_plan *plan, uint64_t limit);

/* Has it carried out its last order, so that `done` and `events` are up to date? */
int worker_rests(struct worker_plan *plan);

/* The row of a rank among the workers of the index. 1, 0: no such row, -errno. */
int worker_find(struct rdx_index *index, uint64_t worker_id, uint32_t dp_rank,
		struct rdx_index_rank *ret_info);

/* A rank's row of a lookup of nothing; NULL: none. */
const struct rdx_run *worker_row(const struct rdx_run *runs, int count, uint64_t worker_id,
				 uint32_t dp_rank);

#endif
