/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/rank_rows.h"

#include "shm/clock.h"
#include "tools/ringdexd/worth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S     1e9
#define SEGMENTS_MAX 512 /* that one look opens: others wait for it */

static struct rank_row *add(struct rank_rows *rows)
{
	struct rank_row *more = realloc(rows->rows, (rows->count + 1) * sizeof(*more));

	if (!more)
		return NULL;
	rows->rows = more;
	more += rows->count++;
	*more = (struct rank_row){.rate = -1};
	return more;
}

static int add_index(struct rank_rows *rows, struct shelf *shelf, const struct shelf_index *index,
		     struct rdx_index_rank *scratch)
{
	int count = shelf_ranks(shelf, index, scratch);

	for (int i = 0; i < count; i++) {
		struct rank_row *row = add(rows);

		if (!row)
			return -ENOMEM;
		memcpy(row->model, index->name.model, sizeof(row->model));
		memcpy(row->tenant, index->name.tenant, sizeof(row->tenant));
		row->block_tokens = index->name.block_tokens;
		row->is_indexed = 1;
		row->rank = scratch[i];
	}
	return 0;
}

/* The row of this life of a rank; that of a dead one may be of a life before, which the segment has not. */
static struct rank_row *find_life(struct rank_rows *rows, const struct sighting *sighting)
{
	for (size_t i = 0; i < rows->count; i++) {
		struct rank_row *row = &rows->rows[i];

		if (row->is_indexed && row->rank.worker_id == sighting->name.worker_id &&
		    row->rank.dp_rank == sighting->name.dp_rank &&
		    row->rank.epoch == sighting->info.epoch)
			return row;
	}
	return NULL;
}

static struct rank_row *add_segment(struct rank_rows *rows, const struct sighting *sighting)
{
	struct rank_row *row = add(rows);

	if (!row)
		return NULL;
	row->rank.worker_id = sighting->name.worker_id;
	row->rank.dp_rank = sighting->name.dp_rank;
	row->rank.event_age_ns = row->rank.age_ns = UINT64_MAX;
	row->segment = sighting->state;
	if (sighting->state == SIGHTING_UNREADABLE)
		return row;
	row->rank.epoch = sighting->info.epoch;
	row->rank.event_age_ns = sighting->silent_ns;
	row->block_tokens = sighting->info.block_tokens;
	memcpy(row->model, sighting->info.model, sizeof(row->model));
	memcpy(row->tenant, sighting->info.tenant, sizeof(row->tenant));
	memcpy(row->rank.instance, sighting->info.instance, sizeof(row->rank.instance));
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		row->rank.blocks[tier] = sighting->counters[RDX_COUNTER_HELD + tier];
	return row;
}

static int add_sighting(struct rank_rows *rows, const struct sighting *sighting)
{
	struct rank_row *row =
		sighting->state == SIGHTING_UNREADABLE ? NULL : find_life(rows, sighting);

	if (!row)
		row = add_segment(rows, sighting);
	if (!row)
		return -ENOMEM;
	if (sighting->state == SIGHTING_UNREADABLE)
		return 0;
	row->is_seen = 1;
	row->segment = sighting->state;
	row->has_barrier = sighting->has_barrier;
	row->barrier_event_id = sighting->barrier_event_id;
	row->newest_event_id = sighting->last_event_id;
	row->clears = sighting->counters[RDX_COUNTER_CLEARS];
	return 0;
}

/* After the indexes: what a segment has that its index lacks came later, or is not followed. */
static int add_segments(struct rank_rows *rows, const struct space *space)
{
	static const struct ranks all;
	struct sighting sighting;
	struct ranks found;
	int r = 0;

	if (ranks_find(space, &all, &found) < 0)
		return 0; /* it has said why */
	rows->left_out = found.count > SEGMENTS_MAX ? found.count - SEGMENTS_MAX : 0;
	for (size_t i = 0; r == 0 && i < found.count - rows->left_out; i++)
		if (sighting_look(space, &found.names[i], &sighting) == 0)
			r = add_sighting(rows, &sighting);
	ranks_free(&found);
	return r;
}

static int is_gone(const struct rank_row *row)
{
	return (row->is_indexed && row->rank.state == RDX_STATE_GONE) ||
	       (!row->is_indexed && row->segment == SIGHTING_DEAD);
}

static int compare_names(const struct rank_row *a, const struct rank_row *b)
{
	int by;

	if (a->rank.worker_id != b->rank.worker_id)
		return a->rank.worker_id < b->rank.worker_id ? -1 : 1;
	by = (a->rank.dp_rank > b->rank.dp_rank) - (a->rank.dp_rank < b->rank.dp_rank);
	if (!by)
		by = strcmp(a->model, b->model);
	if (!by)
		by = strcmp(a->tenant, b->tenant);
	if (!by)
		by = (a->block_tokens > b->block_tokens) - (a->block_tokens < b->block_tokens);
	return by;
}

static int compare(const void *left, const void *right)
{
	const struct rank_row *a = left, *b = right;
	int by = compare_names(a, b);

	return by ? by : is_gone(a) - is_gone(b);
}

/* In order; of a rank's lives under one name the one that goes on. */
static void sort(struct rank_rows *rows)
{
	size_t kept = 0;

	if (rows->count)
		qsort(rows->rows, rows->count, sizeof(*rows->rows), compare);
	for (size_t i = 0; i < rows->count; i++)
		if (!kept || compare_names(&rows->rows[kept - 1], &rows->rows[i]) != 0)
			rows->rows[kept++] = rows->rows[i];
	rows->count = kept;
}

static uint64_t newest(const struct rank_row *row)
{
	return row->is_seen && row->newest_event_id > row->rank.last_event_id
		       ? row->newest_event_id
		       : row->rank.last_event_id;
}

/* Both are in the same order. */
static void fill_rates(struct rank_rows *rows, const struct rank_rows *before)
{
	double seconds = (double)(rows->taken_ns - before->taken_ns) / NS_PER_S;
	size_t j = 0;

	for (size_t i = 0; i < rows->count && seconds > 0; i++) {
		struct rank_row *row = &rows->rows[i];
		const struct rank_row *was;

		while (j < before->count && compare_names(&before->rows[j], row) < 0)
			j++;
		if (j == before->count)
			return;
		was = &before->rows[j];
		if (compare_names(was, row) == 0 && was->rank.epoch == row->rank.epoch &&
		    newest(row) >= newest(was))
			row->rate = (double)(newest(row) - newest(was)) / seconds;
	}
}

int rank_rows_take(struct rank_rows *ret_rows, const struct rank_rows *before, struct shelf *shelf,
		   const struct space *space, struct rdx_index_rank *scratch)
{
	struct rank_rows rows = {0};
	const struct shelf_index *indexes;
	size_t count = shelf_all(shelf, &indexes);
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_index(&rows, shelf, &indexes[i], scratch);
	rows.taken_ns = rdx_clock_ns();
	if (r == 0)
		r = add_segments(&rows, space);
	if (r < 0) {
		rank_rows_free(&rows);
		return r;
	}
	sort(&rows);
	fill_rates(&rows, before);
	*ret_rows = rows;
	return 0;
}

void rank_rows_free(struct rank_rows *rows)
{
	free(rows->rows);
	*rows = (struct rank_rows){0};
}

const char *rank_rows_state(const struct rank_row *row)
{
	static const char *const segments[] = {"live", "dead", "unreadable"};

	return row->is_indexed ? worth_text(row->rank.state) : segments[row->segment];
}
