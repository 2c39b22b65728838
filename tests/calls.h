/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of publish calls that depends on a seed alone, and the state that a publisher reaches by
 * them: the seed and the number of calls made say what the rank then holds.
 *
 * Orderly streams: conversations in pairs with the same first quarter, equal in all streams
 * of one shape; names are the stream's own. Nothing in them makes a rank INEXACT: runs go on
 * from a held block, and only as many are stored as fit; but where the shape has it so.
 *
 * Unruly ones: few names, of both lengths and in two cache groups, for contents that branch three
 * ways at each depth. Names are mostly derived from the content, so that they come again with the
 * same content; otherwise any name is used, known or not, as a parent or a block. Much of it cannot
 * be represented; in spells of CALL_SPELL calls, every other one, it is what is removed.
 */
#ifndef RDX_TESTS_CALLS_H
#define RDX_TESTS_CALLS_H

#include "tests/publisher_oracle.h"
#include "tests/rig.h"

#define CALL_BLOCKS       64
#define CALL_BLOCK_TOKENS 4 /* of an unruly stream */
#define CALL_NAME_BYTES   32
#define CALL_SPELL        64

/* A kind of call besides RDX_EVENT_...: names of blocks that no event can say. */
#define CALL_UNREPRESENTED 15

struct calls_shape {
	uint32_t clear_in;      /* one call in so many clears all tiers, 0: none */
	uint32_t tier_clear_in; /* likewise one tier; 0: few do */
	uint8_t tiers;
	/* of an orderly stream */
	uint32_t chains;  /* conversations */
	uint32_t depth;   /* blocks of each, at most CALL_BLOCKS */
	uint8_t eras;     /* a clear of all begins other conversations */
	uint32_t lack_in; /* one call in so many is of blocks that no event can say, 0: none */
	/* of an unruly one */
	uint32_t names;      /* of each length and group; 0: it is orderly */
	uint32_t run_max;    /* blocks, at most CALL_BLOCKS */
	uint8_t contents;    /* each store gives its blocks' content */
	uint32_t inexact_in; /* one call in so many is one of rdx_publish_inexact, 0: none */
	uint32_t lacking;    /* names of a tier that are remembered, a power of two; 0: all */
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
	uint8_t kind; /* RDX_EVENT_..., CALL_UNREPRESENTED; 0: none is made */
	struct rdx_stored stored;
	struct rdx_removed removed; /* or unrepresented */
	uint8_t scope;
	uint8_t how;
	uint64_t time_ns;
	uint8_t names[CALL_BLOCKS * CALL_NAME_BYTES];
	uint8_t parent[CALL_NAME_BYTES];
	uint64_t locals[CALL_BLOCKS];
	uint32_t remaining[CALL_BLOCKS];
	uint32_t tokens[CALL_BLOCKS * CALL_BLOCK_TOKENS];
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

/* Prefix hashes of an orderly stream's conversation, of the present era. Room for CALL_BLOCKS. */
void calls_prefixes(const struct calls *calls, uint32_t chain, uint64_t *ret_prefixes);

/* Blocks held, over all tiers. */
uint64_t calls_held(const struct calls *calls);

#endif
