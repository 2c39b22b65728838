/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which events may be one: removals, since engines say each block by itself.
 */
#include "producer/engine/words.h"
#include "shm/sized.h"

#include <string.h>

static int is_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static int is_removal(const struct rdx_engine_options *options,
		      const struct rdx_engine_event *event)
{
	uint64_t type;

	return event->type && rdx_engine_word_type(options, event->type, &type) &&
	       type == RDX_EVENT_REMOVED;
}

/* Does it say nothing but where names went from? */
static int is_plain(const struct rdx_engine_event *event)
{
	return event->names && event->count && event->count <= RDX_ENGINE_JOINED_MAX &&
	       !event->parent && !event->token_count && !event->local_hashes && !event->remaining &&
	       !event->key_count && !event->lora_name && !event->cache_salt &&
	       !event->block_tokens && !event->unknown_fields &&
	       !(event->flags & ~(uint32_t)RDX_ENGINE_GROUP);
}

static int are_alike(const struct rdx_engine_event *a, const struct rdx_engine_event *b)
{
	return a->time_ns == b->time_ns && a->flags == b->flags && a->group == b->group &&
	       a->name_bytes == b->name_bytes && is_same(a->type, b->type) &&
	       is_same(a->medium, b->medium) && is_same(a->spec_kind, b->spec_kind) &&
	       is_same(a->locality, b->locality) && is_same(a->ownership, b->ownership);
}

int rdx_engine_joins(const struct rdx_engine_options *options, const struct rdx_engine_event *first,
		     const struct rdx_engine_event *next)
{
	static const struct rdx_engine_options none = {.size = sizeof(none)};

	if (!options)
		options = &none;
	if (options->size < sizeof(*options) || first->size < sizeof(*first) ||
	    (next && next->size < sizeof(*next)))
		return 0;
	if (!is_plain(first) || !is_removal(options, first))
		return 0;
	return !next || (is_plain(next) && are_alike(first, next) &&
			 first->count + next->count <= RDX_ENGINE_JOINED_MAX);
}
