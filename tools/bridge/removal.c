/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/removal.h"

#include <string.h>

#define JOINED_MAX 4096 /* names */

int removal_is(const struct said *said)
{
	const struct rdx_engine_event *event = &said->event;

	return event->type &&
	       (strcmp(event->type, "BlockRemoved") == 0 || strcmp(event->type, "removed") == 0) &&
	       event->count && !event->unknown_fields && !event->remaining && !event->parent &&
	       !event->token_count && !event->key_count && !event->lora_name &&
	       !event->cache_salt && !event->block_tokens &&
	       !(event->flags & ~(uint32_t)RDX_ENGINE_GROUP);
}

static int is_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Do they say the same of their names? */
static int are_alike(const struct rdx_engine_event *a, const struct rdx_engine_event *b)
{
	return a->flags == b->flags && a->group == b->group && a->name_bytes == b->name_bytes &&
	       is_same(a->type, b->type) && is_same(a->medium, b->medium) &&
	       is_same(a->spec_kind, b->spec_kind) && is_same(a->locality, b->locality) &&
	       is_same(a->ownership, b->ownership);
}

int removal_join(struct said *removal, const struct said *next)
{
	struct rdx_engine_event *event = &removal->event;
	uint64_t before = event->count * (uint64_t)event->name_bytes;
	uint64_t more = next->event.count * (uint64_t)event->name_bytes;
	uint8_t *names;

	if ((uint64_t)event->count + next->event.count > JOINED_MAX ||
	    !are_alike(event, &next->event))
		return 0;
	names = vector_reserve(&removal->names, before + more);
	memcpy(names + before, next->event.names, more);
	event->names = names;
	event->count += next->event.count;
	return 1;
}
