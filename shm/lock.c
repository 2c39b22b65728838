/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/lock.h"

#include "shm/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_MODE     0600
#define CLEANER_BYTES 1 /* of its lock; 0 is the whole file */
#define CLEANER_TRIES 1000
#define CLEANER_NS    1000000 /* between two */
#define NAME_TRIES    100

/* 0, -EBUSY, -errno. */
static int try_lock(int fd, short type, off_t bytes)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = bytes};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

/* Is what was in the way a cleaner's, or gone meanwhile? */
static int is_soon_free(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return 0;
	return lock.l_type == F_UNLCK || lock.l_len == CLEANER_BYTES;
}

static int lock_after_cleaner(int fd, short type)
{
	const struct timespec pause = {.tv_nsec = CLEANER_NS};
	int r = try_lock(fd, type, 0);

	for (int i = 0; r == -EBUSY && i < CLEANER_TRIES && is_soon_free(fd, type); i++) {
		nanosleep(&pause, NULL);
		r = try_lock(fd, type, 0);
	}
	return r;
}

int rdx_lock_take(int fd)
{
	return lock_after_cleaner(fd, F_WRLCK);
}

int rdx_lock_share(int fd)
{
	return lock_after_cleaner(fd, F_RDLCK);
}

int rdx_lock_take_to_clean(int fd)
{
	return try_lock(fd, F_WRLCK, CLEANER_BYTES);
}

int rdx_lock_held(int fd)
{
	/* queried as a read lock: another read lock must not look like a producer */
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -errno;
	return lock.l_type != F_UNLCK && lock.l_len != CLEANER_BYTES;
}

int rdx_lock_file_held(int dir_fd, const char *name)
{
	uint64_t bytes;
	int fd = rdx_file_open_foreign(dir_fd, name, O_RDONLY, &bytes), r;

	if (fd < 0)
		return fd;
	r = rdx_lock_held(fd);
	close(fd);
	return r;
}

int rdx_lock_named(int fd, int dir_fd, const char *name, int (*take)(int fd))
{
	int r = take(fd);

	if (r == 0)
		r = rdx_file_is_named(fd, dir_fd, name);
	if (r <= 0)
		close(fd);
	return r;
}

static int open_once(int dir_fd, const char *name, int flags, int (*take)(int fd), int *ret_fd)
{
	*ret_fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags,
			 LOCK_MODE);
	return *ret_fd < 0 ? -errno : rdx_lock_named(*ret_fd, dir_fd, name, take);
}

static int open_locked(int dir_fd, const char *name, int flags, int (*take)(int fd))
{
	int fd = -1, r = 0;

	for (int i = 0; r == 0 && i < NAME_TRIES; i++)
		r = open_once(dir_fd, name, flags, take, &fd);
	if (r == 0)
		return -EBUSY; /* cleaners all the time */
	return r < 0 ? r : fd;
}

int rdx_lock_open(int dir_fd, const char *name)
{
	return open_locked(dir_fd, name, O_CREAT, rdx_lock_take);
}

/* A lock is its directory's owner's: what root made here must not keep that one out. */
static void give(int dir_fd, int fd)
{
	struct stat dir, lock;

	if (geteuid() == 0 && fstat(dir_fd, &dir) == 0 && fstat(fd, &lock) == 0 &&
	    lock.st_uid == 0 && dir.st_uid != 0 && fchown(fd, dir.st_uid, dir.st_gid) < 0)
		return; /* as it would be without */
}

int rdx_lock_open_to_clean(int dir_fd, const char *name, int create)
{
	int fd = open_locked(dir_fd, name, create ? O_CREAT : 0, rdx_lock_take_to_clean);

	if (fd >= 0 && create)
		give(dir_fd, fd);
	return fd;
}

void rdx_lock_drop(int fd)
{
	try_lock(fd, F_UNLCK, 0);
	close(fd);
}
