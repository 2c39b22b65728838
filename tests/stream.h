/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of operations that depends on a seed alone, so that the seed and an event id say what
 * the rank then holds: the oracle of tests that kill, race and recover. And a writer that puts the
 * operations into ledger and ring by the cores.
 *
 * Blocks: STREAM_PROMPTS prompts of STREAM_DEPTH blocks in STREAM_TIERS tiers. An operation
 * stores a run of blocks that are not held, removes a run that is, or clears.
 *
 * Or a tree of blocks, where it is mostly the end of what is held that grows and shrinks, as
 * in an index: stream_grow_tree. Blocks stored may then be held already, and some move from
 * tier to tier.
 */
#ifndef RDX_TESTS_STREAM_H
#define RDX_TESTS_STREAM_H

#include "consumer/reader/holding.h"
#include "tests/rig.h"

#define STREAM_TIERS   2
#define STREAM_PROMPTS 24
#define STREAM_DEPTH   40
#define STREAM_BLOCKS  (STREAM_PROMPTS * STREAM_DEPTH)
/* of a tree */
#define STREAM_BLOCKS_MAX 3000
#define STREAM_DEPTH_MAX  120
#define STREAM_RUN_MAX    12

#define STREAM_NONE UINT32_MAX

struct stream {
	uint64_t random;
	uint64_t event_id;      /* of the newest operation */
	uint32_t clear_in;      /* one operation in so many clears all, 0: none */
	uint32_t tier_clear_in; /* and one in so many one tier */
	uint32_t stamp;         /* bumped by every clear of all, if `worker_clears` */
	uint32_t worker_clears;
	uint32_t rooted; /* set before the first: a publisher makes one event of each operation,
				       and knows every parent */
	uint32_t is_tree;
	uint32_t tiers;
	uint32_t blocks;
	uint32_t moving; /* 1 + the block that leaves moving_from next */
	uint8_t moving_from;
	uint64_t count[RDX_TIER_COUNT];   /* blocks held */
	uint32_t orphans[RDX_TIER_COUNT]; /* held in the tiers 0 .. t without their parent */
	uint8_t named[STREAM_BLOCKS_MAX]; /* stored since the last clear of all */
	uint8_t held[STREAM_BLOCKS_MAX];  /* bit t: in tier t */
	uint64_t local[STREAM_BLOCKS_MAX];
	uint64_t prefix[STREAM_BLOCKS_MAX];
	uint32_t parent[STREAM_BLOCKS_MAX]; /* a block before it, the last one in a run; or
					       STREAM_NONE */
	uint32_t child[STREAM_BLOCKS_MAX];  /* the newest, or STREAM_NONE */
	uint32_t sibling[STREAM_BLOCKS_MAX];
};

struct stream_op {
	uint8_t kind;
	uint8_t tier; /* or scope */
	uint32_t count;
	uint32_t first; /* block; each of the others is the child of the one before */
	uint64_t parent;
	uint64_t hashes[STREAM_DEPTH]; /* as in the event */
};

void stream_make(struct stream *stream, const struct rdx_hash_key *key, uint64_t seed,
		 uint32_t clear_in);

/* Make it a stream over a random tree of `blocks` blocks in `tiers` tiers, before the first
 * operation; equal trees by equal seeds. */
void stream_grow_tree(struct stream *stream, const struct rdx_hash_key *key, uint64_t seed,
		      uint32_t blocks, uint32_t tiers);

/* Draw the next operation; `held` is the state after it. */
void stream_next(struct stream *stream, struct stream_op *ret_op);

/* Move to the state after `event_id`, which must not be before the stream's present one. */
void stream_go_to(struct stream *stream, uint64_t event_id);

/* The blocks from a root to `block`; room for STREAM_DEPTH_MAX. Returns how many. */
uint32_t stream_path(const struct stream *stream, uint32_t block, uint32_t *ret_path);

/* How many blocks of a path, from the first on, are held in the tiers 0 .. set. */
uint32_t stream_run(const struct stream *stream, const uint32_t *path, uint32_t blocks,
		    uint32_t set);

/* Bit s: the set of the tiers 0 .. s has orphans. */
uint8_t stream_orphan_bits(const struct stream *stream);

/* Number of blocks on which the stream's state and the holding differ. */
uint64_t stream_differences(const struct stream *stream, const struct rdx_holding *holding);

/* Puts a stream's operations into a segment: a ledger record a block and tier. One freed is the next
 * one used. */
struct stream_writer {
	struct rig_producer *producer;
	struct rdx_bell *bell; /* or NULL */
	uint32_t place[STREAM_TIERS][STREAM_BLOCKS];
	uint32_t free_records[STREAM_TIERS][STREAM_BLOCKS];
	uint32_t free_count[STREAM_TIERS];
	uint32_t used[STREAM_TIERS];
};

/* A spec with the stream's tiers. */
struct rdx_segment_spec stream_spec(uint64_t worker_id, uint32_t dp_rank, uint64_t ring_slots);
void stream_writer_make(struct stream_writer *writer, struct rig_producer *producer);
void stream_write(struct stream_writer *writer, const struct stream *stream,
		  const struct stream_op *op);

/* What a router does: recover, follow, keep what is held. -errno of the reader's. */
struct stream_follower {
	struct rdx_reader *reader;
	struct rdx_holding holding;
	uint64_t exact_position; /* the state is exact from here on */
	uint64_t recoveries[4];
};
int stream_recover(struct stream_follower *follower, const struct rdx_cursor *from);

/* The same by the ledger, even if another way is possible. */
int stream_recover_by_ledger(struct stream_follower *follower);

/* Read until caught up, recovering from the cursor whenever lapped. 0, or -ESTALE and other
 * errors. */
int stream_follow(struct stream_follower *follower);

/* Is the state that of one event? */
int stream_is_exact(const struct stream_follower *follower);
void stream_follower_free(struct stream_follower *follower); /* the reader too */

#endif
