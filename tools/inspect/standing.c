/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/inspect/standing.h"

#include "tools/inspect/indexes.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 0, or -errno with nothing added. */
static int add_index(struct standing *standing, const struct space *space,
		     const struct index_name *name)
{
	size_t count = standing->count;
	struct rdx_index_rank *ranks =
		realloc(standing->ranks, (count + RDX_RANKS_MAX) * sizeof(*ranks));
	struct rdx_index *index;
	uint64_t until_ns = 0;
	int r;

	if (!ranks)
		messages_no_memory();
	standing->ranks = ranks;
	r = indexes_open(space, name, &index);
	if (r < 0)
		return r;
	ranks[count].size = sizeof(*ranks);
	do
		r = rdx_index_ranks(index, ranks + count, RDX_RANKS_MAX);
	while (r == -EAGAIN && indexes_pause(&until_ns));
	rdx_index_close(index);
	standing->is_changing |= r == -EAGAIN;
	if (r > 0)
		standing->count += (size_t)r;
	return r < 0 ? r : 0;
}

/* A file that is not one says nothing. */
static void read_refused(const struct space *space, struct rdx_refused_file *ret_file)
{
	const size_t head = offsetof(struct rdx_refused_file, row);
	int fd = openat(space->dir_fd, RDX_REFUSED_NAME,
			O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	ssize_t got = fd < 0 ? -1 : pread(fd, ret_file, sizeof(*ret_file), 0);

	if (fd >= 0)
		close(fd);
	if (got < (ssize_t)head || ret_file->magic != RDX_REFUSED_MAGIC ||
	    ret_file->count > ((size_t)got - head) / sizeof(ret_file->row[0]))
		ret_file->count = 0;
}

void standing_look(const struct space *space, struct standing *ret_standing)
{
	struct standing standing = {.has_indexer = space_has_indexer(space)};
	struct index_name *names;
	int count = indexes_find(space, &names);

	standing.is_whole = count >= 0;
	for (int i = 0; i < count; i++)
		standing.is_whole &= add_index(&standing, space, &names[i]) == 0;
	free(names);
	if (standing.has_indexer)
		read_refused(space, &standing.refused);
	*ret_standing = standing;
}

void standing_free(struct standing *standing)
{
	free(standing->ranks);
	*standing = (struct standing){0};
}

const struct rdx_index_rank *standing_find(const struct standing *standing,
					   const struct rank_name *name, uint64_t epoch)
{
	for (size_t i = 0; i < standing->count; i++) {
		const struct rdx_index_rank *rank = &standing->ranks[i];

		if (rank->worker_id == name->worker_id && rank->dp_rank == name->dp_rank &&
		    rank->epoch == epoch && rank->state != RDX_STATE_GONE)
			return rank;
	}
	return NULL;
}

int standing_refused(const struct standing *standing, const struct rank_name *name)
{
	for (uint32_t i = 0; i < standing->refused.count; i++) {
		const struct rdx_refused_row *row = &standing->refused.row[i];

		if (row->worker_id == name->worker_id && row->dp_rank == name->dp_rank)
			return row->cause;
	}
	return 0;
}

uint32_t standing_of_worker(const struct standing *standing, uint64_t worker_id)
{
	uint32_t ranks = 0;

	for (size_t i = 0; i < standing->count; i++)
		ranks += standing->ranks[i].worker_id == worker_id &&
			 standing->ranks[i].state != RDX_STATE_GONE;
	return ranks;
}
