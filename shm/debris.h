/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debris: what has the name of a worker's lock file or clear file and is none.
 *
 * What is removed elsewhere goes under a lock of its own. Debris has none, and who removes it must not take
 * the name from a file that another process has given it since. So all who do that hold a lock of its
 * directory: a file that is made for it, may be opened by its owner alone, and loses its name before it is
 * unlocked. So nobody else can be in the way, nor can what a child that was forked meanwhile has of it.
 */
#ifndef RDX_DEBRIS_H
#define RDX_DEBRIS_H

#define RDX_DEBRIS_LOCK_NAME ".debris"

/*
 * Make the name free, whatever has it that is no regular file; or, with `fd`, if it is still the name of the
 * file that is open there. The name is left to a file that was given it since, also by who removed the debris a
 * moment before. 0; -EAGAIN: another process is in the middle; -ENOTEMPTY: a directory that is not empty;
 * -errno.
 */
int rdx_debris_remove(int dir_fd, const char *name, int fd);

/* Remove the lock of a directory whose holder died. Nothing where there is none, or it is held. */
void rdx_debris_remove_lock(int dir_fd);

#endif
