/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maintain the shared index of a namespace: follow every rank's ring, recover it when
 * needed, and publish who holds what to every process that maps the index.
 *
 * One process per index: a lock decides, a second one gets -EBUSY. A handle serves one
 * thread. All work happens in rdx_indexer_poll; rdx_indexer_wait sleeps until there is
 * some.
 *
 * After fork() the handle is dead in the child, which does not keep the lock: poll and
 * wait answer -EOWNERDEAD, and rdx_indexer_close frees the child's copy. The parent goes on.
 */
#ifndef RDX_INDEXER_H
#define RDX_INDEXER_H

#include <ringdex/rdx_index.h>
#include <ringdex/rdx_types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rdx_indexer;

/* How rdx_indexer_wait sleeps. */
#define RDX_WAIT_AUTO  0 /* io_uring where the kernel allows it, else epoll */
#define RDX_WAIT_URING 1
#define RDX_WAIT_EPOLL 2

/*
 * What rdx_indexer_wait does until there is work. Who publishes to a sleeper wakes it, which is most of
 * what an engine pays: a system call of 10 to 20 us.
 *   HYBRID  naps of 0.25 ms that no producer ends, so that an engine at work wakes nobody. Where events
 *           come at a pace and say when they were published, a nap ends when the next one is due: up
 *           to 4 ms. Once 5 ms have brought nothing, as SLEEP
 *   SLEEP   until a producer rings: seen sooner, and the engine pays
 *   SPIN    none: a processor that does nothing else, for events that are seen in a microsecond
 */
#define RDX_REST_HYBRID 0
#define RDX_REST_SLEEP  1
#define RDX_REST_SPIN   2

struct rdx_indexer_options {
	uint64_t size;           /* sizeof(struct rdx_indexer_options) */
	const char *dir;         /* NULL: /dev/shm/ringdex. Created if missing */
	uint64_t initial_blocks; /* a table has room for as many at least; 0: 4,096 */
	uint64_t stale_after_ns; /* age from which a rank is STALE; 0: 250 ms */
	uint64_t liveness_ns;    /* how often locks are checked, see rdx_indexer_poll; 0: 50 ms */
	uint32_t wait_mode;      /* RDX_WAIT_... */
	uint32_t file_mode;      /* of index files; 0: 0640. Nobody else may write */
	/* What one worker may take; what is beyond is refused with -EDQUOT, shown, and tried again: */
	uint64_t worker_bytes_max;   /* of its segments, as long as they are now; 0: 16 GiB */
	uint32_t worker_ranks_max;   /* 0: 64; an index knows 256 */
	uint32_t worker_columns_max; /* two a rank and tier; 0: 256, half of an index's */
	uint32_t worker_indexes_max; /* models and tenants; 0: 8 */
	uint32_t rest_mode;          /* RDX_REST_... */
	/* What all workers of one user may take, who is neither root nor this process's; 0: 192. So many ranks,
	 * and indexes; and twice as many columns of an index. A worker is its directory's owner's. */
	uint32_t user_ranks_max;
	uint32_t reserved;
};

/* Counters since open. */
struct rdx_indexer_stats {
	uint64_t size;       /* in: sizeof(struct rdx_indexer_stats) */
	uint64_t indexes;    /* now */
	uint64_t ranks;      /* now, not GONE */
	uint64_t unreadable; /* now: segments that cannot be opened, but for refused ranks */
	uint64_t refused; /* now: ranks for which there is no column or room, or beyond a limit */
	uint64_t events;
	uint64_t blocks_stored;
	uint64_t blocks_removed;
	uint64_t clears;
	uint64_t events_dead;
	uint64_t slots_lost;
	uint64_t recoveries[4]; /* by RDX_RECOVERED_... of rdx_reader.h */
	uint64_t generations;   /* tables that replaced another */
	uint64_t table_bytes;   /* now */
	uint64_t wakes;         /* times a sleep ended before its timeout */
	uint64_t naps;          /* sleeps that no producer was asked to end */
	uint32_t wait_mode;     /* in use */
	int32_t lock_cause; /* -errno: now without indexer.lock, see rdx_indexer_poll; 0: with it */
};

/*
 * Blocking. Indexes are made by rdx_indexer_poll, as ranks are found.
 *
 *   -EINVAL        an option out of range
 *   -EBUSY         another running process maintains an index of this namespace
 *   -EAGAIN        a cleaner has had indexer.lock for a second: it is stopped
 *   -EKEYREJECTED  the namespace's key file is damaged
 *   -ENOSYS, -EPERM, -ENOMEM  RDX_WAIT_URING was requested, and there is no io_uring, it is
 *                  forbidden, or RLIMIT_MEMLOCK is too low for it
 *   -EMFILE, -ENFILE  no descriptors left: a handle keeps up to six, and up to three for
 *                  each rank and for each index
 *   -EACCES, -ENOENT, -ENOTDIR, -EROFS, -ELOOP, -ENAMETOOLONG, -ENOSPC, -EDQUOT  of the
 *                  directory or a file in it, as from open(2); -ENOLCK as from fcntl(2);
 *                  -EFBIG where RLIMIT_FSIZE forbids a file, without a SIGXFSZ;
 *                  -EPERM where the file system has no hard links, and where the directory, or
 *                  index/ in it, is neither this user's nor root's, or a group or all users may
 *                  write in it without the sticky bit; where indexer.lock is another user's, or was
 *                  open to others, one of whom has locked it
 *   -ENOMEM
 */
