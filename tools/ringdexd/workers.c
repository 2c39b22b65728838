/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/workers.h"

#include "tools/ringdexd/desk.h"
#include "tools/ringdexd/parameter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In the words of that API: active, pending, paused, failed. */
static const char *status_text(uint8_t state)
{
	switch (state) {
	case RDX_STATE_RECOVERING:
		return "pending";
	case RDX_STATE_STALE:
		return "paused";
	case RDX_STATE_GONE:
		return "failed";
	default:
		return "active";
	}
}

static int compare_ranks(const void *a, const void *b)
{
	const struct rdx_index_rank *x = a, *y = b;

	if (x->worker_id != y->worker_id)
		return x->worker_id < y->worker_id ? -1 : 1;
	return (x->dp_rank > y->dp_rank) - (x->dp_rank < y->dp_rank);
}

static void put_endpoints(struct answer *answer, const struct rdx_index_rank *ranks, int count,
			  int with_status)
{
	for (int i = 0; i < count; i++) {
		answer_print(answer, "%s\"%u\":", i ? "," : "", ranks[i].dp_rank);
		if (with_status)
			answer_text(answer, "{\"endpoint\":");
		answer_json_text(answer, ranks[i].instance);
		if (with_status)
			answer_print(answer, ",\"status\":\"%s\"}", status_text(ranks[i].state));
	}
}

/* One worker's ranks; its status is that of its first rank that is not active. */
static void put_worker(struct answer *answer, const struct index_name *name,
		       const struct rdx_index_rank *ranks, int count)
{
	const char *status = "active";

	for (int i = count - 1; i >= 0; i--)
		if (strcmp(status_text(ranks[i].state), "active") != 0)
			status = status_text(ranks[i].state);
	answer_text(answer, "{\"instance_id\":");
	answer_number(answer, ranks[0].worker_id);
	answer_print(answer, ",\"source\":\"ringdex\",\"status\":\"%s\",\"model_name\":", status);
	answer_json_text(answer, name->model);
	answer_text(answer, ",\"routing_group\":");
	answer_json_text(answer, desk_routing_group(name->tenant));
	answer_print(answer, ",\"block_size\":%u,\"endpoints\":{", name->block_tokens);
	put_endpoints(answer, ranks, count, 0);
	answer_text(answer, "},\"listeners\":{");
	put_endpoints(answer, ranks, count, 1);
	answer_text(answer, "}}");
}

static void put_index(struct desk *desk, const struct shelf_index *index, int *any,
		      struct answer *answer)
{
	struct rdx_index_rank *ranks = desk->ranks;
	int count, end;

	ranks[0].size = sizeof(ranks[0]);
	count = rdx_index_ranks(index->index, ranks, RDX_RANKS_MAX);
	if (count == -EIDRM)
		shelf_drop(desk->shelf, index);
	if (count > 0)
		qsort(ranks, (size_t)count, sizeof(*ranks), compare_ranks);
	for (int i = 0; i < count; i = end) {
		end = i + 1;
		while (end < count && ranks[end].worker_id == ranks[i].worker_id)
			end++;
		if (*any)
			answer_text(answer, ",");
		*any = 1;
		put_worker(answer, &index->name, &ranks[i], end - i);
	}
}

void workers_answer(void *context, const struct request *request, struct answer *ret_answer)
{
	char model[RDX_TEXT_BYTES], group[RDX_TEXT_BYTES];
	int has_model = parameter_get(request->query, "model_name", model, sizeof(model));
	int has_group = parameter_get(request->query, "routing_group", group, sizeof(group));
	const struct shelf_index *indexes;
	struct desk *desk = context;
	size_t count;
	int any = 0;

	if (has_model < 0 || has_group < 0) {
		answer_plain(ret_answer, 400,
			     "a parameter is too long, or not encoded as in a URL\n");
		return;
	}
	count = shelf_all(desk->shelf, &indexes);
	answer_text(ret_answer, "[");
	for (size_t i = 0; i < count; i++)
		if ((!has_model || strcmp(indexes[i].name.model, model) == 0) &&
		    (!has_group || strcmp(indexes[i].name.tenant, desk_tenant(group)) == 0))
			put_index(desk, &indexes[i], &any, ret_answer);
	answer_text(ret_answer, "]");
}
