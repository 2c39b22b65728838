/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/event.h"

#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t touch_text(const char *text)
{
	return text ? fuzz_touch(text, strlen(text)) : 0;
}

static uint64_t touch_names(const struct rdx_engine_event *event)
{
	uint64_t sum = 0;

	if (event->names || event->parent)
		FUZZ_CHECK(event->name_bytes == 8 || event->name_bytes == 32);
	if (event->names)
		sum += fuzz_touch(event->names, (uint64_t)event->count * event->name_bytes);
	if (event->parent)
		sum += fuzz_touch(event->parent, event->name_bytes);
	if (event->tokens)
		sum += fuzz_touch(event->tokens, event->token_count * sizeof(uint32_t) *
							 (event->flags & RDX_ENGINE_PAIRS ? 2 : 1));
	if (event->local_hashes)
		sum += fuzz_touch(event->local_hashes, (uint64_t)event->count * sizeof(uint64_t));
	if (event->remaining)
		sum += fuzz_touch(event->remaining, (uint64_t)event->count * sizeof(uint32_t));
	return sum;
}

static uint64_t touch_keys(const struct rdx_engine_event *event)
{
	struct rdx_engine_identity identity = {.size = sizeof(identity)};
	struct rdx_block_key one, *keys = &one; /* as many as there may be, no more */
	uint64_t sum = 0;

	if (event->key_count)
		keys = calloc(event->key_count, sizeof(*keys));
	FUZZ_CHECK(keys);
	for (uint64_t i = 0; i < event->key_count; i++)
		if (event->keys[i].byte_count)
			sum += fuzz_touch(event->keys[i].bytes, event->keys[i].byte_count);
	FUZZ_ALLOWED(rdx_engine_keys(event, keys, event->key_count, &identity), -EINVAL);
	if (keys != &one)
		free(keys);
	return sum;
}

uint64_t event_touch(const struct rdx_engine_event *event)
{
	FUZZ_CHECK(event->type);
	return touch_names(event) + touch_keys(event) + touch_text(event->type) +
	       touch_text(event->medium) + touch_text(event->lora_name) +
	       touch_text(event->cache_salt) + touch_text(event->spec_kind) +
	       touch_text(event->locality) + touch_text(event->ownership);
}
