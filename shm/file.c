/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TMPFS_TYPE     0x01021994
#define RAMFS_TYPE     0x858458f6
#define HUGETLBFS_TYPE 0x958458f6

#define STAT_BLOCK_BYTES 512

int rdx_file_is_none(int error)
{
	return error == -ELOOP || error == -EISDIR || error == -ENXIO;
}

int rdx_file_open_foreign(int dir_fd, const char *name, int flags, uint64_t *ret_bytes)
{
	int fd = openat(dir_fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return rdx_file_is_none(-errno) ? -EBADMSG : -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EBADMSG;
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_bytes = (uint64_t)st.st_size;
	return fd;
}

int rdx_file_remove(int dir_fd, const char *name)
{
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

void rdx_file_remove_own(int fd, int dir_fd, const char *name)
{
	if (rdx_file_is_named(fd, dir_fd, name) > 0)
		unlinkat(dir_fd, name, 0);
}

DIR *rdx_file_open_dir(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), error;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0) {
		error = errno;
		close(fd);
		errno = error;
	}
	return dir;
}

int rdx_file_entry(DIR *dir, struct dirent **ret_entry)
{
	errno = 0;
	*ret_entry = readdir(dir);
	return *ret_entry ? 1 : -errno;
}

int rdx_file_inode(int fd, uint64_t *ret_inode)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret_inode = (uint64_t)st.st_ino;
	return 0;
}

int rdx_file_read(int fd, void *ret_content, uint64_t bytes)
{
	ssize_t got = pread(fd, ret_content, bytes, 0);

	if (got < 0)
		return -errno;
	return (uint64_t)got == bytes ? 0 : -EBADMSG;
}

int rdx_file_check_ours(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH))
		       ? 0
		       : -EPERM;
}

int rdx_file_is_named(int fd, int dir_fd, const char *name)
{
	struct stat own, named;

	if (fstat(fd, &own) < 0)
		return -errno;
	if (fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	return own.st_ino == named.st_ino && own.st_dev == named.st_dev;
}

int rdx_file_in_memory(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	return fs.f_type == TMPFS_TYPE || fs.f_type == RAMFS_TYPE || fs.f_type == HUGETLBFS_TYPE;
}

int rdx_file_check_allocated(int fd, uint64_t bytes)
{
	int r = rdx_file_in_memory(fd);
	struct stat st;

	if (r <= 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	return (uint64_t)st.st_blocks * STAT_BLOCK_BYTES >= bytes ? 0 : -EBADMSG;
}

int rdx_file_may_grow(uint64_t bytes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0)
		return -errno;
	/* RLIM_INFINITY is the greatest value */
	return bytes > limit.rlim_cur ? -EFBIG : 0;
}

int rdx_file_allocate(int fd, uint64_t at, uint64_t bytes)
{
	int r = rdx_file_may_grow(at + bytes);

	if (r < 0)
		return r;
	do
		r = posix_fallocate(fd, (off_t)at, (off_t)bytes);
	while (r == EINTR);
	return -r;
}