RDX_API int rdx_indexer_open(struct rdx_indexer **ret_indexer,
			     const struct rdx_indexer_options *options);

/* Every rank turns STALE, since the heartbeat ends. NULL is allowed. */
RDX_API void rdx_indexer_close(struct rdx_indexer *indexer);

/*
 * Do a bounded amount of work, for less than a millisecond where it can be split: find new ranks
 * and notice those that are gone, apply about `max_blocks` blocks (0: 65,536; an event counts as four
 * more) shared fairly between ranks, in rounds of at most 512 of one rank and what is left of an
 * event, recover, sweep, grow, move the heartbeat. Returns how much was applied: 0 means everything is
 * caught up; 1 may also mean that the time was over before every rank was asked, as where this process was
 * not running. A worker that fails is dropped and shown, and the call goes on.
 *
 * A rank is gone when its lock is free. Where the kernel tells that a segment was closed (inotify watches all
 * directories), locks are checked at once then, again after `liveness_ns`, and else at every fourth of these;
 * elsewhere each `liveness_ns`.
 *
 * Five times a second it looks whether its own files still have their names. The bell, an index and its
 * tables are made again, and handles go over to them (rows are STALE meanwhile); so is the lock file.
 * Where that cannot be (another user has made a file of that name; no descriptors), it goes on with the
 * files that it has, gives none a name and removes none, since another indexer may maintain them by then,
 * and asks again: lock_cause of the statistics says why.
 * A segment without a name is followed while its producer lives. An index that no rank has fed for ten
 * minutes is removed, and made again when a rank comes.
 *
 *   >= 0
 *   -ENOENT      the directory was removed or renamed. Close, and open again: that makes it
 *   -ESTALE      another directory has its name now (a volume was made anew or mounted). Likewise
 *   -EBUSY       indexer.lock was removed, and another process has it by now and maintains the
 *                indexes. Close: of what it made nothing is touched any more
 *   -ENOMEM
 *   -EOWNERDEAD  the handle was made before a fork
 */
RDX_API int rdx_indexer_poll(struct rdx_indexer *indexer, uint32_t max_blocks);

/*
 * Sleep until a producer rings, the directory changes, a producer is gone or `timeout_ns` passes (< 0: until the
 * next check of locks or heartbeat; a sleep is never longer than that, 100 ms and half of stale_after_ns at
 * most), or for a nap: see RDX_REST_HYBRID. Poll after it,
 * whatever it returns; and wait after each poll, whatever that returned: to look whether there is work costs
 * less than to poll again. Returns 1 if woken or if there is work already, such as a table to be freed
 * whose last reader has left it; 0 on timeout, after a nap or a signal; -EOWNERDEAD after a fork, else
 * -errno of io_uring_enter(2) or epoll_wait(2), which nothing but a lack of memory is known to cause.
 */
RDX_API int rdx_indexer_wait(struct rdx_indexer *indexer, int64_t timeout_ns);

RDX_API int rdx_indexer_get_stats(const struct rdx_indexer *indexer,
				  struct rdx_indexer_stats *ret_stats);

/* One recovery that succeeded. */
struct rdx_recovery_row {
	uint64_t size; /* in: sizeof(struct rdx_recovery_row) */
	uint64_t worker_id;
	uint32_t dp_rank;
	uint32_t way;             /* RDX_RECOVERED_BARRIER or _LEDGER */
	uint64_t events_skipped;  /* dead or covered by the ledger, never read */
	uint64_t events_replayed; /* read from the ring until it was exact */
	uint64_t ledger_blocks;   /* taken from the ledger */
	uint64_t duration_ns; /* from the first look at the ring to the store that shows the rank */
};

/* The `i`-th recovery since open; the newest 256 are kept. -ENOENT: not yet, or no more. */
RDX_API int rdx_indexer_recovery(const struct rdx_indexer *indexer, uint64_t i,
				 struct rdx_recovery_row *ret_row);

/* What became of the `i`-th segment seen, for people; -ENOENT past the end. `cause` 0: followed;
 * -ESRCH: no running process holds it. */
struct rdx_segment_row {
	uint64_t size; /* in: sizeof(struct rdx_segment_row) */
	uint64_t worker_id;
	uint32_t dp_rank;
	int32_t cause; /* -errno why it is not followed */
};
RDX_API int rdx_indexer_segment(const struct rdx_indexer *indexer, uint32_t i,
				struct rdx_segment_row *ret_row);

#ifdef __cplusplus
}
#endif
#endif
