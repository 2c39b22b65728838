/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/engine/groups.h"

#include "producer/engine/words.h"

#include <stddef.h>

#include <string.h>

/* What is known of a group. */
enum { UNSEEN, ASSUMED, COUNTS, OTHER, STRANGE };
#define OLD 0x80 /* beside it: learned before a clear */

/* Kinds of attention for which a prefix hit needs every block: vLLM's KVCacheSpecKind, of which
 * dynamo-kv-router 1.6.1 takes the same three. */
static const char *const full_kinds[] = {"full_attention", "mla_attention", "sink_full_attention",
					 NULL};

/* The others of that enumeration: they keep the end of a prompt, or a state, or nothing of it. Its
 * "unknown" is left to be one that nobody knows. */
static const char *const other_kinds[] = {"sliding_window",
					  "sliding_window_mla",
					  "chunked_local_attention",
					  "mamba",
					  "cross_attention",
					  "encoder_only_attention",
					  NULL};

void rdx_engine_group_begin(struct rdx_engine_groups *groups,
			    const struct rdx_engine_options *options)
{
	*groups = (struct rdx_engine_groups){
		.counting_kinds = options->counting_kinds ? options->counting_kinds : full_kinds,
		.capacity = options->counting_groups ? options->counting_groups : 1,
	};
}

void rdx_engine_group_clear(struct rdx_engine_groups *groups)
{
	for (size_t i = 0; i < sizeof(groups->kinds); i++)
		groups->kinds[i] |= groups->kinds[i] == UNSEEN ? 0 : OLD;
	groups->count = 0;
}

void rdx_engine_group_forget(struct rdx_engine_groups *groups)
{
	memset(groups->kinds, UNSEEN, sizeof(groups->kinds));
	groups->count = 0;
}

static uint8_t kind_of(const struct rdx_engine_groups *groups, const char *text)
{
	if (rdx_engine_word_is_in(groups->counting_kinds, text))
		return COUNTS;
	if (rdx_engine_word_is_in(other_kinds, text) || rdx_engine_word_is_in(full_kinds, text))
		return OTHER;
	return STRANGE;
}

/* Of a group of which no kind was said. */
static uint8_t assumed(uint64_t group)
{
	return group == 0 || group == RDX_ENGINE_GROUP_NONE ? COUNTS : OTHER;
}

/* Which of the counting groups it is: one that stores comes to be one. An event without a group is
 * of the first. */
static enum rdx_engine_group_verdict find_place(struct rdx_engine_groups *groups, uint64_t group,
						int stores, uint32_t *ret_place)
{
	uint32_t place;

	*ret_place = 0;
	if (group == RDX_ENGINE_GROUP_NONE)
		return RDX_ENGINE_GROUP_COUNTS;
	for (place = 0; place < groups->count; place++) {
		if (groups->counting[place] == group)
			break;
	}
	*ret_place = place;
	if (place < groups->count)
		return RDX_ENGINE_GROUP_COUNTS;
	if (place == groups->capacity)
		return RDX_ENGINE_GROUP_FURTHER;
	if (stores)
		groups->counting[groups->count++] = (uint16_t)group;
	return RDX_ENGINE_GROUP_COUNTS;
}

/* The kind of an event's group. 0, where it is another than before. */
static int learn(struct rdx_engine_groups *groups, const struct rdx_engine_event *event,
		 uint64_t group, int stores, uint8_t *ret_kind)
{
	uint8_t before = groups->kinds[group] & (uint8_t)~OLD, now;
	int may_change = groups->kinds[group] & OLD || before == UNSEEN;

	if (!event->spec_kind) {
		*ret_kind = before == UNSEEN || before == ASSUMED ? assumed(group) : before;
		if (stores && before == UNSEEN)
			groups->kinds[group] = ASSUMED;
		return 1;
	}
	*ret_kind = now = kind_of(groups, event->spec_kind);
	if (stores)
		groups->kinds[group] = now;
	if (before == ASSUMED)
		before = assumed(group);
	return may_change || before == now;
}

/* Of a group that does not count: did no store say its kind; of a removal, was there none? */
static int is_unseen(const struct rdx_engine_groups *groups, const struct rdx_engine_event *event,
		     uint64_t group, int stores)
{
	uint8_t kind = groups->kinds[group] & (uint8_t)~OLD;

	return !event->spec_kind && (kind == UNSEEN || (stores && kind == ASSUMED));
}

enum rdx_engine_group_verdict rdx_engine_group_judge(struct rdx_engine_groups *groups,
						     const struct rdx_engine_event *event,
						     int stores, uint32_t *ret_place)
{
	uint64_t group = event->flags & RDX_ENGINE_GROUP ? event->group : RDX_ENGINE_GROUP_NONE;
	uint8_t kind;

	if (group == RDX_ENGINE_GROUP_NONE && groups->capacity > 1)
		return RDX_ENGINE_GROUP_CONTRADICTS;
	if (event->flags & RDX_ENGINE_GROUP && group > UINT8_MAX)
		return event->spec_kind && kind_of(groups, event->spec_kind) == OTHER
			       ? RDX_ENGINE_GROUP_OTHER
			       : RDX_ENGINE_GROUP_CONTRADICTS;
	if (!learn(groups, event, group, stores, &kind))
		return RDX_ENGINE_GROUP_CONTRADICTS;
	switch (kind) {
	case COUNTS:
		return find_place(groups, group, stores, ret_place);
	case STRANGE:
		return RDX_ENGINE_GROUP_STRANGE;
	default:
		return is_unseen(groups, event, group, stores) ? RDX_ENGINE_GROUP_UNSEEN
							       : RDX_ENGINE_GROUP_OTHER;
	}
}
