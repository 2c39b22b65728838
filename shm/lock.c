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
#define PAUSES        1000
#define PAUSE_NS      1000000
#define NAME_TRIES    100

/* 0, -EBUSY, -errno. */
static int try_lock(int fd, short type, off_t bytes)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = bytes};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

/* What was in the way? Nobody else may read a lock file, so that a read lock in the way of a write lock
 * is no owner's. */
static int refused(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -errno;
	if (lock.l_type == F_RDLCK)
		return -EPERM;
	return lock.l_type == F_UNLCK || lock.l_len == CLEANER_BYTES ? -EAGAIN : -EBUSY;
}

static int lock_whole(int fd, short type)
{
	int r = try_lock(fd, type, 0);

	return r == -EBUSY ? refused(fd, type) : r;
}

int rdx_lock_take(int fd)
{
	return lock_whole(fd, F_WRLCK);
}

int rdx_lock_share(int fd)
{
	return lock_whole(fd, F_RDLCK);
}

int rdx_lock_pause(uint32_t *pauses)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};

	if ((*pauses)++ == PAUSES)
		return 0;
	nanosleep(&pause, NULL);
	return 1;
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

/* Who may open a lock file, also for reading alone, can lock it and so keep its owner out. Its owner,
 * or root, takes it back; for others it is no lock. */
static int keep_private(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!(st.st_mode & (S_IRWXG | S_IRWXO)) || fchmod(fd, LOCK_MODE) == 0)
		return 0;
	return -errno;
}

static int open_once(int dir_fd, const char *name, int flags, int (*take)(int fd), int *ret_fd)
{
	int r;

	*ret_fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags,
			 LOCK_MODE);
	if (*ret_fd < 0)
		return -errno;
	r = keep_private(*ret_fd);
	if (r == 0)
		return rdx_lock_named(*ret_fd, dir_fd, name, take);
	close(*ret_fd);
	return r;
}

static int open_locked(int dir_fd, const char *name, int flags, int (*take)(int fd))
{
	int fd = -1, r = 0;

	for (int i = 0; r == 0 && i < NAME_TRIES; i++)
		r = open_once(dir_fd, name, flags, take, &fd);
	if (r == 0)
		return -EAGAIN; /* cleaners all the time */
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
