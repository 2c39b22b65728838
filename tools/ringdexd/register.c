/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/register.h"

#include "tools/ringdexd/desk.h"
#include "tools/ringdexd/zmq_endpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define REQUIRED    (BODY_INSTANCE_ID | BODY_ENDPOINT | BODY_MODEL_NAME | BODY_BLOCK_SIZE)
#define FAULT_BYTES 512

/* May whoever asks register? 1; 0 where that is answered. */
static int is_allowed(const struct desk *desk, struct answer *answer)
{
	if (desk->no_register)
		answer_error(answer, 403, "%s", desk->no_register);
	return !desk->no_register;
}

/* What is registered is of one model and group; NULL: no group has that tenant. */
static int is_of(const struct bridge_stream *stream, const char *model, const char *tenant)
{
	return strcmp(stream->model, model) == 0 && tenant && strcmp(stream->tenant, tenant) == 0;
}

/* No tenant has the group "", and the default one must not be taken for it. */
static int check_group(const struct body *body, struct answer *answer)
{
	if (desk_tenant(desk_group_of(body)))
		return 1;
	answer_plain(answer, 422, "field `routing_group` is empty: leave it out, or name one\n");
	return 0;
}

static int check_endpoints(const struct body *body, struct answer *answer)
{
	uint32_t dp_rank = (uint32_t)body->dp_rank;
	char fault[FAULT_BYTES];

	if (zmq_endpoint_check(body->endpoint, dp_rank, fault, sizeof(fault)) < 0)
		answer_error(answer, 400, "%s", fault);
	else if (body->has & BODY_REPLAY_ENDPOINT &&
		 zmq_endpoint_check(body->replay_endpoint, dp_rank, fault, sizeof(fault)) < 0)
		answer_error(answer, 400, "invalid replay endpoint `%s`: %s", body->replay_endpoint,
			     fault);
	else
		return 1;
	return 0;
}

/* Has the instance another model or group, or the rank already? */
static int check_instance(struct desk *desk, const struct body *body, struct answer *answer)
{
	const struct bridge *at = bridges_of_instance(desk->bridges, body->instance_id);
	const char *tenant = desk_tenant(desk_group_of(body));

	for (; at; at = bridges_next(desk->bridges, at)) {
		const struct bridge_stream *stream = bridge_view(at).stream;

		if (stream->instance_id != body->instance_id)
			break;
		if (!is_of(stream, body->model_name, tenant)) {
			answer_error(answer, 409,
				     "instance %" PRIu64
				     " is already registered for model=%s routing_group=%s",
				     body->instance_id, stream->model,
				     desk_routing_group(stream->tenant));
			return 0;
		}
		if (stream->dp_rank == body->dp_rank) {
			answer_error(answer, 409,
				     "instance %" PRIu64 " dp_rank %" PRIu64 " already registered",
				     body->instance_id, body->dp_rank);
			return 0;
		}
	}
	return 1;
}

/* Does a rank feed it that appeared by itself? */
static int is_fed_by_others(struct desk *desk, const struct shelf_index *index)
{
	const struct rdx_index_rank *ranks = desk->ranks;
	int count = shelf_ranks(desk->shelf, index, desk->ranks);

	for (int i = 0; i < count; i++)
		if (ranks[i].state != RDX_STATE_GONE &&
		    !bridges_publish(desk->bridges, ranks[i].worker_id, ranks[i].dp_rank))
			return 1;
	return 0;
}

/* What is registered for the model has one block size; ranks that appeared by themselves may have several, and one
 * that is another is enough. 0: there is none but `wanted`. */
static uint32_t another_size(struct desk *desk, const char *model, const char *tenant,
			     uint64_t wanted)
{
	const struct bridge *bridge = bridges_of_model(desk->bridges, model, tenant);
	uint32_t registered = bridge ? bridge_view(bridge).stream->block_tokens : 0;
	const struct shelf_index *indexes;
	size_t count;

	if (registered)
		return registered == wanted ? 0 : registered;
	count = shelf_all(desk->shelf, &indexes);
	for (size_t i = 0; i < count; i++)
		if (indexes[i].name.block_tokens != wanted &&
		    strcmp(indexes[i].name.model, model) == 0 &&
		    strcmp(indexes[i].name.tenant, tenant) == 0 &&
		    is_fed_by_others(desk, &indexes[i]))
			return indexes[i].name.block_tokens;
	return 0;
}

