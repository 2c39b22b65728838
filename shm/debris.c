/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/debris.h"

#include "shm/file.h"
#include "shm/hook.h"
#include "shm/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARENT_BYTES 64 /* of what is a worker's, or the namespace's */

/* The directory, and what the name is in it: the path may lead to another one a moment later. */
static int open_parent(int dir_fd, const char *name, const char **ret_base)
{
	const char *end = strrchr(name, '/');
	char parent[PARENT_BYTES];
	int fd;

	snprintf(parent, sizeof(parent), "%.*s", end ? (int)(end - name) : 1, end ? name : ".");
	fd = openat(dir_fd, parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	*ret_base = end ? end + 1 : name;
	return fd < 0 ? -errno : fd;
}

/* Of a cleaner, whoever it is: it is held for some system calls. Where debris has its name, two who remove
 * that at once may both have a lock: nothing is above it that could be locked. */
static int lock(int parent_fd)
{
	int fd = rdx_lock_open_to_clean(parent_fd, RDX_DEBRIS_LOCK_NAME, 1), r;

	if (rdx_file_is_none(fd)) {
		r = rdx_file_remove(parent_fd, RDX_DEBRIS_LOCK_NAME);
		if (r < 0)
			return r;
		fd = rdx_lock_open_to_clean(parent_fd, RDX_DEBRIS_LOCK_NAME, 1);
	}
	return fd == -EBUSY ? -EAGAIN : fd;
}

static void unlock(int parent_fd, int lock_fd)
{
	rdx_file_remove_own(lock_fd, parent_fd, RDX_DEBRIS_LOCK_NAME);
	rdx_lock_drop(lock_fd);
}

/* 1, 0, -errno. */
static int is_debris(int parent_fd, const char *base, int fd)
{
	struct stat st;

	if (fd >= 0)
		return rdx_file_is_named(fd, parent_fd, base);
	if (fstatat(parent_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return !S_ISREG(st.st_mode);
}

static int remove_locked(int parent_fd, const char *base, int fd)
{
	int r = is_debris(parent_fd, base, fd);

	RDX_HOOK(RDX_HOOK_DEBRIS_SEEN);
	return r > 0 ? rdx_file_remove(parent_fd, base) : r;
}

/* Where the directory is gone, so is what was in it. */
static int gone_is_free(int r)
{
	return r == -ENOENT ? 0 : r;
}

int rdx_debris_remove(int dir_fd, const char *name, int fd)
{
	const char *base;
	int parent_fd = open_parent(dir_fd, name, &base), lock_fd, r;

	if (parent_fd < 0)
		return gone_is_free(parent_fd);
	lock_fd = lock(parent_fd);
	if (lock_fd >= 0) {
		r = remove_locked(parent_fd, base, fd);
		unlock(parent_fd, lock_fd);
	} else {
		r = gone_is_free(lock_fd);
	}
	close(parent_fd);
	return r;
}

void rdx_debris_remove_lock(int dir_fd)
{
	int fd = rdx_lock_open_to_clean(dir_fd, RDX_DEBRIS_LOCK_NAME, 0);

	if (fd >= 0)
		unlock(dir_fd, fd);
}
