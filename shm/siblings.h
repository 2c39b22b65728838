/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ranks of one worker, as one of them finds the others when it starts.
 */
#ifndef RDX_SIBLINGS_H
#define RDX_SIBLINGS_H

#include "shm/clear_file.h"

/*
 * What the other ranks of the worker, those that live, know of its clear file: their segments say its id
 * and their stamps. 0, -errno.
 */
int rdx_siblings_ask(int dir_fd, uint64_t worker_id, uint32_t dp_rank,
		     struct rdx_clear_known *ret_known);

#endif