static int check_block_size(struct desk *desk, const struct body *body, struct answer *answer)
{
	const char *tenant = desk_tenant(desk_group_of(body));
	uint32_t existing = another_size(desk, body->model_name, tenant, body->block_size);

	if (!existing)
		return 1;
	answer_error(answer, 409,
		     "block_size mismatch for model=%s routing_group=%s: existing=%" PRIu32
		     ", requested=%" PRIu64,
		     body->model_name, desk_routing_group(tenant), existing, body->block_size);
	return 0;
}

static int add(struct desk *desk, const struct body *body)
{
	struct bridge_stream stream = {.instance_id = body->instance_id,
				       .dp_rank = (uint32_t)body->dp_rank,
				       .block_tokens = (uint32_t)body->block_size};
	const char *tenant = desk_tenant(desk_group_of(body));

	memcpy(stream.model, body->model_name, strlen(body->model_name) + 1);
	memcpy(stream.tenant, tenant, strlen(tenant) + 1);
	memcpy(stream.endpoint, body->endpoint, strlen(body->endpoint) + 1);
	memcpy(stream.replay_endpoint, body->replay_endpoint, strlen(body->replay_endpoint) + 1);
	return bridges_add(desk->bridges, &stream);
}

void register_engine(void *context, const struct request *request, struct answer *ret_answer)
{
	struct desk *desk = context;
	const struct body *body;
	int r;

	if (!is_allowed(desk, ret_answer) ||
	    !desk_read_body(desk, request, REQUIRED, REQUIRED | BODY_ROUTING_GROUP, &body,
			    ret_answer) ||
	    !check_group(body, ret_answer) || !check_endpoints(body, ret_answer) ||
	    !check_instance(desk, body, ret_answer) || !check_block_size(desk, body, ret_answer))
		return;
	r = add(desk, body);
	if (r < 0) {
		answer_error(ret_answer, 503, "%s",
			     r == -ENOSPC ? "as many as --registered allows are registered"
					  : "no memory for this now");
		return;
	}
	answer_ok(ret_answer, 201);
}

/* Without a group the rank does not count either. */
static int check_registered(const struct desk *desk, const struct body *body, struct answer *answer)
{
	const struct bridge *at = bridges_of_instance(desk->bridges, body->instance_id);
	const struct bridge_stream *stream;

	if (!at) {
		answer_error(answer, 404, "instance %" PRIu64 " not found", body->instance_id);
		return 0;
	}
	stream = bridge_view(at).stream;
	if (!is_of(stream, body->model_name,
		   body->has & BODY_ROUTING_GROUP ? desk_tenant(body->routing_group)
						  : stream->tenant)) {
		answer_error(answer, 404,
			     "instance %" PRIu64 " is registered for model=%s routing_group=%s",
			     body->instance_id, stream->model, desk_routing_group(stream->tenant));
		return 0;
	}
	if (!(body->has & BODY_DP_RANK) || !(body->has & BODY_ROUTING_GROUP))
		return 1;
	for (; at; at = bridges_next(desk->bridges, at)) {
		stream = bridge_view(at).stream;
		if (stream->instance_id == body->instance_id && stream->dp_rank == body->dp_rank)
			return 1;
	}
	answer_error(answer, 404, "instance %" PRIu64 " dp_rank %" PRIu64 " not found",
		     body->instance_id, body->dp_rank);
	return 0;
}

void unregister_engine(void *context, const struct request *request, struct answer *ret_answer)
{
	const uint32_t one_rank = BODY_DP_RANK | BODY_ROUTING_GROUP;
	const uint32_t named = BODY_INSTANCE_ID | BODY_MODEL_NAME;
	struct desk *desk = context;
	const struct body *body;
	uint32_t dp_rank;

	if (!is_allowed(desk, ret_answer) ||
	    !desk_read_body(desk, request, named, named, &body, ret_answer) ||
	    !check_registered(desk, body, ret_answer))
		return;
	dp_rank = (uint32_t)body->dp_rank;
	bridges_remove(desk->bridges, body->instance_id,
		       (body->has & one_rank) == one_rank ? &dp_rank : NULL);
	answer_ok(ret_answer, 200);
}
