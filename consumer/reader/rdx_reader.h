/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read one rank's events in place, and recover its exact state from shared memory alone.
 *
 * A reader maps a segment read-only: it cannot disturb the producer, and the producer
 * never waits for it. It trusts nothing it reads. A handle serves one thread.
 *
 * Use: rdx_reader_open, rdx_reader_recover, apply the snapshot if there is one, then
 * rdx_reader_next until it answers 0, and so on. On -EOVERFLOW recover again. On -ESTALE the rank
 * has a new epoch: close and open again. Without rdx_guard_install (rdx_types.h) the truncation of
 * a segment ends the process.
 *
 * After fork() parent and child each have a reader of their own and both may go on; each
 * closes its own.
 */
#ifndef RDX_READER_H
#define RDX_READER_H

#include <ringdex/rdx_hash.h>
#include <ringdex/rdx_types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rdx_reader;

/* A segment's header; copied and checked once, at open, but for what may grow. */
struct rdx_rank_info {
	uint64_t size; /* of what this library fills: there is nothing beyond */
	uint64_t worker_id;
	uint64_t epoch;
	uint64_t clear_id; /* of the worker's clear file; 0: the clear scope is the rank */
	uint64_t ring_slots;
	uint64_t tier_blocks[RDX_TIER_COUNT]; /* expected; 0: the tier is not kept */
	uint64_t
		ledger_records; /* blocks at most; all tiers hold more than tier_blocks by no more than
				    the records that are left then. As seen last: it may grow */
	uint64_t file_bytes;    /* likewise */
	uint64_t created_ns;    /* CLOCK_REALTIME */
	uint64_t features_compat;
	struct rdx_hash_key key;
	uint32_t dp_rank;
	uint32_t block_tokens;
	uint32_t hash_scheme;
	uint32_t format_version;
	uint32_t creator_pid; /* in the creator's PID namespace: for people only */
	uint32_t report_mode; /* RDX_REPORT_...: what the worker means by stores and removals */
	char instance[RDX_TEXT_BYTES];
	char model[RDX_TEXT_BYTES];
	char tenant[RDX_TEXT_BYTES];
};

/* How recovery starts. */
#define RDX_RECOVERED_CONTINUE 1 /* reading goes on at the cursor given */
#define RDX_RECOVERED_BARRIER                                                                      \
	2 /* drop the rank's blocks; reading starts at a Cleared, or at birth */
#define RDX_RECOVERED_LEDGER 3 /* drop the rank's blocks; a snapshot comes first */

struct rdx_recovery {
	uint64_t size;   /* in: sizeof(struct rdx_recovery) */
	uint32_t way;    /* RDX_RECOVERED_... */
	uint8_t orphans; /* as in an event: of the state at `start` */
	uint8_t inexact; /* likewise */
	uint8_t reserved[2];
	struct rdx_cursor start; /* where reading starts; a snapshot lies before it */
	uint64_t events_skipped; /* dead or lost, after the cursor given (or birth), not read */
	uint64_t slots_skipped;
};

/* Answers of the range query. */
#define RDX_RANGE_EVENTS   1 /* read from `start` through `last_event_id` */
#define RDX_RANGE_SNAPSHOT 2 /* too old, or another epoch without a barrier: use the ledger */
#define RDX_RANGE_TOO_NEW  3 /* first_id is after the newest event */
#define RDX_RANGE_INVALID  4 /* last_id is before first_id */

struct rdx_range {
	uint64_t size;           /* in: sizeof(struct rdx_range) */
	uint32_t outcome;        /* RDX_RANGE_... */
	uint32_t from_barrier;   /* EVENTS: 1 if `start` is an all-tier Cleared, or birth */
	struct rdx_cursor start; /* EVENTS: of the first event */
	uint64_t first_event_id; /* EVENTS: its id */
	uint64_t last_event_id;  /* EVENTS, TOO_NEW: newest event of the view answered from */
};

