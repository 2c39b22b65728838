/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One indexer a namespace: a lock file decides, and the kernel drops its lock however the process
 * ends. A forked child must not keep it: a handler closes the descriptor there.
 */
#ifndef RDX_INDEXER_LOCK_H
#define RDX_INDEXER_LOCK_H

struct rdx_indexer_lock {
	int fd;                        /* -1: not held, or in a forked child */
	struct rdx_indexer_lock *next; /* of all held in this process */
};

/* The lock must not move while it is held. -EBUSY, -errno. */
int rdx_indexer_lock_take(struct rdx_indexer_lock *lock, int dir_fd);

/* The lock file's name may lead elsewhere by now, and another indexer take a lock there: hold that of
 * the name. 0; -EBUSY: another process has it; -errno: nothing changed, ask again later. */
int rdx_indexer_lock_renew(struct rdx_indexer_lock *lock, int dir_fd);

void rdx_indexer_lock_release(struct rdx_indexer_lock *lock);

#endif
