/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remove what dead producers left in a namespace.
 *
 * A rank's files go under its lock: no producer has it then, and one that comes while they go waits,
 * or finds that the lock file which it opened has lost its name, and opens a new one
 * (rdx_lock_open). A worker's clear file goes likewise, under its own lock, which the producers that
 * have it mapped share. Nothing is told of what is in use.
 */
#ifndef RDX_REAP_H
#define RDX_REAP_H

#include "shm/namespace.h"
#include <ringdex/rdx_types.h>

/* One thing that is dead. */
struct rdx_reaped {
	uint32_t kind; /* RDX_CLEANED_... */
	int32_t cause; /* 0: it was removed, or would be; -EAGAIN: not dead for long enough; -errno */
	uint64_t worker_id;        /* of a rank, a worker */
	uint32_t dp_rank;          /* of a rank */
	uint64_t bytes;            /* that it holds of the file system */
	uint64_t dead_ns;          /* known to be dead for so long; 0: since now */
	char name[RDX_NAME_BYTES]; /* within the namespace */
};

struct rdx_reap {
	int dir_fd;
	int dry_run;
	int own_only;         /* ranks of this user only, and nothing else */
	int keep_directories; /* somebody mounts them */
	uint64_t dead_for_ns;
	void (*tell)(void *context, const struct rdx_reaped *what);
	void *context;
};

/* All workers' ranks, clear files and directories, and temporary files. -errno where the namespace
 * cannot be listed. */
int rdx_reap_workers(const struct rdx_reap *reap);

/*
 * How long has what a lock file protects been known to be dead? Who first finds it so marks the lock
 * file with the time, unless this is a dry run. A mark from before `born_ns`, the beginning of what is
 * dead, is of an earlier life. Call it with the lock.
 */
uint64_t rdx_reap_dead_ns(int lock_fd, uint64_t born_ns, int dry_run);

/* CLOCK_REALTIME of when the file last changed; what it takes is added to `bytes`. 0: there is none;
 * UINT64_MAX: it cannot be looked at, and so is not taken for old. */
uint64_t rdx_reap_look(int dir_fd, const char *name, uint64_t *bytes);

#endif
