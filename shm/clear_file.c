/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/clear_file.h"

#include "shm/clear.h"
#include "shm/file.h"
#include "shm/lock.h"
#include "shm/namespace.h"
#include "shm/namespace_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAKE_TRIES 100

/* Nothing if there is one already. */
static int make(int dir_fd, uint64_t worker_id, const struct rdx_clear *content, uint32_t file_mode)
{
	char prefix[RDX_NAME_BYTES];

	rdx_namespace_worker_dir(worker_id, prefix);
	strcat(prefix, "/");
	return rdx_namespace_make_file(dir_fd, prefix, "clear", content, sizeof(*content),
				       file_mode & ~(uint32_t)(S_IWGRP | S_IWOTH));
}

/* Whoever else may write the file could truncate it under us. */
static int share_own(int fd)
{
	int r = rdx_file_check_ours(fd);

	return r < 0 ? r : rdx_lock_share(fd);
}

/* Made if there is none, open for a producer, which shares its lock: a cleaner removes no file that
 * somebody has locked. 0 where one removed it just now. */
static int open_to_write(int dir_fd, uint64_t worker_id, uint32_t file_mode, int *ret_fd,
			 uint64_t *ret_bytes)
{
	struct rdx_clear clear = {.magic = RDX_CLEAR_MAGIC};
	char name[RDX_NAME_BYTES];
	int r = rdx_namespace_random_id(&clear.id);

	if (r == 0)
		r = make(dir_fd, worker_id, &clear, file_mode);
	if (r < 0)
		return r;
	rdx_namespace_clear(worker_id, name);
	*ret_fd = rdx_file_open_foreign(dir_fd, name, O_RDWR, ret_bytes);
	if (*ret_fd < 0)
		return *ret_fd == -ENOENT ? 0 : *ret_fd;
	return rdx_lock_named(*ret_fd, dir_fd, name, share_own);
}

/* The descriptor, or -errno. */
static int open_for(int create, int dir_fd, uint64_t worker_id, uint32_t file_mode,
		    uint64_t *ret_bytes)
{
	char name[RDX_NAME_BYTES];
	int fd = -ENOENT, r = 0;

	rdx_namespace_clear(worker_id, name);
	if (!create)
		return rdx_file_open_foreign(dir_fd, name, O_RDONLY, ret_bytes);
	for (int i = 0; r == 0 && i < MAKE_TRIES; i++)
		r = open_to_write(dir_fd, worker_id, file_mode, &fd, ret_bytes);
	if (r == 0)
		return -EAGAIN; /* cleaners all the time */
	return r < 0 ? r : fd;
}

int rdx_clear_file_open(struct rdx_mapping *ret_mapping, int dir_fd, uint64_t worker_id, int create,
			uint32_t file_mode)
{
	struct rdx_mapping mapping = {.fd = -1};
	struct rdx_clear clear;
	uint64_t bytes = 0;
	int fd = open_for(create, dir_fd, worker_id, file_mode, &bytes), r;

	if (fd < 0)
		return fd;
	r = bytes == sizeof(clear) ? rdx_file_read(fd, &clear, sizeof(clear)) : -EBADMSG;
	if (r == 0 && (clear.magic != RDX_CLEAR_MAGIC || clear.id == 0))
		r = -EBADMSG;
	if (r == 0)
		r = rdx_mapping_attach(&mapping, fd, sizeof(clear), create);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_mapping = mapping;
	return 0;
}

int rdx_clear_file_restore(struct rdx_mapping *ret_mapping, int dir_fd, uint64_t worker_id,
			   const struct rdx_clear *lost, uint32_t file_mode)
{
	uint32_t stamp = rdx_clear_stamp(lost);
	struct rdx_clear content = {.magic = RDX_CLEAR_MAGIC, .id = lost->id, .stamp = stamp},
			 *found;
	struct rdx_mapping mapping;
	int r = make(dir_fd, worker_id, &content, file_mode);

	if (r == 0)
		r = rdx_clear_file_open(&mapping, dir_fd, worker_id, 1, file_mode);
	if (r < 0)
		return r;
	found = mapping.base;
	if (found->id != content.id) {
		rdx_mapping_close(&mapping);
		return -ESTALE;
	}
	/* what was cleared in the lost file since is cleared here too */
	rdx_clear_raise(found, stamp);
	*ret_mapping = mapping;
	return 0;
}
