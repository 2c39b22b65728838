/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that other processes made, opened without trusting them.
 */
#ifndef RDX_FILE_H
#define RDX_FILE_H

#include <stdint.h>

/* Open a file that another process made, if it is a regular one; report its size. */
int rdx_file_open_foreign(int dir_fd, const char *name, int flags, uint64_t *ret_bytes);

/* 1 if no user but this process's may write the file, and so truncate it under us. */
int rdx_file_is_ours_alone(int fd);

/* Is the file on memory (tmpfs, hugetlbfs) rather than a disk? */
int rdx_file_in_memory(int fd);

#endif
