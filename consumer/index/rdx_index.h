/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ask the shared index who holds the longest prefix of a request.
 *
 * The index is maintained by one process (rdx_indexer.h) and mapped read-only by any
 * number of others. A lookup takes no lock, makes no system call unless the index moves to another
 * file, and stores nothing in shared memory. While the index grows each call maps a small part of
 * the table to come, and afterwards unmaps one of the table before, once it has its answer. A
 * handle that is not used keeps the memory of an old table for two seconds, and address space; that of a
 * table whose indexer is dead, or has removed the index, until it is used or closed. A handle serves
 * one thread; open one per thread. Without rdx_guard_install (rdx_types.h) the truncation of an index
 * file ends the process.
 *
 * After fork() parent and child each have a handle of their own and both may go on; each
 * closes its own.
 */
#ifndef RDX_INDEX_H
#define RDX_INDEX_H

#include <ringdex/rdx_hash.h>
#include <ringdex/rdx_types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rdx_index;

/* Names an index of a namespace: there is one per model, tenant, block size and hash scheme. */
struct rdx_index_key {
	uint64_t size;         /* sizeof(struct rdx_index_key) */
	const char *model;     /* required */
	const char *tenant;    /* NULL: "" */
	uint32_t block_tokens; /* 0: 16 */
	uint32_t flags;        /* RDX_INDEX_..., 0: none */
};

/* Lookups give a row of every rank that is not GONE, also of those that hold nothing. */
#define RDX_INDEX_ALL_RANKS 1

/* What one rank holds of a request. */
struct rdx_run {
	uint64_t size; /* in, of the first row: sizeof(struct rdx_run) */
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
	uint64_t age_ns;       /* since the indexer last saw the rank caught up and alive, or
				  found that it cannot follow it; UINT64_MAX: its clock is
				  another one, and the kernel does not say by how much */
	uint64_t event_age_ns; /* since its last event, as the engine stamped it, else as the
				  indexer read it; UINT64_MAX: none was read in this epoch */
	const char *instance;  /* of this epoch: where to send the request. In the handle, valid
				  until the next call on it; "" while an epoch begins, or the
				  indexer rests in the midst of saying it: the next call has it */
};

/* What the index knows of a rank. */
struct rdx_index_rank {
	uint64_t size; /* in, of the first row: sizeof(struct rdx_index_rank) */
	uint64_t worker_id;
	uint32_t dp_rank;
	uint8_t state;
	uint8_t holes; /* bit s: set s may hold a block without its parent */
	uint8_t reserved[2];
	uint64_t epoch;
	uint64_t last_event_id; /* 0: none of this epoch yet */
	uint64_t position;      /* of the next ring slot to read */
	uint64_t age_ns;        /* this and the next as in rdx_run */
	uint64_t event_age_ns;
	uint64_t blocks[RDX_TIER_COUNT]; /* now held per tier */
	uint64_t events;
	uint64_t events_dead; /* skipped behind barriers */
	uint64_t slots_lost;
	uint64_t recoveries[4]; /* by RDX_RECOVERED_... of rdx_reader.h */
	uint64_t recovery_ns;   /* time the last recovery took */
	int32_t cause;          /* -errno: why it, or part of it, is missing; 0: it is not */
	uint32_t reserved2;
	char instance[RDX_TEXT_BYTES];
};

/* The moment of a rank's history at which rdx_index_each saw it. */
struct rdx_index_mark {
	uint64_t size; /* in: sizeof(struct rdx_index_mark) */
	uint64_t epoch;
	uint64_t event_id;
	uint32_t partial; /* 1: blocks did not fit into the index, and were not visited */
	uint32_t reserved;
};

/* One difference between the index and a worker's ledger. */
struct rdx_difference {
	uint64_t size;        /* in: sizeof(struct rdx_difference) */
	uint64_t differences; /* in all tiers */
	uint64_t compared;    /* blocks held by the worker, in all tiers */
	uint64_t event_id;    /* the common watermark */
	uint64_t first_hash;  /* the smallest differing prefix hash, of the nearest tier */
	uint8_t first_tier;
	uint8_t first_in_index; /* 1: the index has it, the worker has not */
	uint8_t partial;        /* 1: blocks did not fit into the index, and what it has not is no
				   difference */
	uint8_t reserved[5];
};

/*
 * Map an index. `dir` NULL: /dev/shm/ringdex. Blocking.
 *
 * Workers, indexer and routers may start in any order, but this call does not wait. Of what is missing
 * it says who has to come, and is to be repeated.
 *
 * A handle looks at what became of its index only in calls on it. One that is not used keeps the memory of
 * an index that was removed, or of a dead indexer's table, from being freed, however large: ask now and
 * then, or close it. Tables that a living indexer has replaced it does not keep for more than two seconds.
 *
 *   -ENOENT           there is no such directory: neither a worker nor an indexer has been here
 *   -ESRCH            no indexer runs in the directory, and none has left the index there
 *   -EAGAIN           not yet: an indexer runs (or this user cannot see whether one does: the lock is
 *                     its owner's), and has seen no worker of this model, tenant and block size, or
 *                     has seen the first one within the last second
 *   -EINVAL, -E2BIG, -ENAMETOOLONG  of the key or its flags; the last also of the directory's path
 *   -EBADMSG          not an index, truncated, or its bounds contradict each other
 *   -EPROTONOSUPPORT  a format version or feature this library does not know
 *   -EKEYREJECTED     made with another key or hash scheme than the directory's
 *   -EMFILE, -ENFILE  no descriptors left: a handle keeps three, and up to
 *                     three more while the index grows or moves
 *   -EACCES, -ENOTDIR, -ELOOP  of the directory or a file in it, as from open(2)
 *   -EPERM            a group or all users may write in the directory without the sticky bit
 *   -ENOMEM
 */
