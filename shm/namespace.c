/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/namespace.h"

#include "shm/file.h"
#include "shm/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_NAME "key"
#define KEY_MODE 0640

#define TEMPORARY_DIGITS 16

const char *rdx_namespace_dir(const char *dir)
{
	return dir && *dir ? dir : RDX_DEFAULT_DIR;
}

int rdx_namespace_path(const char *dir, char **ret_path)
{
	char here[PATH_MAX];

	dir = rdx_namespace_dir(dir);
	if (*dir == '/')
		here[0] = '\0';
	else if (!getcwd(here, sizeof(here)))
		return -errno;
	return asprintf(ret_path, "%s%s%s", here, *here ? "/" : "", dir) < 0 ? -ENOMEM : 0;
}

int rdx_namespace_lost(int dir_fd, const char *path)
{
	struct stat own, named;

	if (fstat(dir_fd, &own) < 0)
		return -errno;
	if (stat(path, &named) < 0)
		return errno == ENOTDIR ? -ENOENT : -errno;
	return own.st_ino == named.st_ino && own.st_dev == named.st_dev ? 0 : -ESTALE;
}

int rdx_namespace_open(const char *dir, int create)
{
	int fd, r;

	dir = rdx_namespace_dir(dir);
	if (create && mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = rdx_namespace_check(fd, "", create);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

int rdx_namespace_is_indexed(int dir_fd)
{
	int fd = openat(dir_fd, RDX_INDEXER_LOCK_NAME,
			O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int held;

	/* a lock file that others may not read says nothing */
	if (fd < 0)
		return errno != ENOENT;
	held = rdx_lock_held(fd);
	close(fd);
	return held != 0;
}

int rdx_namespace_check(int dir_fd, const char *name, int claims)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX))
		return -EPERM;
	return claims && st.st_uid != geteuid() && st.st_uid != 0 ? -EPERM : 0;
}

