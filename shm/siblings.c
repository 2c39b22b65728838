/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/siblings.h"

#include "shm/file.h"
#include "shm/lock.h"
#include "shm/namespace.h"
#include "shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* A segment from its beginning to the words that change. */
struct beginning {
	alignas(RDX_LIVE_OFFSET) struct rdx_segment_header header;
	alignas(RDX_LIVE_OFFSET) struct rdx_segment_live live;
};
static_assert(offsetof(struct beginning, live) == RDX_LIVE_OFFSET, "layout");

/* Of what cannot be opened nobody is known who has it. */
static int is_nobodys(int error)
{
	return error == -ENOENT || error == -EBADMSG || error == -EACCES;
}

/* 1: it is a segment; 0, -errno. */
static int read_segment(int fd, uint64_t bytes, struct beginning *ret_found)
{
	int r = rdx_file_read(fd, ret_found, sizeof(*ret_found));

	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	return rdx_segment_check(&ret_found->header, bytes, NULL) == 0;
}

/* 1: likewise, and its producer lives; 0, -errno. */
static int read_living(int dir_fd, const char *name, struct beginning *ret_found)
{
	uint64_t bytes;
	int fd = rdx_file_open_foreign(dir_fd, name, O_RDONLY, &bytes), r;

	if (fd < 0)
		return is_nobodys(fd) ? 0 : fd;
	r = rdx_lock_held(fd);
	if (r > 0)
		r = read_segment(fd, bytes, ret_found);
	close(fd);
	return r;
}

/* One of the files of a rank. */
static int ask(int dir_fd, uint64_t worker_id, uint32_t dp_rank, struct rdx_clear_known *known)
{
	struct beginning found;
	char name[RDX_NAME_BYTES];
	int r;

	rdx_namespace_segment(worker_id, dp_rank, name);
	r = read_living(dir_fd, name, &found);
	if (r <= 0)
		return r;
	if (found.header.worker_id == worker_id && found.header.clear_id)
		rdx_clear_know(known, found.header.clear_id,
			       (uint32_t)rdx_word_load(&found.live.ledger_stamp));
	return 0;
}

int rdx_siblings_ask(int dir_fd, uint64_t worker_id, uint32_t dp_rank,
		     struct rdx_clear_known *ret_known)
{
	struct rdx_clear_known known = {0};
	char name[RDX_NAME_BYTES];
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	*ret_known = known;
	rdx_namespace_worker_dir(worker_id, name);
	dir = rdx_file_open_dir(dir_fd, name);
	/* the claim makes it, or says what is wrong with it */
	if (!dir)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
	while (r == 0 && (r = rdx_file_entry(dir, &entry)) > 0) {
		uint32_t other;

		r = 0;
		if (rdx_namespace_rank_name(entry->d_name, &other) && other != dp_rank)
			r = ask(dir_fd, worker_id, other, &known);
	}
	closedir(dir);
	if (r == 0)
		*ret_known = known;
	return r;
}
