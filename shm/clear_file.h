/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a worker's clear stamp.
 */
#ifndef RDX_CLEAR_FILE_H
#define RDX_CLEAR_FILE_H

#include "shm/mapping.h"

/*
 * A worker's clear file. With `create`, for producers: made if there is none, mapped read-write;
 * -EPERM if any other user may write it. Otherwise mapped read-only. -ENOENT, -EBADMSG, -errno.
 */
int rdx_clear_file_open(struct rdx_mapping *ret_mapping, int dir_fd, uint64_t worker_id, int create,
			uint32_t file_mode);

#endif