int rdx_namespace_random(void *ret_bytes, uint32_t count)
{
	uint8_t *at = ret_bytes;

	while (count > 0) {
		ssize_t got = getrandom(at, count, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		at += got;
		count -= (uint32_t)got;
	}
	return 0;
}

int rdx_namespace_random_id(uint64_t *ret_id)
{
	uint64_t id = 0;

	while (id == 0) {
		int r = rdx_namespace_random(&id, sizeof(id));

		if (r < 0)
			return r;
	}
	*ret_id = id;
	return 0;
}

/* Of a small file. */
struct content {
	const void *bytes;
	uint32_t count;
	uint32_t file_mode;
};

static int fill(int fd, const struct content *content)
{
	int r = rdx_file_may_grow(content->count);
	ssize_t put = r < 0 ? 0 : write(fd, content->bytes, content->count);

	if (put < 0)
		r = -errno;
	else if (r == 0 && (uint32_t)put != content->count)
		r = -ENOSPC;
	if (r == 0 && fchmod(fd, content->file_mode) < 0)
		r = -errno;
	return r;
}

/* A file without a name goes with its descriptor, however this process ends. */
static int make_unnamed(int dir_fd, const char *prefix, const char *name,
			const struct content *content)
{
	char path[RDX_NAME_BYTES];
	int fd = openat(dir_fd, *prefix ? prefix : ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = fill(fd, content);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (r == 0 && linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int make_temporary(int dir_fd, const char *prefix, const char *name,
			  const struct content *content)
{
	char temporary[RDX_NAME_BYTES];
	uint64_t id;
	int fd, r;

	r = rdx_namespace_random_id(&id);
	if (r < 0)
		return r;
	snprintf(temporary, sizeof(temporary), "%s.tmp-%016" PRIx64, prefix, id);
	fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fill(fd, content);
	close(fd);
	if (r == 0 && linkat(dir_fd, temporary, dir_fd, name, 0) < 0)
		r = -errno;
	unlinkat(dir_fd, temporary, 0);
	return r;
}

int rdx_namespace_make_file(int dir_fd, const char *prefix, const char *name, const void *bytes,
			    uint32_t count, uint32_t file_mode)
{
	const struct content content = {bytes, count, file_mode};
	char final[RDX_NAME_BYTES];
	int r;

	snprintf(final, sizeof(final), "%s%s", prefix, name);
	r = make_unnamed(dir_fd, prefix, final, &content);
	/* a file system that has no such files, or no /proc */
	if (r == -EOPNOTSUPP || r == -EISDIR || r == -ENOENT)
		r = make_temporary(dir_fd, prefix, final, &content);
	return r == -EEXIST ? 0 : r;
}

static int read_key(int dir_fd, uint8_t *ret_bytes)
{
	uint64_t size = 0;
	int fd = rdx_file_open_foreign(dir_fd, KEY_NAME, O_RDONLY, &size);
	int r = fd < 0 ? fd : 0;

	if (r == 0)
		r = size == RDX_KEY_BYTES ? rdx_file_read(fd, ret_bytes, RDX_KEY_BYTES) : -EBADMSG;
	if (fd >= 0)
		close(fd);
	return r == -EBADMSG ? -EKEYREJECTED : r;
}

int rdx_namespace_restore_key(int dir_fd, const uint8_t *bytes)
{
	return rdx_namespace_make_file(dir_fd, "", KEY_NAME, bytes, RDX_KEY_BYTES, KEY_MODE);
}

int rdx_namespace_key_bytes(int dir_fd, int create, uint8_t *ret_bytes)
{
	int r = read_key(dir_fd, ret_bytes);

	if (r != -ENOENT || !create)
		return r;
	r = rdx_namespace_random(ret_bytes, RDX_KEY_BYTES);
	if (r == 0)
		r = rdx_namespace_restore_key(dir_fd, ret_bytes);
	return r < 0 ? r : read_key(dir_fd, ret_bytes); /* maybe another process's */
}

int rdx_namespace_key(int dir_fd, int create, struct rdx_hash_key *ret_key)
{
	uint8_t bytes[RDX_KEY_BYTES];
	int r = rdx_namespace_key_bytes(dir_fd, create, bytes);

	if (r == 0)
		rdx_hash_key_expand(bytes, ret_key);
	return r;
}

int rdx_namespace_number(const char *text, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!*text || (*text == '0' && text[1]))
		return 0;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9' || value > (max - digit) / 10)
			return 0;
		value = value * 10 + digit;
	}
	*ret_value = value;
	return 1;
}

/* Is `name` "<before><dp_rank><after>"? 1 and the rank. */
static int is_rank_file(const char *name, const char *before, const char *after,
			uint32_t *ret_dp_rank)
{
	size_t length = strlen(name), first = strlen(before), last = strlen(after);
	char number[16];
	uint64_t value;

	if (length < first + last || length - first - last >= sizeof(number) ||
	    strncmp(name, before, first) != 0 || strcmp(name + length - last, after) != 0)
		return 0;
	memcpy(number, name + first, length - first - last);
	number[length - first - last] = '\0';
	if (!rdx_namespace_number(number, UINT32_MAX, &value))
		return 0;
	*ret_dp_rank = (uint32_t)value;
	return 1;
}

int rdx_namespace_segment_name(const char *name, uint32_t *ret_dp_rank)
{
	return is_rank_file(name, "", ".seg", ret_dp_rank);
}

int rdx_namespace_rank_name(const char *name, uint32_t *ret_dp_rank)
{
	return is_rank_file(name, "", ".seg", ret_dp_rank) ||
	       is_rank_file(name, "", ".lock", ret_dp_rank) ||
	       is_rank_file(name, ".tmp-", ".seg", ret_dp_rank);
}

int rdx_namespace_is_temporary(const char *name)
{
	return strlen(name) == strlen(".tmp-") + TEMPORARY_DIGITS &&
	       strncmp(name, ".tmp-", strlen(".tmp-")) == 0 &&
	       strspn(name + strlen(".tmp-"), "0123456789abcdef") == TEMPORARY_DIGITS;
}

void rdx_namespace_worker_dir(uint64_t worker_id, char *ret_name)
{
	snprintf(ret_name, RDX_NAME_BYTES, "%" PRIu64, worker_id);
}

void rdx_namespace_segment(uint64_t worker_id, uint32_t dp_rank, char *ret_name)
{
	snprintf(ret_name, RDX_NAME_BYTES, "%" PRIu64 "/%" PRIu32 ".seg", worker_id, dp_rank);
}

void rdx_namespace_segment_temporary(uint64_t worker_id, uint32_t dp_rank, char *ret_name)
{
	snprintf(ret_name, RDX_NAME_BYTES, "%" PRIu64 "/.tmp-%" PRIu32 ".seg", worker_id, dp_rank);
}

void rdx_namespace_lock(uint64_t worker_id, uint32_t dp_rank, char *ret_name)
{
	snprintf(ret_name, RDX_NAME_BYTES, "%" PRIu64 "/%" PRIu32 ".lock", worker_id, dp_rank);
}

void rdx_namespace_clear(uint64_t worker_id, char *ret_name)
{
	snprintf(ret_name, RDX_NAME_BYTES, "%" PRIu64 "/clear", worker_id);
}
