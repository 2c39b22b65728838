/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/workers.h"

#include "tools/ringdexd/desk.h"
#include "tools/ringdexd/parameter.h"

#include <stdlib.h>
#include <string.h>

/* In the words of that API: active, pending, paused; what is GONE is not shown. */
static const char *status_text(uint8_t state)
{
	switch (state) {
	case RDX_STATE_RECOVERING:
		return "pending";
	case RDX_STATE_STALE:
		return "paused";
	default:
		return "active";
	}
}

/* A rank of a worker, wherever it comes from. */
struct shown {
	uint64_t instance_id;
	uint32_t dp_rank;
	const char *endpoint;
	const char *status;
};

/* What workers of one model and group have in common. */
struct shared {
	const char *source;
	const char *model;
	const char *tenant;
	uint32_t block_tokens;
};

static int compare_shown(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;

	if (x->instance_id != y->instance_id)
		return x->instance_id < y->instance_id ? -1 : 1;
	return (x->dp_rank > y->dp_rank) - (x->dp_rank < y->dp_rank);
}

static void put_endpoints(struct answer *answer, const struct shown *shown, int count,
			  int with_status)
{
	for (int i = 0; i < count; i++) {
		answer_print(answer, "%s\"%u\":", i ? "," : "", shown[i].dp_rank);
		if (with_status)
			answer_text(answer, "{\"endpoint\":");
		answer_json_text(answer, shown[i].endpoint);
		if (with_status)
			answer_print(answer, ",\"status\":\"%s\"}", shown[i].status);
	}
}

/* One worker's ranks; its status is that of its first rank that is not active. */
static void put_worker(struct answer *answer, const struct shared *shared,
		       const struct shown *shown, int count)
{
	const char *status = "active";

	for (int i = count - 1; i >= 0; i--)
		if (strcmp(shown[i].status, "active") != 0)
			status = shown[i].status;
	answer_text(answer, "{\"instance_id\":");
	answer_number(answer, shown[0].instance_id);
	answer_print(answer, ",\"source\":\"%s\",\"status\":\"%s\",\"model_name\":", shared->source,
		     status);
	answer_json_text(answer, shared->model);
	answer_text(answer, ",\"routing_group\":");
	answer_json_text(answer, desk_routing_group(shared->tenant));
	answer_print(answer, ",\"block_size\":%u,\"endpoints\":{", shared->block_tokens);
	put_endpoints(answer, shown, count, 0);
	answer_text(answer, "},\"listeners\":{");
	put_endpoints(answer, shown, count, 1);
	answer_text(answer, "}}");
}

/* Ranks in order, worker by worker. */
static void put_workers(struct answer *answer, const struct shared *shared,
			const struct shown *shown, int count, int *any)
{
	int end;

	for (int i = 0; i < count; i = end) {
		end = i + 1;
		while (end < count && shown[end].instance_id == shown[i].instance_id)
			end++;
		if (*any)
			answer_text(answer, ",");
		*any = 1;
		put_worker(answer, shared, &shown[i], end - i);
	}
}

/* The ranks that appeared by themselves. */
static void put_index(struct desk *desk, const struct shelf_index *index, int *any,
		      struct answer *answer)
{
	const struct shared shared = {.source = "ringdex",
				      .model = index->name.model,
				      .tenant = index->name.tenant,
				      .block_tokens = index->name.block_tokens};
	const struct rdx_index_rank *ranks = desk->ranks;
	struct shown shown[RDX_RANKS_MAX];
	int count = shelf_ranks(desk->shelf, index, desk->ranks), used = 0;

	for (int i = 0; i < count; i++)
		if (ranks[i].state != RDX_STATE_GONE &&
		    !bridges_publish(desk->bridges, ranks[i].worker_id, ranks[i].dp_rank))
			shown[used++] = (struct shown){.instance_id = ranks[i].worker_id,
						       .dp_rank = ranks[i].dp_rank,
						       .endpoint = ranks[i].instance,
						       .status = status_text(ranks[i].state)};
	qsort(shown, (size_t)used, sizeof(*shown), compare_shown);
	put_workers(answer, &shared, shown, used, any);
}

/* One worker that was registered, from its first stream on. The stream after its last; NULL: there is none. */
static const struct bridge *put_registered(struct desk *desk, const struct bridge *first, int *any,
					   struct answer *answer)
{
	const struct bridge_stream *stream = bridge_view(first).stream;
	const struct shared shared = {.source = "zmq",
				      .model = stream->model,
				      .tenant = stream->tenant,
				      .block_tokens = stream->block_tokens};
	struct shown shown[RDX_RANKS_MAX]; /* no more can be registered */
	const struct bridge *at = first;
	int used = 0;

	for (; at; at = bridges_next(desk->bridges, at)) {
		struct bridge_view view = bridge_view(at);

		if (view.stream->instance_id != stream->instance_id)
			break;
		shown[used++] = (struct shown){.instance_id = stream->instance_id,
					       .dp_rank = view.stream->dp_rank,
					       .endpoint = view.stream->endpoint,
					       .status = bridge_status_of_dynamo(view.status)};
	}
	put_workers(answer, &shared, shown, used, any);
	return at;
}

/* Which ones are asked for; NULL: any. */
struct wanted {
	const char *model;
	const char *tenant;
	int is_none; /* one of them is a name that nobody has */
};

static int is_wanted(const struct wanted *wanted, const char *model, const char *tenant)
{
	return (!wanted->model || strcmp(wanted->model, model) == 0) &&
	       (!wanted->tenant || strcmp(wanted->tenant, tenant) == 0);
}

static void put_all(struct desk *desk, const struct wanted *wanted, struct answer *answer)
{
	const struct bridge *at = bridges_next(desk->bridges, NULL);
	const struct shelf_index *indexes;
	size_t count = shelf_all(desk->shelf, &indexes);
	int any = 0;

	for (size_t i = 0; i < count; i++)
		if (is_wanted(wanted, indexes[i].name.model, indexes[i].name.tenant))
			put_index(desk, &indexes[i], &any, answer);
	while (at) {
		const struct bridge_stream *stream = bridge_view(at).stream;

		if (is_wanted(wanted, stream->model, stream->tenant))
			at = put_registered(desk, at, &any, answer);
		else
			at = bridges_next(desk->bridges, at);
	}
}

/* As Dynamo's: what is no name is one that nobody has. */
static void want(struct wanted *wanted, const struct parameter *model,
		 const struct parameter *group)
{
	if (model->is_there)
		wanted->model = model->value;
	if (group->is_there)
		wanted->tenant = desk_tenant(group->value);
	wanted->is_none = (model->is_there && !model->is_whole) ||
			  (group->is_there && (!group->is_whole || !wanted->tenant));
}

void workers_answer(void *context, const struct request *request, struct answer *ret_answer)
{
	struct parameter list[] = {{.name = "model_name"}, {.name = "routing_group"}};
	const struct parameter *twice;
	struct wanted wanted = {0};

	if (parameter_read(request->query, list, 2, &twice) < 0) {
		answer_plain(ret_answer, 400,
			     "Failed to deserialize query string: duplicate field `%s`",
			     twice->name);
		return;
	}
	want(&wanted, &list[0], &list[1]);
	answer_text(ret_answer, "[");
	if (!wanted.is_none)
		put_all(context, &wanted, ret_answer);
	answer_text(ret_answer, "]");
}
