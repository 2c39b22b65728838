/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A translator's state: engine.c opens it and judges events, store.c publishes the runs of stores.
 */
#ifndef RDX_ENGINE_STATE_H
#define RDX_ENGINE_STATE_H

#include <ringdex/rdx_engine.h>
#include <ringdex/rdx_publisher.h>

#include "producer/engine/groups.h"
#include "producer/engine/shares.h"
#include "producer/publisher_state.h"

/* Keys of one call of the publisher: a run with more is published in pieces. */
#define RDX_ENGINE_KEYS_PIECE (16 * RDX_ENGINE_BLOCK_KEYS_MAX)

struct rdx_engine {
	struct rdx_publisher *publisher;
	struct rdx_engine_options options;
	struct rdx_engine_stats stats;
	struct rdx_engine_groups groups;
	struct rdx_engine_shares shares; /* where several groups must hold a block */
	uint64_t sequence;               /* of the last batch */
	uint64_t strange_medium;         /* one that nobody knows: its hash; 0: none was seen */
	uint8_t strange_media;           /* and another one */
	uint8_t has_sequence;
	uint8_t late; /* it did not begin at the engine's birth, and that was said */
	struct rdx_block_key keys[RDX_ENGINE_KEYS_PIECE];
	uint32_t *tokens; /* pairs made tokens again */
	uint32_t tokens_capacity;
};

/* The event's names from the `from`th to before the `to`th cannot be represented, for the `place`th
 * of the groups that count: LACKING until they are removed. What they stood for before is forgotten
 * where the event gives them content. */
int rdx_engine_drop(struct rdx_engine *engine, const struct rdx_engine_event *event, uint32_t from,
		    uint32_t to, uint8_t tier, uint32_t place);

/* A store with content that the publisher is not told of: the names from the `from`th to before the
 * `to`th stand for what they stood for no longer, if they are not held; else that is `doubted`. */
void rdx_engine_forget(struct rdx_engine *engine, const struct rdx_engine_event *event,
		       uint32_t from, uint32_t to, int doubted);

/* Must several groups hold a block, so that `shares` counts? */
static inline int rdx_engine_has_shares(const struct rdx_engine *engine)
{
	return engine->shares.groups != 0;
}

/* As whose the publisher remembers a name that was dropped: where several groups must hold it, each
 * group's in each tier for itself, in RDX_TIER_OTHER. */
static inline uint8_t rdx_engine_drop_group(const struct rdx_engine *engine, uint32_t place,
					    uint8_t tier)
{
	return rdx_engine_has_shares(engine) ? (uint8_t)(1 + place * (RDX_TIER_OTHER + 1) + tier)
					     : 0;
}

static inline const uint8_t *rdx_engine_name_at(const struct rdx_engine_event *event, uint32_t i)
{
	return (const uint8_t *)event->names + (uint64_t)i * event->name_bytes;
}

/* The key of the `i`th name, in a group or what stands in its place. */
static inline void rdx_engine_name_key(const struct rdx_engine *engine,
				       const struct rdx_engine_event *event, uint32_t i,
				       uint8_t group, struct rdx_name_key *ret_key)
{
	rdx_names_key(&engine->publisher->names, rdx_engine_name_at(event, i), event->name_bytes,
		      group, ret_key);
}

#endif
