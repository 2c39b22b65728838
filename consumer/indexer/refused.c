/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/indexer/refused.h"

#include "shm/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0640

static void collect(const struct rdx_indexer *indexer, struct rdx_refused_file *ret_file)
{
	*ret_file = (struct rdx_refused_file){.magic = RDX_REFUSED_MAGIC};
	for (uint32_t i = 0; i < indexer->rank_count; i++) {
		const struct rdx_rank *rank = indexer->ranks[i];

		if (rank->phase != RDX_PHASE_FAILED || rank->writer)
			continue;
		if (ret_file->count == RDX_REFUSED_MAX) {
			ret_file->more++;
			continue;
		}
		ret_file->row[ret_file->count++] = (struct rdx_refused_row){
			.worker_id = rank->file.worker_id,
			.dp_rank = rank->file.dp_rank,
			.cause = rank->cause,
		};
	}
}

static size_t bytes_of(const struct rdx_refused_file *file)
{
	return offsetof(struct rdx_refused_file, row) + file->count * sizeof(file->row[0]);
}

/* 0, -errno. */
static int fill(int fd, const struct rdx_refused_file *file, uint32_t file_mode)
{
	size_t bytes = bytes_of(file);
	int r = rdx_file_may_grow(bytes);
	ssize_t put;

	if (r < 0)
		return r;
	put = write(fd, file, bytes);
	if (put < 0)
		return -errno;
	if ((size_t)put != bytes)
		return -ENOSPC;
	return fchmod(fd, file_mode) < 0 ? -errno : 0;
}

/* Does the file that has the name say so already? It may be another one, or none, by now. */
static int is_told(const struct rdx_indexer *indexer, const struct rdx_refused_file *file)
{
	struct rdx_refused_file told;
	uint64_t bytes;
	int fd = rdx_file_open_foreign(indexer->dir_fd, RDX_REFUSED_NAME, O_RDONLY, &bytes), same;

	if (fd < 0)
		return 0;
	same = bytes == bytes_of(file) && rdx_file_read(fd, &told, bytes) == 0 &&
	       memcmp(&told, file, bytes) == 0;
	close(fd);
	return same;
}

static int make(struct rdx_indexer *indexer, const struct rdx_refused_file *file)
{
	uint32_t mode = indexer->writer_options.file_mode;
	int fd, r = rdx_file_remove(indexer->dir_fd, RDX_REFUSED_TEMPORARY);

	if (r < 0)
		return r;
	fd = openat(indexer->dir_fd, RDX_REFUSED_TEMPORARY,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fill(fd, file, mode ? mode : FILE_MODE);
	if (r == 0 &&
	    renameat(indexer->dir_fd, RDX_REFUSED_TEMPORARY, indexer->dir_fd, RDX_REFUSED_NAME) < 0)
		r = -errno;
	if (r < 0)
		rdx_file_remove_own(fd, indexer->dir_fd, RDX_REFUSED_TEMPORARY);
	close(fd);
	return r;
}

void rdx_refused_tell(struct rdx_indexer *indexer)
{
	struct rdx_refused_file file;

	if (indexer->lock_cause)
		return; /* another one's, maybe */
	collect(indexer, &file);
	if (file.count) {
		if (!is_told(indexer, &file))
			(void)make(indexer, &file);
		indexer->told_none = 0;
	} else if (!indexer->told_none) {
		/* the first time that of a dead indexer, if there is one */
		indexer->told_none =
			unlinkat(indexer->dir_fd, RDX_REFUSED_NAME, 0) == 0 || errno == ENOENT;
	}
}

void rdx_refused_end(struct rdx_indexer *indexer)
{
	if (!indexer->told_none && indexer->walks)
		unlinkat(indexer->dir_fd, RDX_REFUSED_NAME, 0);
}
