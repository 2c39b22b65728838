/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remove what the dead left in a namespace: segments and lock files of ranks that no process holds,
 * the clear files and directories of workers without ranks, files that were never completed, and
 * indexes that nobody maintains. What lives is not touched: every file goes under the lock that its
 * owner would have. A worker or an indexer that starts meanwhile waits for some system calls.
 *
 * For a sidecar of the workers, or from time to time: `ringdex clean` is this function.
 */
#ifndef RDX_CLEAN_H
#define RDX_CLEAN_H

#include <ringdex/rdx_types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RDX_CLEANED_NAME_BYTES 64

/* One thing that is dead. */
struct rdx_cleaned {
	uint64_t size;      /* of what this library fills: there is nothing beyond */
	uint64_t worker_id; /* of a rank or a worker */
	uint64_t bytes;     /* that it takes of the file system */
	uint64_t dead_ns;   /* known to be dead for so long, see dead_for_ns */
	uint32_t dp_rank;   /* of a rank */
	uint32_t kind;      /* RDX_CLEANED_... */
	int32_t cause;      /* 0: it was removed, or would be; -EAGAIN: dead for less than
			       dead_for_ns; -EACCES and others: it could not be looked at, or
			       removed */
	uint32_t reserved;
	char name[RDX_CLEANED_NAME_BYTES]; /* within the directory */
};

struct rdx_clean_options {
	uint64_t size;   /* sizeof(struct rdx_clean_options) */
	const char *dir; /* the namespace; NULL: /dev/shm/ringdex */
	/* Keep what is dead for less. A death leaves no time behind: it counts from the first call of
	 * rdx_clean that found it, of any process; that one marks the lock file. 0: keep nothing */
	uint64_t dead_for_ns;
	uint32_t dry_run;          /* 1: only tell, and mark nothing */
	uint32_t keep_directories; /* 1: of workers, which containers mount */
	/* Called for each dead thing, also where it stays, but for files that may be being written;
	 * NULL: nobody. It may not call back. */
	void (*tell)(void *context, const struct rdx_cleaned *what);
	void *context;
};

/* What was done. */
struct rdx_clean_result {
	uint64_t size;       /* in: sizeof(struct rdx_clean_result) */
	uint64_t removed;    /* things removed; in a dry run, that would be */
	uint64_t kept;       /* dead for less than dead_for_ns */
	uint64_t failed;     /* could not be removed */
	uint64_t bytes;      /* of those removed */
	uint64_t kept_bytes; /* of the others */
};

/*
 * Blocking. Any number of processes may clean at once.
 *
 *   -EINVAL   dry_run or keep_directories is neither 0 nor 1
 *   -ENOENT, -EACCES, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -EMFILE, -ENFILE, -ENOMEM  of the directory
 *   -EPERM    a group or all users may write in it without the sticky bit
 */
RDX_API int rdx_clean(const struct rdx_clean_options *options, struct rdx_clean_result *ret_result);

#ifdef __cplusplus
}
#endif
#endif
