/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/inspect/event_line.h"

#include "tools/program/json.h"
#include "tools/program/messages.h"

#include <stdlib.h>

void event_line_free(struct event_line *line)
{
	free(line->prefix);
	*line = (struct event_line){0};
}

static const uint64_t *prefix_hashes(struct event_line *line, const struct rdx_rank_info *info,
				     const struct rdx_event *event)
{
	if (line->capacity < event->count) {
		uint64_t *prefix = realloc(line->prefix, event->count * sizeof(*prefix));

		if (!prefix)
			messages_no_memory();
		line->prefix = prefix;
		line->capacity = event->count;
	}
	rdx_hash_chain(&info->key, event->parent, event->hashes, event->count, line->prefix);
	return line->prefix;
}

static struct json_object *line_begun(const struct rdx_rank_info *info, const char *type)
{
	struct json_object *object = json_new_object();

	json_put_id(object, "worker", info->worker_id);
	json_put_number(object, "dp_rank", info->dp_rank);
	json_put_text(object, "type", type);
	return object;
}

void event_line_print(struct event_line *line, const struct rdx_rank_info *info,
		      const struct rdx_event *event)
{
	struct json_object *object = line_begun(info, rdx_event_text(event->kind));

	/* a clear without a tier is one of all */
	if (event->kind == RDX_EVENT_STORED || event->kind == RDX_EVENT_REMOVED ||
	    (event->kind == RDX_EVENT_CLEARED && event->tier != RDX_SCOPE_ALL))
		json_put_text(object, "tier", rdx_tier_text(event->tier));
	if (event->kind == RDX_EVENT_STORED) {
		if (event->parent)
			json_put_id(object, "parent", event->parent);
		json_put_ids(object, "names", prefix_hashes(line, info, event), event->count);
		json_put_ids(object, "local_hashes", event->hashes, event->count);
		json_put_number(object, "block_size", info->block_tokens);
	} else if (event->kind == RDX_EVENT_REMOVED) {
		json_put_ids(object, "names", event->hashes, event->count);
	}
	if (event->inexact || event->kind == RDX_EVENT_INEXACT)
		json_put_text(object, "inexact",
			      event->inexact ? rdx_inexact_text(event->inexact) : "exact");
	if (event->time_ns)
		json_put_id(object, "time_ns", event->time_ns);
	json_put_number(object, "event_id", event->event_id);
	json_print_line(object);
}

void event_line_print_restart(const struct rdx_rank_info *info)
{
	json_print_line(line_begun(info, rdx_event_text(RDX_EVENT_CLEARED)));
}
