/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/follow/watch.h"

#include "shm/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_NS UINT64_C(1000000000) /* another one may have come in an index's place */

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

/* Room for one more. 0, -ENOMEM. */
static int grow_indexes(struct watch *watch)
{
	size_t count = watch->index_count + 1;
	struct rdx_index **indexes = realloc(watch->indexes, count * sizeof(struct rdx_index *));
	struct index_name *names;

	if (!indexes)
		return -ENOMEM;
	watch->indexes = indexes;
	names = realloc(watch->names, count * sizeof(*names));
	if (!names)
		return -ENOMEM;
	watch->names = names;
	return 0;
}

static int add_index(struct watch *watch, const struct space *space, const struct index_name *name)
{
	struct rdx_index *index;
	int r = grow_indexes(watch);

	if (r == 0)
		r = indexes_open(space, name, &index);
	if (r < 0)
		return r;
	watch->indexes[watch->index_count] = index;
	watch->names[watch->index_count++] = *name;
	return 0;
}

/* Open indexes that are new. One that cannot be opened is tried again at the next look. */
static int open_new(struct watch *watch, const struct space *space)
{
	struct index_name *names;
	int count = indexes_find(space, &names), r = count < 0 ? count : 0;

	for (int i = 0; i < count && !watch_is_want(r); i++)
		if (!is_open(watch, &names[i]))
			r = add_index(watch, space, &names[i]);
	free(names);
	return count < 0 || watch_is_want(r) ? r : 0;
}

/* Their names are in files, which are read only where there may be a new one. */
static int open_missing(struct watch *watch, const struct space *space, uint64_t indexes)
{
	uint64_t now = rdx_clock_ns();

	if (watch->index_count >= indexes && now < watch->names_ns)
		return 0;
	watch->names_ns = now + NAMES_NS;
	return open_new(watch, space);
}

/* NULL: no memory. */
static struct watched_rank *add_rank(struct watch *watch, const struct rdx_index_rank *info)
{
	struct watched_rank *ranks =
		realloc(watch->ranks, (watch->rank_count + 1) * sizeof(*ranks));

	if (!ranks)
		return NULL;
	watch->ranks = ranks;
	ranks[watch->rank_count] = (struct watched_rank){.info = *info};
	return &ranks[watch->rank_count++];
}

static int collect_index(struct watch *watch, uint32_t i, struct rdx_index_rank *workers)
{
	int count;

	workers[0].size = sizeof(workers[0]);
	count = rdx_index_ranks(watch->indexes[i], workers, RDX_RANKS_MAX);

	for (int w = 0; w < count; w++) {
		struct watched_rank *rank = add_rank(watch, &workers[w]);

		if (!rank)
			return -ENOMEM;
		rank->index = i;
		rank->followed = 1;
	}
	return 0;
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
static int collect_unreadable(struct watch *watch, const struct rdx_indexer *indexer)
{
	struct rdx_segment_row row = {.size = sizeof(row)};

	for (uint32_t i = 0; rdx_indexer_segment(indexer, i, &row) == 0; i++) {
		struct rdx_index_rank info = {.size = sizeof(info),
					      .worker_id = row.worker_id,
					      .dp_rank = row.dp_rank,
					      .state = row.cause == -ESRCH ? RDX_STATE_GONE
									   : RDX_STATE_INEXACT,
					      .cause = row.cause};

		if (row.cause && !is_told_of(watch, &row) && !add_rank(watch, &info))
			return -ENOMEM;
	}
	return 0;
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

static int collect(struct watch *watch, const struct rdx_indexer *indexer)
{
	struct rdx_index_rank *workers = malloc(RDX_RANKS_MAX * sizeof(*workers));
	int r = workers ? 0 : -ENOMEM;

	for (uint32_t i = 0; r == 0 && i < watch->index_count; i++)
		r = collect_index(watch, i, workers);
	if (r == 0)
		r = collect_unreadable(watch, indexer);
	free(workers);
	return r;
}

static int keep(struct watch *watch, struct watched_rank *before, size_t count)
{
	free(watch->ranks);
	watch->ranks = before;
	watch->rank_count = count;
	for (size_t i = 0; i < count; i++)
		before[i].changed = 0;
	return 0;
}

int watch_look(struct watch *watch, const struct space *space, const struct rdx_indexer *indexer,
	       const struct rdx_indexer_stats *stats)
{
	struct watched_rank *before = watch->ranks;
	size_t count = watch->rank_count;
	int unopened = open_missing(watch, space, stats->indexes), changes;

	watch->ranks = NULL;
	watch->rank_count = 0;
	watch->trouble = collect(watch, indexer);
	if (watch->trouble < 0)
		return keep(watch, before, count);
	watch->trouble = unopened;
	if (watch->rank_count)
		qsort(watch->ranks, watch->rank_count, sizeof(*watch->ranks), compare);
	changes = mark_changes(watch, before, count);
	free(before);
	return changes;
}
