/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An indexer's state: indexer.c runs the loop, roster.c knows which ranks there are, rest.c waits.
 */
#ifndef RDX_INDEXER_STATE_H
#define RDX_INDEXER_STATE_H

#include "consumer/indexer/discovery.h"
#include "consumer/indexer/indexer_lock.h"
#include "consumer/indexer/rank.h"

struct rdx_wait;

/* What one worker may take, and all workers of a user. */
struct rdx_limits {
	uint32_t ranks;
	uint32_t columns;
	uint32_t indexes;
	uint64_t bytes;
	uint32_t user_ranks;
};

/* One index of the namespace: a model, a tenant, a block size. */
struct rdx_fed_index {
	struct rdx_index_writer *writer;
	uint32_t block_tokens;
	uint32_t ready;
	uint64_t opened_ns;
	uint64_t fed_ns;   /* when a rank was last seen to feed it; 0: not looked at yet */
	uint64_t made_for; /* the worker that named it first ... */
	uint32_t made_by;  /* ... and its user */
	char model[RDX_TEXT_BYTES];
	char tenant[RDX_TEXT_BYTES];
};

struct rdx_indexer {
	int dir_fd;
	char *path; /* of the directory, absolute */
	struct rdx_indexer_lock lock;
	uint8_t opened; /* and the lock was held: it is not in a forked child */
	struct rdx_hash_key key;
	struct rdx_writer_options writer_options;
	struct rdx_limits limits;
	uint64_t liveness_ns;
	uint64_t rest_ns; /* the longest sleep */
	struct rdx_discovery discovery;
	struct rdx_wait *wait;
	struct rdx_mapping bell;
	uint64_t bell_id;
	uint32_t wait_mode; /* as requested */
	uint32_t rest_mode;
	uint64_t busy_ns;      /* when a poll last had work */
	uint64_t sleeps_since; /* such a poll */
	uint64_t published_ns; /* the newest event that says when ... */
	uint64_t gap_ns;       /* ... how long after the one before ... */
	uint64_t step_ns;      /* ... and that or the gap before it, whichever is shorter */
	struct rdx_fed_index *indexes;
	uint32_t index_count;
	struct rdx_rank **ranks;
	uint32_t rank_count;
	uint32_t next_rank; /* begins the next round */
	uint64_t walk_ns;   /* next walk through the directory */
	uint64_t look_ns;   /* next look at the directory watch */
	uint64_t names_ns;  /* next look at the names of its own files */
	int lock_cause;   /* -errno: the lock file's name is lost, or cannot be looked at; else 0 */
	uint64_t beat_ns; /* next heartbeat */
	uint64_t clock_ns;       /* next look at how clocks differ */
	uint64_t liveness_at_ns; /* next look at all locks */
	uint64_t unfed_ns;       /* next look for indexes that no rank feeds */
	uint64_t leftovers_ns;   /* when leftovers are removed; 0: they are */
	uint64_t walks;
	uint64_t wakes;
	uint64_t naps;
	uint8_t pending;   /* table work is left */
	uint8_t told_none; /* there is no file of refused ranks */
	struct rdx_rank_scratch scratch;
	struct rdx_indexer_stats forgotten; /* of forgotten ranks */
};

/* Is this the child's copy? Its files are the parent's, and its mappings are missing. */
int rdx_indexer_is_forked(const struct rdx_indexer *indexer);

/* Is something left that a poll can do now? Looks at each ring, and at nothing that is done by the clock. */
int rdx_indexer_has_work(const struct rdx_indexer *indexer);

/* A poll had some. */
void rdx_rest_note_work(struct rdx_indexer *indexer);

/* A wait in place of the one there is, if there is one; on failure that stays. -errno. */
int rdx_indexer_open_wait(struct rdx_indexer *indexer);

/* Listen to the bell from now on; the mapping is taken over. */
void rdx_indexer_take_bell(struct rdx_indexer *indexer, struct rdx_mapping *bell);

#endif
