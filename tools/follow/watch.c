/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/follow/watch.h"

#include "tools/program/messages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void watch_free(struct watch *watch)
{
	for (uint32_t i = 0; i < watch->index_count; i++)
		rdx_index_close(watch->indexes[i]);
	free(watch->indexes);
	free(watch->names);
	free(watch->ranks);
	*watch = (struct watch){0};
}

static int is_open(const struct watch *watch, const struct index_name *name)
{
	for (uint32_t i = 0; i < watch->index_count; i++)
		if (strcmp(watch->names[i].model, name->model) == 0 &&
		    strcmp(watch->names[i].tenant, name->tenant) == 0 &&
		    watch->names[i].block_tokens == name->block_tokens)
			return 1;
	return 0;
}

static void add_index(struct watch *watch, struct rdx_index *index, const struct index_name *name)
{
	size_t count = watch->index_count + 1;
	struct rdx_index **indexes = realloc(watch->indexes, count * sizeof(struct rdx_index *));
	struct index_name *names = realloc(watch->names, count * sizeof(*names));

	if (!indexes || !names)
		messages_no_memory();
	watch->indexes = indexes;
	watch->names = names;
	indexes[watch->index_count] = index;
	names[watch->index_count++] = *name;
}

/* Open indexes that are new. One that cannot be opened is tried again at the next look. */
static int open_new(struct watch *watch, const struct space *space)
{
	struct index_name *names;
	int count = indexes_find(space, &names);

	for (int i = 0; i < count; i++) {
		struct rdx_index *index;

		if (!is_open(watch, &names[i]) && indexes_open(space, &names[i], &index) == 0)
			add_index(watch, index, &names[i]);
	}
	free(names);
	return count < 0 ? count : 0;
}

static struct watched_rank *add_rank(struct watch *watch, const struct rdx_index_rank *info)
{
	struct watched_rank *ranks =
		realloc(watch->ranks, (watch->rank_count + 1) * sizeof(*ranks));

	if (!ranks)
		messages_no_memory();
	watch->ranks = ranks;
	ranks[watch->rank_count] = (struct watched_rank){.info = *info};
	return &ranks[watch->rank_count++];
}

static void collect_index(struct watch *watch, uint32_t i, struct rdx_index_rank *workers)
{
	int count;

	workers[0].size = sizeof(workers[0]);
	count = rdx_index_ranks(watch->indexes[i], workers, RDX_RANKS_MAX);

	for (int w = 0; w < count; w++) {
		struct watched_rank *rank = add_rank(watch, &workers[w]);

		rank->index = i;
		rank->followed = 1;
	}
}

/* Is the segment's rank told of by an index? One that is GONE there may have come back
 * unreadable. */
static int is_told_of(const struct watch *watch, const struct rdx_segment_row *row)
{
	for (size_t i = 0; i < watch->rank_count; i++) {
		const struct rdx_index_rank *info = &watch->ranks[i].info;

		if (info->worker_id == row->worker_id && info->dp_rank == row->dp_rank &&
		    (info->state != RDX_STATE_GONE || row->cause == -ESRCH))
			return 1;
	}
	return 0;
}

/* Segments that cannot be read, did not fit, or were dead from the start, are in no index. */
static void collect_unreadable(struct watch *watch, const struct rdx_indexer *indexer)
{
	struct rdx_segment_row row = {.size = sizeof(row)};

	for (uint32_t i = 0; rdx_indexer_segment(indexer, i, &row) == 0; i++) {
		struct rdx_index_rank info = {.size = sizeof(info),
					      .worker_id = row.worker_id,
					      .dp_rank = row.dp_rank,
					      .state = row.cause == -ESRCH ? RDX_STATE_GONE
									   : RDX_STATE_INEXACT,
					      .cause = row.cause};

		if (row.cause && !is_told_of(watch, &row))
			add_rank(watch, &info);
	}
}

static const struct watched_rank *find(const struct watched_rank *ranks, size_t count,
				       const struct watched_rank *wanted)
{
	for (size_t i = 0; i < count; i++)
		if (ranks[i].info.worker_id == wanted->info.worker_id &&
		    ranks[i].info.dp_rank == wanted->info.dp_rank &&
		    ranks[i].followed == wanted->followed && ranks[i].index == wanted->index)
			return &ranks[i];
	return NULL;
}

static int mark_changes(struct watch *watch, const struct watched_rank *before, size_t count)
{
	int changes = 0;

	for (size_t i = 0; i < watch->rank_count; i++) {
		struct watched_rank *rank = &watch->ranks[i];
		const struct watched_rank *was = find(before, count, rank);

		rank->changed = !was || was->info.state != rank->info.state ||
				was->info.cause != rank->info.cause ||
				was->info.epoch != rank->info.epoch;
		changes += rank->changed;
	}
	return changes;
}

static int compare(const void *left, const void *right)
{
	const struct rdx_index_rank *a = &((const struct watched_rank *)left)->info;
	const struct rdx_index_rank *b = &((const struct watched_rank *)right)->info;

	if (a->worker_id != b->worker_id)
		return a->worker_id < b->worker_id ? -1 : 1;
	return a->dp_rank < b->dp_rank ? -1 : a->dp_rank > b->dp_rank;
}

int watch_look(struct watch *watch, const struct space *space, const struct rdx_indexer *indexer)
{
	struct watched_rank *before = watch->ranks;
	size_t count = watch->rank_count;
	struct rdx_index_rank *workers;
	int r = open_new(watch, space);

	if (r < 0)
		return r;
	workers = malloc(RDX_RANKS_MAX * sizeof(*workers));
	if (!workers)
		messages_no_memory();
	watch->ranks = NULL;
	watch->rank_count = 0;
	for (uint32_t i = 0; i < watch->index_count; i++)
		collect_index(watch, i, workers);
	collect_unreadable(watch, indexer);
	if (watch->rank_count)
		qsort(watch->ranks, watch->rank_count, sizeof(*watch->ranks), compare);
	r = mark_changes(watch, before, count);
	free(workers);
	free(before);
	return r;
}
