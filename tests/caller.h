/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that makes a stream's operations calls of the publisher library, as an engine
 * does, and says in shared memory how far it is. One operation is one call that publishes
 * one event, so whoever knows the seed knows what the rank holds after each event id;
 * before some of them stand calls that publish nothing.
 */
#ifndef RDX_TESTS_CALLER_H
#define RDX_TESTS_CALLER_H

#include "tests/child.h"
#include "tests/stream.h"
#include <ringdex/rdx_publisher.h>

#define CALLER_ROLE "caller"

struct caller_plan {
	struct child_plan child;
	uint64_t worker_id;
	uint64_t ring_slots;
	uint64_t seed;
	uint32_t clear_scope;
	uint32_t clear_in;
	/* --- */
	_Atomic uint64_t limit;     /* calls to make before it rests */
	_Atomic uint64_t begun;     /* newest event whose call was begun */
	_Atomic uint64_t completed; /* newest event whose call returned */
};

/* What the rank holds after each event. */
void caller_stream(struct stream *stream, const struct rdx_hash_key *key,
		   const struct caller_plan *plan);

/* Open the plan's rank. 0 or -errno. */
int caller_open(struct rdx_publisher **ret_publisher, const struct caller_plan *plan);

/* Decide the stream's next operation and call. 0, -errno; -EPROTO where the call published
 * more or less than one event. */
int caller_step(struct stream *stream, struct rdx_publisher *publisher);

/* The child's main: opens, and calls until it is killed. */
int caller_main(const char *path);

/*
 * Is `event_id` a newest event that a reader may find of a caller that is dead, or stopped,
 * at this step?
 */
int caller_is_newest(const struct caller_plan *plan, uint32_t step, uint64_t event_id);

/* At this step the ledger may have half of an event, that is not in the ring yet. */
int caller_is_in_mid_event(uint32_t step);

#endif
