/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that turns a stream's operations into calls of the publisher library, as an engine
 * makes them, and reports its progress in shared memory. One operation is one call that publishes
 * one event, so the seed says what the rank holds after each event id; some are preceded by calls
 * that publish nothing.
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
	_Atomic uint64_t begun;     /* newest event whose call has begun */
	_Atomic uint64_t completed; /* newest event whose call returned */
};

/* What the rank holds after each event. */
void caller_stream(struct stream *stream, const struct rdx_hash_key *key,
		   const struct caller_plan *plan);

/* Open the plan's rank. 0 or -errno. */
int caller_open(struct rdx_publisher **ret_publisher, const struct caller_plan *plan);

/* Draw the stream's next operation and make the call. 0, -errno; -EPROTO where the call published
 * more or less than one event. */
int caller_step(struct stream *stream, struct rdx_publisher *publisher);

/* The worker's clear stamp as it is now; 0 where it never had one. */
uint32_t caller_clear_stamp(const struct caller_plan *plan, int dir_fd);

/* The child's main: opens, and calls until it is killed. */
int caller_main(const char *path);

/*
 * May a reader find `event_id` as the newest event of a caller that died, or stopped, at this step?
 */
int caller_is_newest(const struct caller_plan *plan, uint32_t step, uint64_t event_id);

/* At this step the ledger may hold half of an event that is not in the ring yet. */
int caller_is_in_mid_event(uint32_t step);

#endif
