/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/engine_rig.h"

#include <stdlib.h>

int engine_setup(void **state)
{
	struct engine_rig *rig = calloc(1, sizeof(*rig));
	void *f;

	publisher_setup(&f);
	rig->f = f;
	rig->f->options.ring_slots = 256;
	rig->options.size = sizeof(rig->options);
	*state = rig;
	return 0;
}

int engine_teardown(void **state)
{
	struct engine_rig *rig = *state;
	void *f = rig->f;

	rdx_engine_close(rig->engine);
	publisher_teardown(&f);
	free(rig);
	return 0;
}

void engine_open(struct engine_rig *rig)
{
	publisher_open(rig->f);
	assert_int_equal(rdx_engine_open(&rig->engine, rig->f->p, &rig->options), 0);
}

void engine_reopen(struct engine_rig *rig)
{
	rdx_engine_close(rig->engine);
	rdx_publisher_close(rig->f->p);
	engine_open(rig);
}

struct rdx_engine_event engine_event(const char *type)
{
	return (struct rdx_engine_event){
		.size = sizeof(struct rdx_engine_event),
		.type = type,
		.name_bytes = 8,
	};
}

struct rdx_engine_event engine_remove(struct engine_rig *rig, uint64_t first, uint32_t count)
{
	struct rdx_engine_event event = engine_event("BlockRemoved");

	for (uint32_t i = 0; i < count; i++)
		rig->names[i] = first + i;
	event.names = rig->names;
	event.count = count;
	return event;
}

struct rdx_engine_event engine_store(struct engine_rig *rig, uint64_t parent, uint64_t first,
				     uint32_t count)
{
	struct rdx_engine_event event = engine_remove(rig, first, count);

	event.type = "BlockStored";
	rig->parent = parent;
	event.parent = parent ? &rig->parent : NULL;
	for (uint32_t i = 0; i < count * PUBLISHER_TOKENS; i++)
		rig->tokens[i] =
			(uint32_t)(first + i / PUBLISHER_TOKENS) * 10 + i % PUBLISHER_TOKENS;
	event.tokens = rig->tokens;
	event.token_count = (uint64_t)count * PUBLISHER_TOKENS;
	event.block_tokens = PUBLISHER_TOKENS;
	return event;
}

void engine_publish(struct engine_rig *rig, const struct rdx_engine_event *event)
{
	assert_int_equal(rdx_engine_publish(rig->engine, event), 0);
}

struct rdx_engine_stats engine_stats(const struct engine_rig *rig)
{
	struct rdx_engine_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_engine_get_stats(rig->engine, &stats), 0);
	return stats;
}

void engine_expect(const struct engine_rig *rig, uint8_t tier, uint64_t held, uint32_t inexact)
{
	struct rdx_publisher_stats stats = publisher_stats(rig->f->p);

	assert_int_equal(stats.held[tier], held);
	assert_int_equal(stats.inexact, inexact);
}

void engine_clear(struct engine_rig *rig)
{
	struct rdx_engine_event event = engine_event("AllBlocksCleared");

	event.medium = "all";
	engine_publish(rig, &event);
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		engine_expect(rig, tier, 0, 0);
}
