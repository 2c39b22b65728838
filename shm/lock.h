/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks of open file descriptions: claims that end with their process.
 */
#ifndef RDX_LOCK_H
#define RDX_LOCK_H

/* Take a write lock on the open file description, without waiting: 0, -EBUSY, -errno.
 * The kernel drops it when the description is gone, however its process ends. */
int rdx_lock_take(int fd);

/* Does anybody hold rdx_lock_take's lock? 1, 0, -errno. */
int rdx_lock_held(int fd);

#endif
