/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/desk.h"

#include "shm/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_GROUP "default"

const char *desk_tenant(const char *routing_group)
{
	if (strcmp(routing_group, DEFAULT_GROUP) == 0)
		return "";
	return routing_group[0] ? routing_group : NULL;
}

const char *desk_routing_group(const char *tenant)
{
	return tenant[0] ? tenant : DEFAULT_GROUP;
}

const char *desk_group_of(const struct body *body)
{
	return body->has & BODY_ROUTING_GROUP ? body->routing_group : DEFAULT_GROUP;
}

int desk_read_body(struct desk *desk, const struct request *request, uint32_t required,
		   uint32_t never_null, const struct body **ret_body, struct answer *answer)
{
	char fault[BODY_FAULT_BYTES];
	int r;

	if (!request->is_json) {
		answer_plain(answer, 415, "Expected request with `Content-Type: application/json`");
		return 0;
	}
	r = body_read(desk->reader, request->body, request->body_bytes, required, never_null,
		      ret_body, fault);
	if (r == -ENOMEM)
		answer_error(answer, 503, "no memory for this now");
	else if (r < 0)
		answer_plain(answer, r == -EINVAL ? 422 : 400, "%s\n", fault);
	return r == 0;
}

int desk_look_up(struct desk *desk, const char *model, const char *tenant, uint32_t block_tokens,
		 int (*look_up)(void *context), void *context, const struct shelf_index **ret_index)
{
	uint64_t begun_ns, until_ns = 0;
	int r, tries = 2;

	do {
		r = tenant ? shelf_find(desk->shelf, model, tenant, block_tokens, ret_index)
			   : -ENOENT;
		if (r < 0)
			break;
		desk->runs[0].size = sizeof(desk->runs[0]);
		begun_ns = rdx_clock_ns();
		r = look_up(context);
		if (r != -EAGAIN)
			histogram_add(&desk->traffic.lookups, rdx_clock_ns() - begun_ns);
		if (r == -EIDRM) /* its indexer is dead, and another one may have made it anew */
			shelf_drop(desk->shelf, *ret_index);
	} while ((r == -EIDRM && --tries) || (r == -EAGAIN && shelf_pause(desk->shelf, &until_ns)));
	desk->lookups++;
	return r;
}

int desk_may_tell(uint8_t state)
{
	return state == RDX_STATE_EXACT || state == RDX_STATE_LACKING || state == RDX_STATE_INEXACT;
}

int desk_open(struct desk *ret_desk, struct space *space, struct keeper *keeper)
{
	*ret_desk = (struct desk){.space = space, .keeper = keeper};
	ret_desk->shelf = shelf_new(space);
	ret_desk->reader = body_reader_new();
	ret_desk->asks = ask_reader_new();
	ret_desk->expected = expected_new();
	if (ret_desk->shelf)
		ret_desk->overview = overview_new(space, ret_desk->shelf, keeper);
	if (ret_desk->overview && ret_desk->reader && ret_desk->asks && ret_desk->expected)
		return 0;
	desk_close(ret_desk);
	return -ENOMEM;
}

void desk_close(struct desk *desk)
{
	overview_free(desk->overview);
	shelf_free(desk->shelf);
	body_reader_free(desk->reader);
	ask_reader_free(desk->asks);
	prompt_keys_free(&desk->keys);
	free(desk->prefixes);
	expected_free(desk->expected);
	*desk = (struct desk){0};
}
