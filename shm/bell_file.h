/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a namespace's bell.
 */
#ifndef RDX_BELL_FILE_H
#define RDX_BELL_FILE_H

#include "shm/mapping.h"

/*
 * The namespace's bell: make it if there is none (`create`), map it read-write. -EPERM if any other
 * user may write the file.
 */
int rdx_bell_file_open(struct rdx_mapping *ret_mapping, int dir_fd, int create);

#define RDX_BELL_FILE_NAME "bell"

/* Which bell it is, to know whether a producer rings the one that is listened to: never 0. */
uint64_t rdx_bell_file_id(const struct rdx_mapping *mapping);

#endif