RDX_API int rdx_index_open(struct rdx_index **ret_index, const char *dir,
			   const struct rdx_index_key *key);

/* Let go of the files and their memory. NULL is allowed. */
RDX_API void rdx_index_close(struct rdx_index *index);

/* The key to chain local hashes with. Valid until the index is closed. */
RDX_API const struct rdx_hash_key *rdx_index_hash_key(const struct rdx_index *index);

/*
 * For every rank that holds at least the first of the `blocks` prefix hashes: how many leading ones
 * it holds. With RDX_INDEX_ALL_RANKS, for every rank that is not GONE. Returns the number of rows
 * written to ret_runs, in no order. Lock-free: tried again if the writer changed something that
 * could mislead it.
 *
 * Each answer, also that a rank has no row, is the rank's true run at some instant of the call.
 * Where `scanned` is 1 it counts no block that was absent for the whole call, and misses none of a
 * run that was there for the whole call. At rest it is exact. It contains the event
 * `last_event_id`, and perhaps later ones.
 *
 * A row that would be EXACT, LACKING or INEXACT is STALE if its age is too high. A LACKING one may
 * be routed by: the engine holds as much as it says, or more. A rank that is RECOVERING, or INEXACT
 * because it was dropped, has no blocks.
 *
 *   >= 0      rows; the size of each is that of the first, which the caller set
 *   -ENOSPC   `capacity` rows are too few (RDX_RANKS_MAX always suffices)
 *   -EAGAIN   64 tries were disturbed
 *   -EBADMSG  the index file is damaged or was truncated (with the guard)
 *   -EIDRM    open again: the indexer is dead, its files were removed or replaced, and for two seconds
 *             no other has come, or the directory was made anew and has another key (prefix hashes
 *             that were chained by the old one are void). Until then, and where files of a dead indexer
 *             are still in place, rows are STALE. Or no rank has fed the index for ten minutes, and its
 *             indexer has removed it. The handle has let go of the memory; a later call may find a
 *             successor by itself
 *   -EINVAL, -E2BIG  of the rows' size
 *   and where the index has moved to another file, as for rdx_index_open
 */
RDX_API int rdx_index_lookup(struct rdx_index *index, const uint64_t *prefix, uint32_t blocks,
			     struct rdx_run *ret_runs, uint32_t capacity);

/* The same from local hashes, which are chained as far as the lookup comes. -ENOMEM where the
 * handle's scratch must grow and cannot. Chaining is half of a lookup: who keeps a conversation's prefix
 * hashes chains only what a turn adds (rdx_hash_chain, from the last one), and calls the former. */
RDX_API int rdx_index_lookup_local(struct rdx_index *index, const uint64_t *local, uint32_t blocks,
				   struct rdx_run *ret_runs, uint32_t capacity);

/* The same from token ids and what names their blocks besides, hashed as far as the lookup comes. A
 * partial last block is ignored. -ENOMEM as above; -EINVAL also for more than 2^32 - 1 blocks, another
 * block size than the index's, and as for rdx_hash_tokens. */
RDX_API int rdx_index_lookup_tokens(struct rdx_index *index, const struct rdx_tokens *tokens,
				    struct rdx_run *ret_runs, uint32_t capacity);

/* Every rank the index knows, also GONE ones. Rows, or -ENOSPC, -EAGAIN, -EBADMSG, -EIDRM, -EINVAL,
 * -E2BIG as above. */
RDX_API int rdx_index_ranks(struct rdx_index *index, struct rdx_index_rank *ret_ranks,
			    uint32_t capacity);

/*
 * Call `visit` for every prefix hash that a rank holds in any tier, in no order: bit t of
 * `tiers`, it holds it in tier t. What was visited is the rank's exact state after the
 * event of the mark only if the call returns 0; else forget it. No call on the index from
 * `visit`. Blocking; reads the whole table.
 *
 *   0
 *   -EAGAIN  the rank changed meanwhile
 *   -ENOENT  the index does not know the rank
 *   -ESTALE  the rank is neither EXACT nor LACKING, or not visible
 *   -ENOMEM
 *   and as for rdx_index_lookup
 */
RDX_API int rdx_index_each(struct rdx_index *index, uint64_t worker_id, uint32_t dp_rank,
			   void (*visit)(void *context, uint64_t prefix, uint8_t tiers),
			   void *context, struct rdx_index_mark *ret_mark);

/*
 * Compare the index with the rank's own ledger at one watermark: what the rank says, all that the
 * worker holds or, of a LACKING one, the less. Blocking, slow (reads the whole table); for tools
 * and tests.
 *
 *   0        compared; differences in ret_difference
 *   -EAGAIN  the two were never seen at one watermark (events keep coming)
 *   -ENOENT  the index does not know the rank, or its segment is not there
 *   -ESTALE  the index shows another epoch, or the rank is neither EXACT nor LACKING in it
 *   -EOWNERDEAD  the worker died in the middle of an event
 *   and as for rdx_reader_open (rdx_reader.h) and rdx_index_lookup
 */
RDX_API int rdx_index_verify(struct rdx_index *index, uint64_t worker_id, uint32_t dp_rank,
			     struct rdx_difference *ret_difference);

#ifdef __cplusplus
}
#endif
#endif
