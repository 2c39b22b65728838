/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a worker's clear stamp.
 */
#ifndef RDX_CLEAR_FILE_H
#define RDX_CLEAR_FILE_H

#include "shm/mapping.h"

/* What ranks of a worker know of its clear file. All 0: none of them lives. */
struct rdx_clear_known {
	uint64_t id;    /* 0: not known */
	uint32_t stamp; /* the newest */
};

/* One of them says this. The first one's id counts, and the stamps of those who have the same. */
void rdx_clear_know(struct rdx_clear_known *known, uint64_t id, uint32_t stamp);

/*
 * May this process publish ranks of the worker? Root may replace every file, but the ranks of another user
 * could not use what it makes: -EPERM where the worker has a clear file of another one's, and this is root.
 * 0, -errno.
 */
int rdx_clear_file_check_user(int dir_fd, uint64_t worker_id);

/*
 * A worker's clear file. For consumers `known` is NULL: mapped read-only. -ENOENT, -EBADMSG, -errno.
 *
 * Producers say what is known of it; mapped read-write, and made if there is none, going on from what is
 * known. One that is damaged, or that others may write, loses its name, and those who have it open go over
 * to the new one. -EAGAIN: a cleaner is in the way; -EPERM, as above; -errno.
 */
int rdx_clear_file_open(struct rdx_mapping *ret_mapping, int dir_fd, uint64_t worker_id,
			const struct rdx_clear_known *known, uint32_t file_mode);

/* Is it a clear file, and with that id, unless that is 0? 0, -EBADMSG, -errno. */
int rdx_clear_file_check(int fd, uint64_t id);

#endif
