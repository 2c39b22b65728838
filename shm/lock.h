/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks of open file descriptions: claims that end with their process.
 *
 * A lock is of the whole file; that of a cleaner, who holds it for some system calls while it removes
 * what the lock protects, of the first byte alone. So who finds a cleaner's knows that it will soon be
 * free, and takes none for a living owner's: a cleaner may be stopped, too.
 *
 * A lock file is its owner's alone (mode 0600): who may open it can lock it. Whoever opens one that others
 * may open takes it back.
 */
#ifndef RDX_LOCK_H
#define RDX_LOCK_H

#include <stdint.h>

/* Take a write lock on the open file description, without waiting. 0; -EBUSY: another one has it;
 * -EAGAIN: a cleaner has, or had just now; -EPERM: somebody has a read lock, who was able to open the
 * file; -errno. The kernel drops it when the description is gone, however its process ends. */
int rdx_lock_take(int fd);

/* The same with a read lock, which several processes may hold at once. */
int rdx_lock_share(int fd);

/* Where a cleaner was in the way: pause for a millisecond before the next try. 1; 0: these were a second
 * together, which is long for a cleaner that runs. */
int rdx_lock_pause(uint32_t *pauses);

/* The cleaner's: -EBUSY whoever is in the way. */
int rdx_lock_take_to_clean(int fd);

/* Does anybody hold rdx_lock_take's lock? 1, 0, -errno. */
int rdx_lock_held(int fd);

/* The same of a file by its name, a segment. -ENOENT, -EBADMSG, -errno where it cannot be opened. */
int rdx_lock_file_held(int dir_fd, const char *name);

/* Take the lock of a file that was opened by that name. 1; 0: it lost its name before, and its lock would
 * protect nothing; -errno as it. Closed unless 1. */
int rdx_lock_named(int fd, int dir_fd, const char *name, int (*take)(int fd));

/*
 * Open a lock file, made if there is none, and take its lock; the file has its name then, and keeps it
 * while the lock is held: one on a file that a cleaner has unlinked would protect nothing. Returns the
 * descriptor. -errno of rdx_lock_take; of openat(2), -ENOENT also where its directory is gone; -EPERM:
 * the file is another user's, and others may open it.
 */
int rdx_lock_open(int dir_fd, const char *name);

/* The cleaner's; `create` 0: -ENOENT where there is no such file. One that root makes is given to the
 * owner of its directory. */
int rdx_lock_open_to_clean(int dir_fd, const char *name, int create);

/* Unlock and close: also where a child forked meanwhile has a copy of the descriptor. */
void rdx_lock_drop(int fd);

#endif
