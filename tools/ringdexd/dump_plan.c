/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/dump_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more behind `count` of so many bytes. NULL: there is no memory. */
static void *grow(void *array, uint32_t count, size_t bytes)
{
	/* it grows where the count is a power of two */
	return count & (count - 1) ? array : realloc(array, (count ? 2 * count : 1) * bytes);
}

static int add_rank(struct dump_plan *plan, const struct rdx_index_rank *rank)
{
	struct dump_rank *ranks = grow(plan->ranks, plan->rank_count, sizeof(*ranks));

	if (!ranks)
		return -ENOMEM;
	plan->ranks = ranks;
	ranks[plan->rank_count++] = (struct dump_rank){
		.worker_id = rank->worker_id,
		.epoch = rank->epoch,
		.dp_rank = rank->dp_rank,
	};
	return 0;
}

static void name_key(const struct index_name *name, char ret_key[2 * RDX_TEXT_BYTES])
{
	snprintf(ret_key, 2 * RDX_TEXT_BYTES, "%s:%s", name->model,
		 desk_routing_group(name->tenant));
}

static int add_model(struct dump_plan *plan, const struct index_name *name, uint32_t first_rank)
{
	struct dump_model *models = grow(plan->models, plan->model_count, sizeof(*models));
	struct dump_model *model;

	if (!models)
		return -ENOMEM;
	plan->models = models;
	model = &models[plan->model_count++];
	model->block_tokens = name->block_tokens;
	model->first_rank = first_rank;
	model->ranks = plan->rank_count - first_rank;
	name_key(name, model->key);
	return 0;
}

/* The index's ranks that may be told. */
static int add_index(struct dump_plan *plan, struct desk *desk, const struct shelf_index *index)
{
	struct rdx_index_rank *ranks = desk->ranks;
	uint32_t first = plan->rank_count;
	int count = shelf_ranks(desk->shelf, index, ranks), r = 0;

	for (int i = 0; i < count && r == 0; i++)
		if (desk_may_tell(ranks[i].state))
			r = add_rank(plan, &ranks[i]);
	if (r == 0 && plan->rank_count > first)
		r = add_model(plan, &index->name, first);
	return r;
}

/* Others of the same model and tenant that are as good or better: then there is none to choose, as for /query. */
struct rivals {
	int any;
	int before; /* as good, and seen before */
};

static struct rivals rivals_of(const struct shelf_index *indexes, size_t count, size_t at)
{
	const struct index_name *name = &indexes[at].name;
	struct rivals rivals = {0};

	for (size_t i = 0; i < count; i++) {
		const struct index_name *other = &indexes[i].name;

		if (i == at || strcmp(other->model, name->model) != 0 ||
		    strcmp(other->tenant, name->tenant) != 0 ||
		    (other->is_fed != 0) < (name->is_fed != 0))
			continue;
		rivals.any = 1;
		rivals.before |= i < at;
	}
	return rivals;
}

static void leave_out(struct dump_plan *plan, enum dump_cause cause, const struct index_name *name)
{
	if (plan->left[cause].count++ == 0)
		name_key(name, plan->left[cause].one);
}

/* Does its key say which model and tenant these are, and no others? */
static int is_sayable(const struct index_name *name)
{
	const char *tenant = desk_tenant(desk_routing_group(name->tenant));

	return !strchr(name->model, ':') && strcmp(tenant, name->tenant) == 0;
}

static int add_unless_left(struct dump_plan *plan, struct desk *desk,
			   const struct shelf_index *indexes, size_t count, size_t at)
{
	const struct index_name *name = &indexes[at].name;
	struct rivals rivals = rivals_of(indexes, count, at);

	if (!rivals.any && is_sayable(name))
		return add_index(plan, desk, &indexes[at]);
	if (name->is_fed && !rivals.before)
		leave_out(plan, is_sayable(name) ? DUMP_BLOCK_SIZES : DUMP_NAME, name);
	return 0;
}

int dump_plan_make(struct dump_plan *plan, struct desk *desk)
{
	const struct shelf_index *indexes;
	size_t count = shelf_all(desk->shelf, &indexes);
	int r;

	plan->dir = strdup(desk->space->dir);
	r = plan->dir ? 0 : -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++)
		r = add_unless_left(plan, desk, indexes, count, i);
	return r;
}

void dump_plan_free(struct dump_plan *plan)
{
	free(plan->dir);
	free(plan->models);
	free(plan->ranks);
}
