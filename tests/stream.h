/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of operations that depends on a seed alone, so that whoever knows the seed and
 * an event id knows what the rank then holds: the oracle of tests that kill, race and
 * recover. And a writer that puts the operations into ledger and ring by the cores.
 *
 * Blocks: STREAM_PROMPTS prompts of STREAM_DEPTH blocks in STREAM_TIERS tiers. An operation
 * stores a run of blocks that are not held, removes a run that is, or clears.
 */
#ifndef RDX_TESTS_STREAM_H
#define RDX_TESTS_STREAM_H

#include "consumer/reader/holding.h"
#include "tests/rig.h"

#define STREAM_TIERS   2
#define STREAM_PROMPTS 24
#define STREAM_DEPTH   40
#define STREAM_BLOCKS  (STREAM_PROMPTS * STREAM_DEPTH)

struct stream {
	uint64_t random;
	uint64_t event_id;          /* of the newest operation */
	uint32_t clear_in;          /* one operation in so many clears all, 0: none */
	uint32_t stamp;             /* bumped by every clear of all, if `worker_clears` */
	uint32_t worker_clears;
	uint32_t rooted;            /* set before the first: each operation is one that a publisher
				       makes one event of, and no parent is a stranger to it */
	uint8_t named[STREAM_BLOCKS]; /* stored since the last clear of all */
	uint8_t held[STREAM_TIERS][STREAM_BLOCKS];
	uint64_t count[STREAM_TIERS];
	uint64_t local[STREAM_BLOCKS];
	uint64_t prefix[STREAM_BLOCKS];
};

struct stream_op {
	uint8_t kind;
	uint8_t tier;   /* or scope */
	uint32_t count;
	uint32_t first; /* block; the others follow it in its prompt */
	uint64_t parent;
	uint64_t hashes[STREAM_DEPTH]; /* as in the event */
};

void stream_make(struct stream *stream, const struct rdx_hash_key *key, uint64_t seed,
		 uint32_t clear_in);

/* Decide the next operation; `held` is as after it. */
void stream_next(struct stream *stream, struct stream_op *ret_op);

/* Go on to the state after `event_id`, which must not be before where the stream is. */
void stream_go_to(struct stream *stream, uint64_t event_id);

/* Blocks that the stream's state and the holding do not agree on. */
uint64_t stream_differences(const struct stream *stream, const struct rdx_holding *holding);

/* Puts a stream's operations into a segment. A word freed is the next one used. */
struct stream_writer {
	struct rig_producer *producer;
	struct rdx_bell *bell; /* or NULL */
	uint32_t place[STREAM_TIERS][STREAM_BLOCKS];
	uint32_t free_words[STREAM_TIERS][STREAM_BLOCKS];
	uint32_t free_count[STREAM_TIERS];
};

/* A spec with ledgers for the stream's tiers. */
struct rdx_segment_spec stream_spec(uint64_t worker_id, uint32_t dp_rank, uint64_t ring_slots);
void stream_writer_make(struct stream_writer *writer, struct rig_producer *producer);
void stream_write(struct stream_writer *writer, const struct stream *stream,
		  const struct stream_op *op);

/* What a router does: recover as told, follow, hold. -errno of the reader's. */
struct stream_follower {
	struct rdx_reader *reader;
	struct rdx_holding holding;
	uint64_t exact_position; /* the state is exact from here on */
	uint32_t stamp;          /* the worker's newest clear seen, in file or event */
	uint64_t recoveries[4];
};
int stream_recover(struct stream_follower *follower, const struct rdx_cursor *from);

/* The same by the ledger, where another way is open too. */
int stream_recover_by_ledger(struct stream_follower *follower);

/* Read on until the ring is read up, recovering from the cursor whenever it is lost. 0,
 * or -ESTALE and other errors. */
int stream_follow(struct stream_follower *follower);

/* Is the state that of one event? */
int stream_is_exact(const struct stream_follower *follower);
void stream_follower_free(struct stream_follower *follower); /* the reader too */

#endif
