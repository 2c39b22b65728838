/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of publish calls that depends on a seed alone, and what a publisher comes to by
 * them: whoever knows the seed and how many calls were made knows what the rank then holds.
 *
 * Blocks: conversations in pairs with the same first quarter, equal in all streams of one
 * shape; names are the stream's own. Nothing in it makes a rank INEXACT: runs go on from a
 * held block, and only as many are stored as fit.
 */
#ifndef RDX_TESTS_CALLS_H
#define RDX_TESTS_CALLS_H

#include "tests/publisher_oracle.h"
#include "tests/rig.h"

#define CALL_BLOCKS 64

struct calls_shape {
	uint32_t chains;   /* conversations */
	uint32_t depth;    /* blocks of each, at most CALL_BLOCKS */
	uint32_t clear_in; /* one call in so many clears all tiers, 0: none */
	uint8_t tiers;
	uint8_t eras;      /* after a clear of all the conversations are others */
};

struct calls {
	struct calls_shape shape;
	uint64_t seed;
	uint64_t random;
	uint64_t done; /* calls */
	uint32_t era;
	struct oracle oracle; /* after the newest of them */
};

/* Not to be copied. */
struct call {
	uint8_t kind; /* RDX_EVENT_STORED, _REMOVED, _CLEARED; 0: none is made */
	struct rdx_stored stored;
	struct rdx_removed removed;
	uint8_t scope;
	uint64_t names[CALL_BLOCKS];
	uint64_t locals[CALL_BLOCKS];
	uint64_t parent;
};

/* For a publisher with these options. */
void calls_make(struct calls *calls, const struct calls_shape *shape,
		const struct rdx_hash_key *key, const struct rdx_publisher_options *options,
		uint64_t seed);

/* Draw the next call; let the oracle do it; make it. */
void calls_draw(struct calls *calls, struct call *ret_call);
void calls_apply(struct calls *calls, const struct call *call);
int calls_publish(struct rdx_publisher *publisher, const struct call *call);

/* All three; `publisher` may be NULL. 0 or -errno of the publisher's. */
int calls_step(struct calls *calls, struct rdx_publisher *publisher);

/* Prefix hashes of a conversation, of the present era. Room for CALL_BLOCKS. */
void calls_prefixes(const struct calls *calls, uint32_t chain, uint64_t *ret_prefixes);

/* Blocks held, over all tiers. */
uint64_t calls_held(const struct calls *calls);

#endif
