/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/shelf.h"

#include "shm/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_NS  UINT64_C(250000000)  /* between two looks into the directory */
#define LATER_NS UINT64_C(1000000000) /* after a pause that was in vain */

struct shelf {
	struct space *space;
	struct shelf_index *indexes;
	size_t count;
	uint64_t look_ns;  /* when the next look may be */
	uint64_t pause_ns; /* when the next pause may be */
};

struct shelf *shelf_new(struct space *space)
{
	struct shelf *shelf = calloc(1, sizeof(*shelf));

	if (shelf)
		shelf->space = space;
	return shelf;
}

void shelf_free(struct shelf *shelf)
{
	if (!shelf)
		return;
	for (size_t i = 0; i < shelf->count; i++)
		rdx_index_close(shelf->indexes[i].index);
	free(shelf->indexes);
	free(shelf);
}

static int is_same(const struct index_name *a, const struct index_name *b)
{
	return a->block_tokens == b->block_tokens && strcmp(a->model, b->model) == 0 &&
	       strcmp(a->tenant, b->tenant) == 0;
}

/* The handle of that name, which leaves the old list; NULL. */
static struct rdx_index *take(struct shelf *shelf, const struct index_name *name)
{
	for (size_t i = 0; i < shelf->count; i++) {
		struct rdx_index *index = shelf->indexes[i].index;

		if (!index || !is_same(&shelf->indexes[i].name, name))
			continue;
		shelf->indexes[i].index = NULL;
		return index;
	}
	return NULL;
}

/* What is there now: handles that are open stay open, those of what has gone are closed. */
static int look(struct shelf *shelf)
{
	struct shelf_index *indexes;
	struct index_name *names;
	int renewed = space_renew(shelf->space), count = renewed;

	if (renewed >= 0)
		count = indexes_find(shelf->space, &names);
	if (count < 0)
		return count;
	indexes = calloc((size_t)count + 1, sizeof(*indexes));
	if (!indexes) {
		free(names);
		return -ENOMEM;
	}
	for (int i = 0; i < count; i++) {
		indexes[i].name = names[i];
		if (!renewed) /* a handle may well go on in the old directory */
			indexes[i].index = take(shelf, &names[i]);
	}
	for (size_t i = 0; i < shelf->count; i++)
		rdx_index_close(shelf->indexes[i].index);
	free(shelf->indexes);
	free(names);
	shelf->indexes = indexes;
	shelf->count = (size_t)count;
	return 0;
}

static int look_if_due(struct shelf *shelf)
{
	uint64_t now = rdx_clock_ns();

	if (now < shelf->look_ns)
		return 0;
	shelf->look_ns = now + LOOK_NS;
	return look(shelf);
}

static int open_handle(struct shelf *shelf, struct shelf_index *index)
{
	return index->index ? 0 : indexes_open(shelf->space, &index->name, &index->index);
}

static int is_of(const struct shelf_index *index, const char *model, const char *tenant)
{
	return strcmp(index->name.model, model) == 0 && strcmp(index->name.tenant, tenant) == 0;
}

int shelf_find(struct shelf *shelf, const char *model, const char *tenant, uint32_t block_tokens,
	       const struct shelf_index **ret_index)
{
	int r = look_if_due(shelf), found[2] = {0, 0}; /* by whether it is fed */
	struct shelf_index *index[2] = {NULL, NULL};

	if (r < 0)
		return r;
	for (size_t i = 0; i < shelf->count; i++) {
		struct shelf_index *at = &shelf->indexes[i];
		int is_fed = at->name.is_fed != 0;

		if (!is_of(at, model, tenant) ||
		    (block_tokens && at->name.block_tokens != block_tokens))
			continue;
		index[is_fed] = at;
		found[is_fed]++;
	}
	for (int is_fed = 1; is_fed >= 0; is_fed--) {
		if (found[is_fed] > 1)
			return -EEXIST;
		if (!found[is_fed])
			continue;
		*ret_index = index[is_fed];
		return open_handle(shelf, index[is_fed]);
	}
	return -ENOENT;
}

size_t shelf_block_sizes(const struct shelf *shelf, const char *model, const char *tenant,
			 uint32_t *ret_sizes, size_t capacity)
{
	size_t count = 0;

	for (int is_fed = 1; is_fed >= 0 && !count; is_fed--)
		for (size_t i = 0; i < shelf->count; i++) {
			const struct shelf_index *at = &shelf->indexes[i];

			if (!is_of(at, model, tenant) || (at->name.is_fed != 0) != is_fed)
				continue;
			if (count < capacity)
				ret_sizes[count] = at->name.block_tokens;
			count++;
		}
	return count;
}

void shelf_drop(struct shelf *shelf, const struct shelf_index *index)
{
	struct shelf_index *dropped = &shelf->indexes[index - shelf->indexes];

	rdx_index_close(dropped->index);
	dropped->index = NULL;
	shelf->look_ns = 0;
}

int shelf_pause(struct shelf *shelf, uint64_t *until_ns)
{
	if (rdx_clock_ns() < shelf->pause_ns)
		return 0;
	if (indexes_pause(until_ns))
		return 1;
	shelf->pause_ns = rdx_clock_ns() + LATER_NS;
	return 0;
}

int shelf_ranks(struct shelf *shelf, const struct shelf_index *index,
		struct rdx_index_rank *ret_ranks)
{
	uint64_t until_ns = 0;
	int count;

	ret_ranks[0].size = sizeof(ret_ranks[0]);
	do
		count = rdx_index_ranks(index->index, ret_ranks, RDX_RANKS_MAX);
	while (count == -EAGAIN && shelf_pause(shelf, &until_ns));
	if (count == -EIDRM)
		shelf_drop(shelf, index);
	return count < 0 ? 0 : count;
}

size_t shelf_all(struct shelf *shelf, const struct shelf_index **ret_indexes)
{
	size_t open = 0;

	(void)look_if_due(shelf); /* what was there is what can be told */
	for (size_t i = 0; i < shelf->count; i++) {
		struct shelf_index moved;

		if (open_handle(shelf, &shelf->indexes[i]) < 0)
			continue;
		moved = shelf->indexes[i];
		shelf->indexes[i] = shelf->indexes[open];
		shelf->indexes[open++] = moved;
	}
	*ret_indexes = shelf->indexes;
	return open;
}
