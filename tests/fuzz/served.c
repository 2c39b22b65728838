/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/served.h"

#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SERVED_FD  (1 << 20)
#define UNIT_BYTES 512 /* of st_blocks */

static const struct served *files[SERVED_MAX];
static uint32_t file_count;
static uid_t user;
static int is_serving;

void served_add(const struct served *file)
{
	FUZZ_CHECK(file_count < SERVED_MAX);
	files[file_count++] = file;
	user = geteuid();
}

void served_begin(void)
{
	is_serving = 1;
}

void served_end(void)
{
	is_serving = 0;
}

static const struct served *of_descriptor(int fd)
{
	return fd >= SERVED_FD ? files[fd - SERVED_FD] : NULL;
}

/* The number of the file, SERVED_MAX: none. */
static uint32_t of_name(const char *name)
{
	for (uint32_t i = 0; is_serving && i < file_count; i++)
		if (strcmp(name, files[i]->name) == 0)
			return i;
	return SERVED_MAX;
}

/* Is it a mapping that was served? The kernel maps nothing where these bytes are. */
static int is_served(const void *at)
{
	for (uint32_t i = 0; i < file_count; i++)
		if (files[i]->bytes == at)
			return 1;
	return 0;
}

static int say(const struct served *file, struct stat *ret_stat)
{
	*ret_stat = (struct stat){
		.st_mode = S_IFREG | 0600,
		.st_ino = file->inode,
		.st_uid = user,
		.st_size = (off_t)file->length,
		.st_blocks = (blkcnt_t)((file->length + UNIT_BYTES - 1) / UNIT_BYTES),
	};
	return 0;
}

/* The C library's, as the linker renames them. */
int __real_openat(int dir_fd, const char *name, int flags, ...);
int __real_close(int fd);
int __real_fcntl(int fd, int command, ...);
int __real_fstat(int fd, struct stat *ret_stat);
int __real_fstatat(int dir_fd, const char *name, struct stat *ret_stat, int flags);
int __real_fstatfs(int fd, struct statfs *ret_stat);
ssize_t __real_pread(int fd, void *ret_bytes, size_t count, off_t at);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t bytes);
int __real_madvise(void *at, size_t bytes, int advice);
int __wrap_openat(int dir_fd, const char *name, int flags, ...);
int __wrap_close(int fd);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fstat(int fd, struct stat *ret_stat);
int __wrap_fstatat(int dir_fd, const char *name, struct stat *ret_stat, int flags);
int __wrap_fstatfs(int fd, struct statfs *ret_stat);
/* As the kernel does it: whoever changes the bytes meanwhile makes no race of the program. */
__attribute__((no_sanitize("thread"))) static void copy(char *to, const volatile char *from,
							size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] = from[i];
}

ssize_t __wrap_pread(int fd, void *ret_bytes, size_t count, off_t at);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t bytes);
int __wrap_madvise(void *at, size_t bytes, int advice);

int __wrap_openat(int dir_fd, const char *name, int flags, ...)
{
	uint32_t number = of_name(name);
	va_list arguments;
	mode_t mode;

	if (number < SERVED_MAX)
		return SERVED_FD + (int)number;
	va_start(arguments, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return __real_openat(dir_fd, name, flags, mode);
}

int __wrap_close(int fd)
{
	return of_descriptor(fd) ? 0 : __real_close(fd);
}

/* Of a file that is served, asked for locks only. */
int __wrap_fcntl(int fd, int command, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (!of_descriptor(fd))
		return __real_fcntl(fd, command, argument);
	FUZZ_CHECK(command == F_OFD_GETLK);
	*(struct flock *)argument = (struct flock){.l_type = F_WRLCK};
	return 0;
}

int __wrap_fstat(int fd, struct stat *ret_stat)
{
	const struct served *file = of_descriptor(fd);

	return file ? say(file, ret_stat) : __real_fstat(fd, ret_stat);
}

int __wrap_fstatat(int dir_fd, const char *name, struct stat *ret_stat, int flags)
{
	uint32_t number = of_name(name);

	return number < SERVED_MAX ? say(files[number], ret_stat)
				   : __real_fstatat(dir_fd, name, ret_stat, flags);
}

int __wrap_fstatfs(int fd, struct statfs *ret_stat)
{
	if (!of_descriptor(fd))
		return __real_fstatfs(fd, ret_stat);
	*ret_stat = (struct statfs){.f_type = TMPFS_MAGIC};
	return 0;
}

ssize_t __wrap_pread(int fd, void *ret_bytes, size_t count, off_t at)
{
	const struct served *file = of_descriptor(fd);
	uint64_t left;

	if (!file)
		return __real_pread(fd, ret_bytes, count, at);
	left = (uint64_t)at < file->length ? file->length - (uint64_t)at : 0;
	count = count < left ? count : left;
	copy(ret_bytes, (const volatile char *)file->bytes + at, count);
	return (ssize_t)count;
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	const struct served *file = of_descriptor(fd);

	return file ? file->bytes + offset : __real_mmap(at, bytes, protection, flags, fd, offset);
}

int __wrap_munmap(void *at, size_t bytes)
{
	return is_served(at) ? 0 : __real_munmap(at, bytes);
}

int __wrap_madvise(void *at, size_t bytes, int advice)
{
	return is_served(at) ? 0 : __real_madvise(at, bytes, advice);
}