/* Counters of one reader since it was opened. */
struct rdx_reader_stats {
	uint64_t size;       /* in: sizeof(struct rdx_reader_stats) */
	uint64_t slots_read; /* ring slots copied and validated */
	uint64_t events_read;
	uint64_t events_ignored; /* read, but older than the worker's newest clear */
	uint64_t slots_lost;     /* overwritten before they were read, not behind a barrier */
	uint64_t events_lost;    /* likewise; exact */
	uint64_t slots_dead;     /* skipped behind a barrier, never read */
	uint64_t events_dead;    /* likewise; exact */
	uint64_t ledger_records; /* looked at, once for each tier that the rank keeps */
	uint64_t recoveries[4];  /* by RDX_RECOVERED_... */
};

/* A block that a rank holds, as rdx_reader_each tells it. */
struct rdx_block {
	uint64_t size; /* of what this library fills: there is nothing beyond */
	uint64_t prefix;
	uint64_t local;       /* with `parent` it makes the prefix hash */
	uint64_t parent;      /* 0: the root */
	uint64_t parent_turn; /* which of the blocks told the parent was, from 1 on; 0: it is the
				 root, or held in no tier */
	uint8_t tiers;        /* bit t: held in tier t */
	uint8_t described;    /* 0: local, parent and parent_turn are not known */
	uint8_t reserved[6];
};

/*
 * Open DIR/<worker_id>/<dp_rank>.seg. `dir` NULL: /dev/shm/ringdex. Blocking.
 *
 *   -ENOENT           no such segment
 *   -EBADMSG          not a segment, truncated, or its bounds contradict each other; the worker's
 *                     clear file is missing, or another one than the rank has open
 *   -EPROTONOSUPPORT  a format version or feature this library does not know
 *   -EKEYREJECTED     made with another key or hash scheme than the directory's
 *   -EMFILE, -ENFILE  no descriptors left: a reader keeps up to three and opens with one more
 *   -ENOSPC           4,096 files are mapped by readers and indexes of this process
 *   -EACCES, -ENOTDIR, -ELOOP, -ENAMETOOLONG  of the directory or a file in it, as from open(2)
 *   -EPERM            a group or all users may write in the directory without the sticky bit
 *   -ENOMEM
 */
RDX_API int rdx_reader_open(struct rdx_reader **ret_reader, const char *dir, uint64_t worker_id,
			    uint32_t dp_rank);

/* NULL is allowed. */
RDX_API void rdx_reader_close(struct rdx_reader *reader);

/* Valid until the reader is closed. */
RDX_API const struct rdx_rank_info *rdx_reader_info(const struct rdx_reader *reader);

/*
 * What feeds the rank, as its producer said last: kind RDX_SOURCE_NONE, and all else 0, where it said nothing.
 * Of a dead rank it is what was true at its end. Nothing of it is checked: it is for people and metrics.
 * Wait-free. -EBADMSG: the file was truncated (with the guard); -EINVAL, -E2BIG of its size.
 */
RDX_API int rdx_reader_get_source(const struct rdx_reader *reader, struct rdx_source *ret_source);

/* 1 while a running process holds the rank, 0 if none does; -errno from fcntl(2), which says nothing
 * of either: -ENOMEM under a memory cgroup. One system call. */
RDX_API int rdx_reader_alive(const struct rdx_reader *reader);

/* Where the next rdx_reader_next reads. Always 0. */
RDX_API int rdx_reader_cursor(const struct rdx_reader *reader, struct rdx_cursor *ret_cursor);

/*
 * Read the next event, whole or not at all. Wait-free; touches one cache line a slot.
 *
 *   1           `ret_event` is filled
 *   0           the reader has caught up
 *   -EOVERFLOW  the ring lapped the reader, or a snapshot was begun and failed: recover
 *   -EBADMSG    the segment's content is not what a producer writes, or its file was
 *               truncated (with the guard): close the reader, drop the rank
 *
 * Where a clear is the whole worker's (clear_id of the info), one that another rank announced is
 * answered as soon as it is known, before this rank's ring says so: as a Cleared of all tiers with
 * the id of the event before it, or 0. Events from before such a clear are skipped.
 */
RDX_API int rdx_reader_next(struct rdx_reader *reader, struct rdx_event *ret_event);

/*
 * Choose where reading starts. `from` NULL, or of another epoch: nothing is known yet.
 * Afterwards rdx_reader_next reads from the start chosen; where the way is
 * RDX_RECOVERED_LEDGER, rdx_reader_snapshot must be read to its end first.
 *
 *   0         chosen
 *   -ESTALE   the rank has a new epoch, in a new file: close and open again
 *   -EAGAIN   the ring moves too fast for this moment: try again
 *   -EBADMSG  as above
 */
