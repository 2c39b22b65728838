/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/indexer/lost.h"

#include "consumer/wait/wait.h"
#include "shm/bell_file.h"
#include "shm/file.h"
#include "shm/guard.h"
#include "shm/namespace.h"

#include <errno.h>

#define LOOK_NS UINT64_C(200000000) /* two sleeps of an idle indexer */

/* Sleep on the bell that has the name. Producers that ring the old one are polled. */
static void renew_bell(struct rdx_indexer *indexer)
{
	struct rdx_mapping bell = {.fd = -1};

	if (indexer->bell.base &&
	    rdx_file_is_named(indexer->bell.fd, indexer->dir_fd, RDX_BELL_FILE_NAME) != 0)
		return;
	if (rdx_bell_file_open(&bell, indexer->dir_fd, 1) < 0)
		return; /* for now with the old one, or without */
	/* the word stays mapped until nobody waits for it */
	if (rdx_indexer_open_wait(indexer) < 0) {
		rdx_mapping_close(&bell);
		return;
	}
	if (indexer->bell.base) {
		rdx_guard_remove(&indexer->bell);
		rdx_mapping_close(&indexer->bell);
	}
	rdx_indexer_take_bell(indexer, &bell);
	for (uint32_t i = 0; i < indexer->rank_count; i++)
		indexer->ranks[i]->rings = 0;
}

/* The ranks of an index that is closed now go to the one that is made in its place, or nowhere. */
static void move_ranks(struct rdx_indexer *indexer, const struct rdx_index_writer *from,
		       struct rdx_index_writer *to, int error, uint64_t now)
{
	for (uint32_t i = 0; i < indexer->rank_count; i++) {
		struct rdx_rank *rank = indexer->ranks[i];
		int seat = error;

		if (rank->writer != from)
			continue;
		rank->writer = NULL;
		if (!rank->reader)
			continue; /* gone, or found again when it is tried again */
		if (to)
			seat = rdx_writer_rank_add(to, rdx_reader_info(rank->reader));
		if (seat < 0)
			rdx_rank_fail(rank, seat, now);
		else
			rdx_rank_start(rank, rank->reader, to, seat, now);
	}
}

/* Readers of the lost files see the heartbeat stop, and go over when the new ones have their names. */
static int rebuild(struct rdx_indexer *indexer, struct rdx_fed_index *index, uint64_t now)
{
	const struct rdx_index_writer *old = index->writer;
	int r;

	rdx_writer_close(index->writer);
	index->writer = NULL;
	r = rdx_writer_open(&index->writer, indexer->dir_fd, &indexer->key, index->model,
			    index->tenant, index->block_tokens, &indexer->writer_options);
	move_ranks(indexer, old, index->writer, r, now);
	index->ready = 0;
	index->opened_ns = now;
	return r;
}

static int is_lost(struct rdx_index_writer *writer)
{
	return rdx_writer_poisoned(writer) || rdx_writer_is_named(writer) == 0;
}

static void look_at_indexes(struct rdx_indexer *indexer, uint64_t now)
{
	uint32_t i = 0;

	while (i < indexer->index_count) {
		struct rdx_fed_index *index = &indexer->indexes[i];

		if (is_lost(index->writer) && rebuild(indexer, index, now) < 0)
			*index = indexer->indexes
					 [--indexer->index_count]; /* made for a rank again */
		else
			i++;
	}
}

static int some_poisoned(const struct rdx_indexer *indexer)
{
	for (uint32_t i = 0; i < indexer->index_count; i++)
		if (rdx_writer_poisoned(indexer->indexes[i].writer))
			return 1;
	return 0;
}

int rdx_lost_look(struct rdx_indexer *indexer, uint64_t now)
{
	int r;

	if (now < indexer->names_ns && !some_poisoned(indexer))
		return 0;
	indexer->names_ns = now + LOOK_NS;
	r = rdx_namespace_lost(indexer->dir_fd, indexer->path);
	if (r == -ENOENT || r == -ESTALE)
		return r;
	r = rdx_indexer_lock_renew(&indexer->lock, indexer->dir_fd);
	if (r == -EBUSY) {
		for (uint32_t i = 0; i < indexer->index_count; i++)
			rdx_writer_yield(indexer->indexes[i].writer);
		indexer->told_none = 1; /* what it says of refused ranks is its own */
		return r;
	}
	/* a cleaner is there for a moment only */
	indexer->lock_cause = r == -EAGAIN ? indexer->lock_cause : r;
	renew_bell(indexer);
	if (r == 0) /* else another indexer may maintain them */
		look_at_indexes(indexer, now);
	return 0;
}
