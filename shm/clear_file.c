/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/clear_file.h"

#include "shm/clear.h"
#include "shm/debris.h"
#include "shm/file.h"
#include "shm/lock.h"
#include "shm/namespace.h"
#include "shm/namespace_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 100

void rdx_clear_know(struct rdx_clear_known *known, uint64_t id, uint32_t stamp)
{
	if (!known->id) {
		known->id = id;
		known->stamp = stamp;
	} else if (known->id == id && rdx_clear_before(known->stamp, stamp)) {
		known->stamp = stamp;
	}
}

/* Nothing if there is one already. */
static int make(int dir_fd, uint64_t worker_id, const struct rdx_clear_known *known,
		uint32_t file_mode)
{
	char prefix[RDX_NAME_BYTES];
	struct rdx_clear content;
	uint64_t id;
	int r = rdx_namespace_random_id(&id);

	if (r < 0)
		return r;
	rdx_clear_fill(&content, id, known->id, known->stamp);
	rdx_namespace_worker_dir(worker_id, prefix);
	strcat(prefix, "/");
	return rdx_namespace_make_file(dir_fd, prefix, "clear", &content, sizeof(content),
				       file_mode & ~(uint32_t)(S_IWGRP | S_IWOTH));
}

int rdx_clear_file_check(int fd, uint64_t id)
{
	struct rdx_clear clear;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = st.st_size == sizeof(clear) ? rdx_file_read(fd, &clear, sizeof(clear)) : -EBADMSG;
	if (r < 0)
		return r;
	if (!clear.id || (id && clear.id != id))
		return -EBADMSG;
	return rdx_clear_is_sound(&clear, clear.id) ? 0 : -EBADMSG;
}

static int is_of_ranks_of_another(const struct stat *st)
{
	return geteuid() == 0 && S_ISREG(st->st_mode) && st->st_uid != 0;
}

int rdx_clear_file_check_user(int dir_fd, uint64_t worker_id)
{
	char name[RDX_NAME_BYTES];
	struct stat st;

	rdx_namespace_clear(worker_id, name);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return is_of_ranks_of_another(&st) ? -EPERM : 0;
}

/* Can it be used? Whoever else may write the file could truncate it under us. 1; 0: it can be replaced;
 * -errno. */
static int is_usable(int fd)
{
	struct stat st;
	int r = rdx_file_check_ours(fd);

	if (r == 0)
		r = rdx_clear_file_check(fd, 0);
	else if (r == -EPERM && fstat(fd, &st) < 0)
		return -errno;
	else if (r == -EPERM && is_of_ranks_of_another(&st))
		return r;
	if (r == 0)
		return 1;
	return r == -EPERM || r == -EBADMSG ? 0 : r;
}

/* Open for a producer, which shares its lock: a cleaner removes no file that somebody has locked. 1; 0:
 * there was none, or none that could be used: look again. */
static int open_to_write(int dir_fd, uint64_t worker_id, const struct rdx_clear_known *known,
			 uint32_t file_mode, int *ret_fd)
{
	char name[RDX_NAME_BYTES];
	uint64_t bytes;
	int r;

	rdx_namespace_clear(worker_id, name);
	*ret_fd = rdx_file_open_foreign(dir_fd, name, O_RDWR, &bytes);
	if (*ret_fd == -ENOENT)
		return make(dir_fd, worker_id, known, file_mode);
	if (*ret_fd == -EBADMSG)
		return rdx_debris_remove(dir_fd, name, -1);
	if (*ret_fd < 0)
		return *ret_fd;
	r = is_usable(*ret_fd);
	if (r > 0)
		return rdx_lock_named(*ret_fd, dir_fd, name, rdx_lock_share);
	if (r == 0)
		r = rdx_debris_remove(dir_fd, name, *ret_fd);
	close(*ret_fd);
	return r;
}

/* The descriptor, or -errno. */
static int open_for(int dir_fd, uint64_t worker_id, const struct rdx_clear_known *known,
		    uint32_t file_mode)
{
	char name[RDX_NAME_BYTES];
	uint64_t bytes;
	int fd = -1, r = 0;

	rdx_namespace_clear(worker_id, name);
	if (!known)
		return rdx_file_open_foreign(dir_fd, name, O_RDONLY, &bytes);
	for (int i = 0; r == 0 && i < TRIES; i++)
		r = open_to_write(dir_fd, worker_id, known, file_mode, &fd);
	if (r == 0)
		return -EAGAIN; /* cleaners all the time */
	return r < 0 ? r : fd;
}

int rdx_clear_file_open(struct rdx_mapping *ret_mapping, int dir_fd, uint64_t worker_id,
			const struct rdx_clear_known *known, uint32_t file_mode)
{
	struct rdx_mapping mapping = {.fd = -1};
	int fd = open_for(dir_fd, worker_id, known, file_mode), r;

	if (fd < 0)
		return fd;
	r = rdx_clear_file_check(fd, 0);
	if (r == 0)
		r = rdx_mapping_attach(&mapping, fd, sizeof(struct rdx_clear), known != NULL);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_mapping = mapping;
	return 0;
}
