/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that other processes made, opened without trusting them.
 */
#ifndef RDX_FILE_H
#define RDX_FILE_H

#include <dirent.h>
#include <stdint.h>

/* Below, -EBADMSG is a file that is not what it should be; one that cannot be looked at is -errno. */

/* Does this -errno of openat(2) for reading and writing say that a link, a directory or a socket has the
 * name? */
int rdx_file_is_none(int error);

/* Open a file that another process made, if it is a regular one; report its size. A descriptor,
 * -EBADMSG, -errno. */
int rdx_file_open_foreign(int dir_fd, const char *name, int flags, uint64_t *ret_bytes);

/* Make the name free, whatever has it. 0, also where nothing has; -errno: a directory that is not
 * empty, or another user's. */
int rdx_file_remove(int dir_fd, const char *name);

/* Make the name free if it is still the open file's: another process may have given it to its own. */
void rdx_file_remove_own(int fd, int dir_fd, const char *name);

/* A stream of a directory, not through a link. NULL: errno. */
DIR *rdx_file_open_dir(int dir_fd, const char *name);

/* The next entry of a directory. 1, 0: there is no more; -errno: there may be. */
int rdx_file_entry(DIR *dir, struct dirent **ret_entry);

/* What tells the file from a copy of it. 0, -errno. */
int rdx_file_inode(int fd, uint64_t *ret_inode);

/* The first `bytes` bytes. 0, -EBADMSG: it has fewer; -errno. */
int rdx_file_read(int fd, void *ret_content, uint64_t bytes);

/* 0 if no user but this process's may write the file, and so truncate it under us; -EPERM, -errno. */
int rdx_file_check_ours(int fd);

/*
 * Does the name still lead to the open file? 1; 0: it leads nowhere, or to another one, and whoever
 * comes later will not find this one; -errno: it cannot be told.
 */
int rdx_file_is_named(int fd, int dir_fd, const char *name);

/* Is the file on memory (tmpfs, hugetlbfs) rather than a disk? 1, 0, -errno. */
int rdx_file_in_memory(int fd);

/* -EBADMSG if the first `bytes` bytes of a file in memory may lack pages: whoever only reads one
 * that is missing allocates it, at the reader's own cost. On a disk it would be a page of the
 * cache, and blocks may be compressed: 0. -errno. */
int rdx_file_check_allocated(int fd, uint64_t bytes);

/*
 * May this process make a file of `bytes` bytes? 0, -EFBIG. Asked before a file grows: the kernel
 * answers by SIGXFSZ where RLIMIT_FSIZE forbids it, and that ends the process, maybe an engine.
 */
int rdx_file_may_grow(uint64_t bytes);

/* Allocate `bytes` bytes from `at` on, growing the file if it ends before. -EFBIG, as above;
 * -errno of posix_fallocate(3). */
int rdx_file_allocate(int fd, uint64_t at, uint64_t bytes);

#endif
