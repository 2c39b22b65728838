/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The indexer's inside: shared by indexer.c, the loop, and roster.c, which ranks there are.
 */
#ifndef RDX_CONSUMER_INDEXER_H
#define RDX_CONSUMER_INDEXER_H

#include "consumer/indexer/discovery.h"
#include "consumer/indexer/indexer_lock.h"
#include "consumer/indexer/rank.h"

struct rdx_wait;

/* One index of the namespace: a model, a tenant, a block size. */
struct rdx_fed_index {
	struct rdx_index_writer *writer;
	uint32_t block_tokens;
	uint32_t ready;
	uint64_t opened_ns;
	char model[RDX_TEXT_BYTES];
	char tenant[RDX_TEXT_BYTES];
};

struct rdx_indexer {
	int dir_fd;
	struct rdx_indexer_lock lock;
	uint8_t opened;           /* and the lock was held: it is not in a forked child */
	struct rdx_hash_key key;
	struct rdx_writer_options writer_options;
	uint64_t liveness_ns;
	struct rdx_discovery discovery;
	struct rdx_wait *wait;
	struct rdx_mapping bell;
	struct rdx_fed_index *indexes;
	uint32_t index_count;
	struct rdx_rank **ranks;
	uint32_t rank_count;
	uint32_t next_rank;       /* begins the next round */
	uint64_t walk_ns;         /* next walk through the directory */
	uint64_t look_ns;         /* next look at the directory watch */
	uint64_t beat_ns;         /* next heartbeat */
	uint64_t liveness_at_ns;
	uint64_t leftovers_ns;    /* when leftovers are removed; 0: they are */
	uint64_t walks;
	uint64_t wakes;
	uint8_t pending;          /* table work is left */
	struct rdx_rank_scratch scratch;
	struct rdx_indexer_stats forgotten; /* of ranks that are no more */
};

/*
 * Walk through the namespace if it is time or something changed: join segments that are
 * new, forget ranks whose files are gone. 0, -ENOENT where the directory was removed,
 * -ENOMEM; whatever else happens stays with the rank.
 */
int rdx_roster_discover(struct rdx_indexer *indexer, uint64_t now_ns);

/* If it is time: whose lock is free is gone, and leaves its index at once. */
void rdx_roster_ask_liveness(struct rdx_indexer *indexer, uint64_t now_ns);

/* Add one rank's counts. */
void rdx_roster_add_stats(const struct rdx_rank *rank, struct rdx_indexer_stats *stats);

#endif
