/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that other processes made: opened without trust.
 */
#ifndef RDX_FILE_H
#define RDX_FILE_H

#include <stdint.h>

/* Open a file of somebody else's: a regular one, and its size. */
int rdx_file_open_foreign(int dir_fd, const char *name, int flags, uint64_t *ret_bytes);

/* May anybody but this process's user write the file (so truncate it under us)? */
int rdx_file_is_ours_alone(int fd);

/* Is the file on memory (tmpfs, hugetlbfs) rather than a disk? */
int rdx_file_in_memory(int fd);

#endif
