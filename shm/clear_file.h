/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a worker's clear stamp.
 */
#ifndef RDX_CLEAR_FILE_H
#define RDX_CLEAR_FILE_H

#include "shm/mapping.h"

/*
 * A worker's clear file. With `create`, for producers: made if there is none, mapped read-write;
 * -EPERM if any other user may write it, -EAGAIN where a cleaner is in the way. Otherwise mapped
 * read-only. -ENOENT, -EBADMSG, -errno.
 */
int rdx_clear_file_open(struct rdx_mapping *ret_mapping, int dir_fd, uint64_t worker_id, int create,
			uint32_t file_mode);

struct rdx_clear;

/*
 * For producers, where the file lost its name: make it again of the one that is still mapped, so that
 * its id and its stamp go on, or join what another rank of the worker made of the same. -ESTALE: it has
 * another id; else as above.
 */
int rdx_clear_file_restore(struct rdx_mapping *ret_mapping, int dir_fd, uint64_t worker_id,
			   const struct rdx_clear *lost, uint32_t file_mode);

#endif