RDX_API int rdx_reader_recover(struct rdx_reader *reader, const struct rdx_cursor *from,
			       struct rdx_recovery *ret_recovery);

/*
 * Copy up to `capacity` prefix hashes held in one tier from the producer's ledger; call until it
 * answers 0. Events that arrive meanwhile are kept in a bounded private log, and rdx_reader_next
 * reads them from there. The state is exact once the cursor's position has reached
 * *ret_exact_position; until then it is wrong by half an event or more. A producer that died in the
 * middle of an event leaves a position that is never reached: ask rdx_reader_alive.
 *
 *   > 0         hashes copied, of tier *ret_tier
 *   0           the end; *ret_exact_position is set
 *   -EOVERFLOW  the ring lapped the reader again: recover again
 *   -ENOMEM     no room for the log: recover again
 *   -EINVAL     no snapshot is under way
 *   -EBADMSG    as above
 */
RDX_API int64_t rdx_reader_snapshot(struct rdx_reader *reader, uint64_t *ret_hashes,
				    uint64_t capacity, uint8_t *ret_tier,
				    uint64_t *ret_exact_position);

/*
 * The range query of NVIDIA Dynamo's PR 9296. first_id 0: no start; last_id UINT64_MAX:
 * no end; the end does not cut. Answered in this order: last_id < first_id is INVALID;
 * another epoch or no start from the barrier, else SNAPSHOT; first_id after the newest
 * TOO_NEW; else EVENTS from the last all-tier Cleared at or after first_id, else from
 * first_id; where first_id is no longer in the ring, from the barrier, else SNAPSHOT.
 * `start` can be given to rdx_reader_seek. Lock-free; reads O(log ring_slots) slots.
 *
 *   0 or -EAGAIN (the ring moved too fast for this moment), -EBADMSG
 */
RDX_API int rdx_reader_range(struct rdx_reader *reader, uint64_t epoch, uint64_t first_id,
			     uint64_t last_id, struct rdx_range *ret_range);

/* Read on at a cursor of this epoch, as returned by rdx_reader_range or _cursor.
 * -ESTALE: of another epoch. */
RDX_API int rdx_reader_seek(struct rdx_reader *reader, const struct rdx_cursor *cursor);

/*
 * Exactly what the rank holds in `tier` after one event, from its ledger and the ring
 * after it. At most `capacity` hashes are written, in no order; `*ret_count` says how
 * many there are. The cursor of the reader is not moved. Allocates; waits up to 100 ms
 * for a producer that is in the middle of an event.
 *
 *   0, -ENOSPC (capacity too small: *ret_count is set, nothing else), -EAGAIN (events come too
 *   fast, or one is not finished), -EOWNERDEAD (it never will be), -EBADMSG, -ENOMEM, -EINVAL (no
 *   such tier)
 */
RDX_API int rdx_reader_resident(struct rdx_reader *reader, uint8_t tier, uint64_t *ret_hashes,
				uint64_t capacity, uint64_t *ret_count,
				struct rdx_cursor *ret_exact_at);

/*
 * Call `visit` for every block that the rank holds after one event, in any tier, once, with what it is made of:
 * parents before their children, mostly in runs. Blocks that are not described come last; there are none unless
 * the ledger is not as a publisher writes it. The state was taken before the first visit, so `visit` may take
 * as long as it likes; < 0 ends it. No call on the reader from `visit`; the block is valid during it. The cursor
 * of the reader is not moved: with *ret_exact_at, another reader goes on from this state (rdx_reader_seek).
 *
 * A ledger has no cache groups: a block is held where all groups that count hold it.
 *
 * Allocates, some 100 bytes a block; waits up to 100 ms for a producer that is in the middle of an event.
 *
 *   0 or -EAGAIN, -EOWNERDEAD, -EBADMSG, -ENOMEM, as rdx_reader_resident; what `visit` returned
 */
RDX_API int rdx_reader_each(struct rdx_reader *reader,
			    int (*visit)(void *context, const struct rdx_block *block),
			    void *context, struct rdx_cursor *ret_exact_at);

RDX_API int rdx_reader_get_stats(const struct rdx_reader *reader,
				 struct rdx_reader_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
