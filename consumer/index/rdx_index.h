/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ask the shared index who holds the longest prefix of a request.
 *
 * The index is maintained by one process (rdx_indexer.h) and mapped read-only by any
 * number of others. A lookup takes no lock, makes no system call unless the index has
 * moved to another file, and stores nothing in shared memory. A handle serves one
 * thread; open one per thread.
 */
#ifndef RDX_INDEX_H
#define RDX_INDEX_H

#include <ringdex/rdx_hash.h>
#include <ringdex/rdx_types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rdx_index;

/* Which index of a namespace: one per model, tenant, block size and hash scheme. */
struct rdx_index_key {
	uint64_t size;         /* sizeof(struct rdx_index_key) */
	const char *model;     /* required */
	const char *tenant;    /* NULL: "" */
	uint32_t block_tokens; /* 0: 16 */
	uint32_t reserved;
};

/* What one rank holds of a request. */
struct rdx_run {
	uint64_t worker_id;
	uint32_t dp_rank;
	uint8_t state;   /* RDX_STATE_... */
	uint8_t scanned; /* 1: block by block, since the rank had holes */
	uint8_t reserved[2];
	/* leading blocks held without a hole in device, device + host, device + host +
	   disk, all tiers; all 0 while RECOVERING */
	uint32_t blocks[RDX_TIER_COUNT];
	uint64_t epoch;
	uint64_t last_event_id;
	uint64_t age_ns; /* since the indexer last saw the rank caught up and alive, or
				  found that it cannot follow it */
};

/* What the index knows of a rank. */
struct rdx_worker_info {
	uint64_t worker_id;
	uint32_t dp_rank;
	uint8_t state;
	uint8_t holes; /* bit s: set s may hold a block without its parent */
	uint8_t reserved[2];
	uint64_t epoch;
	uint64_t last_event_id;
	uint64_t position; /* ring position caught up to */
	uint64_t age_ns;
	uint64_t blocks[RDX_TIER_COUNT]; /* now held per tier */
	uint64_t events;
	uint64_t events_dead; /* skipped behind barriers */
	uint64_t slots_lost;
	uint64_t recoveries[4]; /* by RDX_RECOVERED_... of rdx_reader.h */
	uint64_t recovery_ns;   /* time the last recovery took */
	int32_t cause;          /* -errno why it, or a part of it, is missing; 0 when it is not */
	uint32_t reserved2;
	char instance[RDX_TEXT_BYTES];
};

/* One difference between the index and a worker's ledger. */
struct rdx_difference {
	uint64_t differences; /* in all tiers */
	uint64_t compared;    /* blocks held by the worker, in all tiers */
	uint64_t event_id;    /* the common watermark */
	uint64_t first_hash;  /* the smallest differing prefix hash, of the nearest tier */
	uint8_t first_tier;
	uint8_t first_in_index; /* 1: the index has it, the worker has not */
	uint8_t reserved[6];
};

/*
 * Map an index. `dir` NULL: /dev/shm/ringdex. Blocking.
 *
 *   -ENOENT           no indexer has made it yet
 *   -EINVAL, -ENAMETOOLONG  of the key
 *   -EBADMSG, -EPROTONOSUPPORT, -EKEYREJECTED, -EACCES, -ENOMEM
 */
RDX_API int rdx_index_open(struct rdx_index **ret_index, const char *dir,
			   const struct rdx_index_key *key);
RDX_API void rdx_index_close(struct rdx_index *index);

/* The key to chain local hashes with. Valid until the index is closed. */
RDX_API const struct rdx_hash_key *rdx_index_hash_key(const struct rdx_index *index);

/*
 * For every rank the index knows and that is not GONE: how many leading blocks of the
 * `blocks` prefix hashes it holds. Returns the number of rows written to ret_runs, in no
 * order. Lock-free: tried again while the writer is in the middle of a change of a kind
 * that could mislead it.
 *
 * Each answer is the rank's true run at some instant of the call. Where `scanned` is 1 it
 * counts no block that was absent for the whole call, and misses none of a run that was
 * there for the whole call. At rest it is exact. `last_event_id` is contained in it, and
 * perhaps later events.
 *
 * A row's state is STALE where it would be EXACT or INEXACT but for its age. A rank that is
 * RECOVERING, or INEXACT because it was dropped, has no blocks.
 *
 *   >= 0      rows
 *   -ENOSPC   `capacity` rows are too few (RDX_RANKS_MAX always suffices)
 *   -EAGAIN   64 tries were disturbed
 *   -EBADMSG  the index file is damaged or was truncated (with the guard)
 */
RDX_API int rdx_index_lookup(struct rdx_index *index, const uint64_t *prefix, uint32_t blocks,
			     struct rdx_run *ret_runs, uint32_t capacity);

/* The same from local hashes. -ENOMEM where the handle's scratch must grow and cannot. */
RDX_API int rdx_index_lookup_local(struct rdx_index *index, const uint64_t *local, uint32_t blocks,
				   struct rdx_run *ret_runs, uint32_t capacity);

/* The same from token ids; `seed` from rdx_hash_seed. A partial last block is ignored. */
RDX_API int rdx_index_lookup_tokens(struct rdx_index *index, uint64_t seed, const uint32_t *tokens,
				    uint64_t token_count, struct rdx_run *ret_runs,
				    uint32_t capacity);

/* Every rank the index knows, also GONE ones. Rows, or -ENOSPC, -EAGAIN, -EBADMSG. */
RDX_API int rdx_index_workers(struct rdx_index *index, struct rdx_worker_info *ret_workers,
			      uint32_t capacity);

/*
 * Compare the index with the rank's own ledger at one watermark. Blocking, slow (reads
 * the whole table); for tools and tests.
 *
 *   0        compared; differences in ret_difference
 *   -EAGAIN  the two were never seen at one watermark (events keep coming)
 *   -ENOENT  the index does not know the rank, or its segment is not there
 *   -ESTALE  the index shows another epoch, or the rank is not EXACT in it
 *   and as for rdx_reader_open
 */
RDX_API int rdx_index_verify(struct rdx_index *index, uint64_t worker_id, uint32_t dp_rank,
			     struct rdx_difference *ret_difference);

#ifdef __cplusplus
}
#endif
#endif
