/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/engine/remove.h"

/* Tell the publisher of the names from `from` to before `to`, and of the copies that are left of
 * each. */
static int publish(struct rdx_engine *engine, const struct rdx_engine_event *event, uint8_t tier,
		   uint8_t group, uint32_t from, uint32_t to, const uint32_t *remaining)
{
	const struct rdx_removed removed = {
		.size = sizeof(removed),
		.time_ns = event->time_ns,
		.names = rdx_engine_name_at(event, from),
		.count = to - from,
		.tier = tier,
		.name_bytes = event->name_bytes,
		.cache_group = group,
		.remaining = remaining,
	};

	return to > from ? rdx_publish_removed(engine->publisher, &removed) : 0;
}

static enum rdx_engine_share_change leave(struct rdx_engine *engine,
					  const struct rdx_engine_event *event, uint8_t tier,
					  uint32_t place, uint32_t i)
{
	uint32_t left = event->remaining ? event->remaining[i] : UINT32_MAX;
	struct rdx_name_key key;

	if (engine->publisher->report_mode == RDX_REPORT_PRESENCE && !event->remaining)
		left = 0;
	rdx_engine_name_key(engine, event, i, tier, &key);
	return rdx_engine_share_leave(&engine->shares, &key, place, left);
}

/* The group's copies that were dropped. One of them goes, where it has no other (`only`); else what is
 * left is among the others. */
static int remove_dropped(struct rdx_engine *engine, const struct rdx_engine_event *event,
			  uint8_t tier, uint32_t place, uint32_t i, int only)
{
	static const uint32_t none;
	struct rdx_publisher *publisher = engine->publisher;
	uint8_t group = rdx_engine_drop_group(engine, place, tier);
	struct rdx_name_key key;

	if (only)
		return publish(engine, event, RDX_TIER_OTHER, group, i, i + 1,
			       event->remaining ? event->remaining + i : NULL);
	rdx_engine_name_key(engine, event, i, group, &key);
	if (!rdx_lacking_find(&publisher->lacking, RDX_TIER_OTHER, &key))
		return 0;
	return publish(engine, event, RDX_TIER_OTHER, group, i, i + 1, &none);
}

/* The publisher knows the blocks that all groups hold, and those that were dropped. */
static int remove_shared(struct rdx_engine *engine, const struct rdx_engine_event *event,
			 uint8_t tier, uint32_t place)
{
	int tells_all = event->remaining || engine->publisher->report_mode == RDX_REPORT_PRESENCE;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < event->count; i++) {
		enum rdx_engine_share_change change = leave(engine, event, tier, place, i);
		int only = change == RDX_ENGINE_SHARE_UNKNOWN;

		if (change == RDX_ENGINE_SHARE_BROKEN)
			r = publish(engine, event, tier, 0, i, i + 1, NULL);
		if (r == 0 && (only || tells_all))
			r = remove_dropped(engine, event, tier, place, i, only);
	}
	return r;
}

int rdx_engine_remove(struct rdx_engine *engine, const struct rdx_engine_event *event, uint8_t tier,
		      uint32_t place, uint64_t *ret_unknown)
{
	const uint64_t *unknown = &engine->publisher->counters[RDX_COUNTER_UNKNOWN_REMOVALS];
	uint64_t before = *unknown;
	int r;

	if (rdx_engine_has_shares(engine) && tier < RDX_TIER_COUNT)
		r = remove_shared(engine, event, tier, place);
	else
		r = publish(engine, event, tier, rdx_engine_drop_group(engine, place, tier), 0,
			    event->count, event->remaining);
	*ret_unknown = *unknown - before;
	return r;
}
