/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/namespace.h"

#include "shm/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_NAME "key"
#define KEY_MODE 0640

const char *rdx_namespace_dir(const char *dir)
{
	return dir && *dir ? dir : RDX_DEFAULT_DIR;
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

/* Write all of a small file; the descriptor is closed. */
static int fill_file(int fd, const void *content, uint32_t bytes, uint32_t file_mode)
{
	int r = rdx_file_may_grow(bytes);
	ssize_t put = r < 0 ? 0 : write(fd, content, bytes);

	if (put < 0)
		r = -errno;
	else if (r == 0 && (uint32_t)put != bytes)
		r = -ENOSPC;
	if (r == 0 && fchmod(fd, file_mode) < 0)
		r = -errno;
	close(fd);
	return r;
}

int rdx_namespace_make_file(int dir_fd, const char *prefix, const char *name, const void *content,
			    uint32_t bytes, uint32_t file_mode)
{
	char temporary[RDX_NAME_BYTES], final[RDX_NAME_BYTES];
	uint64_t id;
	int fd, r;

	r = rdx_namespace_random_id(&id);
	if (r < 0)
		return r;
	snprintf(temporary, sizeof(temporary), "%s.tmp-%016" PRIx64, prefix, id);
	snprintf(final, sizeof(final), "%s%s", prefix, name);
	fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fill_file(fd, content, bytes, file_mode);
	if (r == 0 && linkat(dir_fd, temporary, dir_fd, final, 0) < 0 && errno != EEXIST)
		r = -errno;
	unlinkat(dir_fd, temporary, 0);
	return r;
}

static int read_key(int dir_fd, struct rdx_hash_key *ret_key)
{
	uint8_t bytes[RDX_KEY_BYTES + 1];
	int fd = openat(dir_fd, KEY_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, bytes, sizeof(bytes));
	close(fd);
	if (got != RDX_KEY_BYTES)
		return -EKEYREJECTED;
	rdx_hash_key_expand(bytes, ret_key);
	return 0;
}

int rdx_namespace_key(int dir_fd, int create, struct rdx_hash_key *ret_key)
{
	uint8_t bytes[RDX_KEY_BYTES];
	int r = read_key(dir_fd, ret_key);

	if (r != -ENOENT || !create)
		return r;
	r = rdx_namespace_random(bytes, sizeof(bytes));
	if (r < 0)
		return r;
	r = rdx_namespace_make_file(dir_fd, "", KEY_NAME, bytes, sizeof(bytes), KEY_MODE);
	return r < 0 ? r : read_key(dir_fd, ret_key);
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

int rdx_namespace_segment_name(const char *name, uint32_t *ret_dp_rank)
{
	const char *dot = strrchr(name, '.');
	char number[16];
	uint64_t value;

	if (!dot || strcmp(dot, ".seg") != 0 || (size_t)(dot - name) >= sizeof(number))
		return 0;
	memcpy(number, name, (size_t)(dot - name));
	number[dot - name] = '\0';
	if (!rdx_namespace_number(number, UINT32_MAX, &value))
		return 0;
	*ret_dp_rank = (uint32_t)value;
	return 1;
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
