/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/inspect/standing.h"

#include "tools/inspect/indexes.h"
#include "tools/program/messages.h"

#include <stdlib.h>
#include <string.h>

/* 0, or -errno with nothing added. */
static int add_index(struct standing *standing, const struct space *space,
		     const struct index_name *name)
{
	size_t count = standing->count;
	struct rdx_index_rank *ranks =
		realloc(standing->ranks, (count + RDX_RANKS_MAX) * sizeof(*ranks));
	struct rdx_index *index;
	int r;

	if (!ranks)
		messages_no_memory();
	standing->ranks = ranks;
	r = indexes_open(space, name, &index);
	if (r < 0)
		return r;
	ranks[count].size = sizeof(*ranks);
	r = rdx_index_ranks(index, ranks + count, RDX_RANKS_MAX);
	rdx_index_close(index);
	if (r > 0)
		standing->count += (size_t)r;
	return r < 0 ? r : 0;
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

uint32_t standing_of_worker(const struct standing *standing, uint64_t worker_id)
{
	uint32_t ranks = 0;

	for (size_t i = 0; i < standing->count; i++)
		ranks += standing->ranks[i].worker_id == worker_id &&
			 standing->ranks[i].state != RDX_STATE_GONE;
	return ranks;
}
