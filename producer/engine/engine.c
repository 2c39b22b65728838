/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/engine/engine_state.h"

#include "producer/engine/memory.h"
#include "producer/engine/remove.h"
#include "producer/engine/store.h"
#include "producer/engine/words.h"
#include "producer/store.h"
#include "shm/sized.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Room for the tokens of a piece of pairs, where one block needs no more. */
#define PAIRS_PIECE 16384

static int options_are_valid(const struct rdx_engine_options *options)
{
	return options->counting_groups <= RDX_ENGINE_GROUPS_MAX &&
	       options->cleared_means <= RDX_ENGINE_CLEARED_DEVICE &&
	       options->on_unknown <= RDX_ENGINE_UNKNOWN_SKIP && options->joined_late <= 1 &&
	       options->zero_is_root <= 1 && rdx_engine_words_are_valid(options);
}

/* The rank was not seen from its birth on: what it holds since before is missing. */
static int mark_late(struct rdx_engine *engine, uint64_t time_ns)
{
	engine->late = 1;
	engine->stats.late++;
	return rdx_publish_inexact(engine->publisher, RDX_INEXACT_LACKING, time_ns);
}

static int mark_unknown(struct rdx_engine *engine, uint64_t *counter, uint64_t time_ns)
{
	++*counter;
	return rdx_publish_inexact(engine->publisher, RDX_INEXACT_UNKNOWN, time_ns);
}

/* Names that some groups hold: as many as there are blocks, twice, since not all have all. */
static int open_shares(struct rdx_engine *engine)
{
	uint64_t names = 0;

	if (engine->options.counting_groups <= 1)
		return 0;
	if (engine->publisher->clear) /* of which a publisher tells nobody */
		return -EINVAL;
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		names += 2 * engine->publisher->tier_blocks[tier];
	return rdx_engine_shares_open(&engine->shares, engine->options.counting_groups,
				      names < RDX_NAMES_MAX ? (uint32_t)names : RDX_NAMES_MAX);
}

static int open_buffers(struct rdx_engine *engine)
{
	uint32_t block_tokens = engine->publisher->block_tokens;

	engine->tokens_capacity = 1 + (block_tokens > PAIRS_PIECE ? block_tokens : PAIRS_PIECE);
	engine->tokens = rdx_engine_memory_make(engine->tokens_capacity * sizeof(*engine->tokens));
	return engine->tokens ? open_shares(engine) : -ENOMEM;
}

int rdx_engine_open(struct rdx_engine **ret_engine, struct rdx_publisher *publisher,
		    const struct rdx_engine_options *options)
{
	struct rdx_engine *engine;
	struct rdx_engine_options taken;
	int r = rdx_sized_take(&taken, sizeof(taken), options);

	if (r < 0)
		return r;
	if (!options_are_valid(&taken))
		return -EINVAL;
	engine = rdx_engine_memory_make(sizeof(*engine));
	if (!engine)
		return -ENOMEM;
	engine->publisher = publisher;
	engine->options = taken;
	rdx_engine_group_begin(&engine->groups, &taken);
	r = open_buffers(engine);
	if (r == 0 && taken.joined_late)
		r = mark_late(engine, 0);
	if (r < 0) {
		rdx_engine_close(engine);
		return r;
	}
	*ret_engine = engine;
	return 0;
}

void rdx_engine_close(struct rdx_engine *engine)
{
	if (!engine)
		return;
	rdx_engine_shares_close(&engine->shares);
	free(engine->tokens);
	free(engine);
}

void rdx_engine_forget(struct rdx_engine *engine, const struct rdx_engine_event *event,
		       uint32_t from, uint32_t to, int doubted)
{
	struct rdx_name_key key;

	if (!event->token_count && !event->local_hashes)
		return;
	for (uint32_t i = from; i < to; i++) {
		rdx_engine_name_key(engine, event, i, 0, &key);
		rdx_store_forget(engine->publisher, &key, doubted);
	}
}

int rdx_engine_drop(struct rdx_engine *engine, const struct rdx_engine_event *event, uint32_t from,
		    uint32_t to, uint8_t tier, uint32_t place)
{
	const struct rdx_removed blocks = {
		.size = sizeof(blocks),
		.time_ns = event->time_ns,
		.names = rdx_engine_name_at(event, from),
		.count = to - from,
		/* the publisher would hold it where a store gives it content: that is not all
		 * groups */
		.tier = rdx_engine_has_shares(engine) ? RDX_TIER_OTHER : tier,
		.name_bytes = event->name_bytes,
		.cache_group = rdx_engine_drop_group(engine, place, tier),
	};

	if (to <= from)
		return 0;
	/* of a medium that nobody knows are copies of blocks that are held, as well */
	rdx_engine_forget(engine, event, from, to, tier != RDX_TIER_OTHER);
	return rdx_publish_unrepresented(engine->publisher, &blocks);
}

/* How an event's medium was understood. */
enum medium { KNOWN, DROPPED, STRANGE };

static enum medium judge_medium(const struct rdx_engine *engine, const char *medium,
				uint64_t *ret_tier)
{
	if (!medium)
		return KNOWN;
	if (!rdx_engine_word_medium(&engine->options, medium, ret_tier))
		return STRANGE;
	return *ret_tier == RDX_ENGINE_LEFT_OUT ? DROPPED : KNOWN;
}

static int skips_unknown(const struct rdx_engine *engine)
{
	return engine->options.on_unknown == RDX_ENGINE_UNKNOWN_SKIP;
}

/* Was all cleared since open, by this rank or another one of its worker? */
static int has_begun(const struct rdx_engine *engine)
{
	return engine->publisher->counters[RDX_COUNTER_CLEARS] != 0;
}

/* The publisher makes a clear of a tier one of all where it holds nothing else. That is not all
 * that single groups may hold. */
static int clear_scope(struct rdx_engine *engine, uint8_t scope, uint64_t time_ns)
{
	const uint64_t *clears = &engine->publisher->counters[RDX_COUNTER_CLEARS];
	uint64_t before = *clears;
	int r = rdx_publish_cleared(engine->publisher, scope, time_ns);

	if (*clears != before)
		engine->late = 0;
	rdx_engine_shares_clear(&engine->shares, scope);
	if (scope == RDX_SCOPE_ALL)
		rdx_engine_group_clear(&engine->groups);
	return r;
}

/* Another process of this rank alone: those of the worker's other ranks have streams of their own. */
static int restart(struct rdx_engine *engine, uint64_t time_ns)
{
	engine->stats.restarts++;
	engine->late = 0;
	rdx_engine_group_forget(&engine->groups);
	rdx_engine_shares_clear(&engine->shares, RDX_SCOPE_ALL);
	return rdx_publish_restarted(engine->publisher, time_ns);
}

/* Of a group whose kind is not known: was a store missed that said it? A removal follows a store; a
 * store may be the first, but where several groups count it may be of one of them. */
static int must_be_late(const struct rdx_engine *engine, int stores)
{
	return !engine->late && (stores ? rdx_engine_has_shares(engine) : !has_begun(engine));
}

/* 1: the event is of a group that counts, the `ret_place`th; 0: it was left out, or marked; -errno. */
static int judge_group(struct rdx_engine *engine, const struct rdx_engine_event *event, int stores,
		       uint32_t *ret_place)
{
	struct rdx_engine_stats *stats = &engine->stats;

	switch (rdx_engine_group_judge(&engine->groups, event, stores, ret_place)) {
	case RDX_ENGINE_GROUP_COUNTS:
		return 1;
	case RDX_ENGINE_GROUP_OTHER:
		stats->other_groups++;
		return 0;
	case RDX_ENGINE_GROUP_UNSEEN:
		stats->other_groups++;
		return must_be_late(engine, stores) ? mark_late(engine, event->time_ns) : 0;
	case RDX_ENGINE_GROUP_STRANGE:
		if (!skips_unknown(engine))
			return mark_unknown(engine, &stats->unknown_kinds, event->time_ns);
		stats->unknown_kinds++;
		return 0;
	case RDX_ENGINE_GROUP_FURTHER:
		return mark_unknown(engine, &stats->further_groups, event->time_ns);
	default:
		return mark_unknown(engine, &stats->contradictions, event->time_ns);
	}
}

/* Fields that nobody knows: 1 where they matter. */
static int judge_fields(struct rdx_engine *engine, const struct rdx_engine_event *event)
{
	if (!event->unknown_fields)
		return 0;
	engine->stats.unknown_fields++;
	return !skips_unknown(engine);
}

/* Into a medium that nobody knows. */
static int store_strange(struct rdx_engine *engine, const struct rdx_engine_event *event,
			 uint32_t place)
{
	uint64_t hash = rdx_hash_identifier(event->medium, strlen(event->medium));

	engine->stats.unknown_media++;
	if (skips_unknown(engine))
		return 0;
	if (!engine->strange_medium)
		engine->strange_medium = hash;
	engine->strange_media |= engine->strange_medium != hash;
	return rdx_engine_drop(engine, event, 0, event->count, RDX_TIER_OTHER, place);
}

static int store(struct rdx_engine *engine, const struct rdx_engine_event *event,
		 enum medium medium, uint64_t tier, uint32_t place)
{
	if (medium == STRANGE)
		return store_strange(engine, event, place);
	if (judge_fields(engine, event))
		return rdx_engine_drop(engine, event, 0, event->count, (uint8_t)tier, place);
	return rdx_engine_store(engine, event, (uint8_t)tier, place);
}

/* Of a medium that nobody knows: it takes back what stores into it announced. All such media are one
 * tier: where there are several, what is left in one is not what is left in all. */
static int remove_strange(struct rdx_engine *engine, const struct rdx_engine_event *event,
			  uint32_t place)
{
	uint32_t mode = engine->publisher->report_mode;
	uint64_t unknown;
	int r;

	engine->stats.unknown_media++;
	if (skips_unknown(engine))
		return 0;
	r = rdx_engine_remove(engine, event, RDX_TIER_OTHER, place, &unknown);
	if (engine->strange_media && (mode == RDX_REPORT_PRESENCE || event->remaining))
		unknown = 1;
	if (r == 0 && unknown)
		r = rdx_publish_inexact(engine->publisher, RDX_INEXACT_UNKNOWN, event->time_ns);
	return r;
}

static int remove_known(struct rdx_engine *engine, const struct rdx_engine_event *event,
			uint8_t tier, uint32_t place)
{
	uint64_t unknown;
	int matters = judge_fields(engine, event);
	int r = rdx_engine_remove(engine, event, tier, place, &unknown);

	if (r == 0 && unknown && !has_begun(engine) && !engine->late)
		r = mark_late(engine, event->time_ns);
	if (r == 0 && matters)
		r = rdx_publish_inexact(engine->publisher, RDX_INEXACT_UNKNOWN, event->time_ns);
	return r;
}

static int store_or_remove(struct rdx_engine *engine, const struct rdx_engine_event *event,
			   int stores)
{
	uint64_t tier = RDX_TIER_DEVICE;
	enum medium medium = judge_medium(engine, event->medium, &tier);
	uint32_t place;
	int r;

	if (medium == KNOWN && tier == RDX_SCOPE_ALL)
		medium = STRANGE;
	if (medium == DROPPED) {
		engine->stats.left_out++;
		return 0;
	}
	if (!event->names)
		return mark_unknown(engine, &engine->stats.contradictions, event->time_ns);
	r = judge_group(engine, event, stores, &place);
	if (r <= 0)
		return r;
	if (stores)
		return store(engine, event, medium, tier, place);
	return medium == STRANGE ? remove_strange(engine, event, place)
				 : remove_known(engine, event, (uint8_t)tier, place);
}

/* Does the event say that it is about some blocks? */
static int is_about_some(const struct rdx_engine_event *event)
{
	return event->count || event->parent || event->token_count || event->key_count ||
	       event->local_hashes || event->remaining || event->flags & RDX_ENGINE_LORA_ID ||
	       (event->lora_name && *event->lora_name) || (event->cache_salt && *event->cache_salt);
}

/* `scope`: what the event's type says. */
static int clear(struct rdx_engine *engine, const struct rdx_engine_event *event, uint64_t scope,
		 int by_type)
{
	uint64_t named = scope;
	uint32_t place;
	enum medium medium = judge_medium(engine, event->medium, &named);
	int r = 1;

	if (event->flags & RDX_ENGINE_GROUP || event->spec_kind)
		r = judge_group(engine, event, 0, &place);
	if (r <= 0)
		return r;
	if (event->flags & RDX_ENGINE_GROUP && rdx_engine_has_shares(engine))
		return mark_unknown(engine, &engine->stats.contradictions, event->time_ns);
	if (medium == DROPPED) {
		engine->stats.left_out++;
		return 0;
	}
	if (medium == STRANGE && skips_unknown(engine)) {
		engine->stats.unknown_media++;
		return 0;
	}
	if (medium == STRANGE)
		return mark_unknown(engine, &engine->stats.unknown_media, event->time_ns);
	if ((by_type && named != scope) || is_about_some(event))
		return mark_unknown(engine, &engine->stats.contradictions, event->time_ns);
	if (judge_fields(engine, event))
		return rdx_publish_inexact(engine->publisher, RDX_INEXACT_UNKNOWN, event->time_ns);
	return clear_scope(engine, (uint8_t)named, event->time_ns);
}

static int is_others(const struct rdx_engine_event *event)
{
	return event->ownership || (event->locality && strcasecmp(event->locality, "LOCAL") != 0);
}

static int publish_type(struct rdx_engine *engine, const struct rdx_engine_event *event,
			uint64_t type)
{
	uint8_t all = engine->options.cleared_means == RDX_ENGINE_CLEARED_DEVICE ? RDX_TIER_DEVICE
										 : RDX_SCOPE_ALL;

	switch (type) {
	case RDX_EVENT_STORED:
	case RDX_EVENT_REMOVED:
		return store_or_remove(engine, event, type == RDX_EVENT_STORED);
	case RDX_EVENT_CLEARED:
		return clear(engine, event, all, 0);
	case RDX_EVENT_INEXACT:
		return rdx_publish_inexact(engine->publisher, RDX_INEXACT_UNKNOWN, event->time_ns);
	default:
		return clear(engine, event, type - RDX_ENGINE_CLEARS, 1);
	}
}

static int event_is_valid(const struct rdx_engine_event *event)
{
	int has_names = event->count || event->parent;

	return event->type && (!event->count || event->names) &&
	       (!has_names || event->name_bytes == 8 || event->name_bytes == 32) &&
	       (!event->token_count || event->tokens) && (!event->key_count || event->keys);
}

int rdx_engine_publish(struct rdx_engine *engine, const struct rdx_engine_event *given)
{
	struct rdx_engine_event event;
	uint64_t type;
	int r = rdx_sized_take(&event, sizeof(event), given);

	if (engine->publisher->dead)
		return engine->publisher->dead;
	if (r < 0)
		return r;
	if (!event_is_valid(&event))
		return -EINVAL;
	engine->stats.events++;
	if (!rdx_engine_word_type(&engine->options, event.type, &type)) {
		if (!skips_unknown(engine))
			return mark_unknown(engine, &engine->stats.unknown_types, event.time_ns);
		engine->stats.unknown_types++;
		return 0;
	}
	if (type == RDX_ENGINE_LEFT_OUT || is_others(&event)) {
		++*(type == RDX_ENGINE_LEFT_OUT ? &engine->stats.left_out
						: &engine->stats.other_owners);
		return 0;
	}
	return publish_type(engine, &event, type);
}

int rdx_engine_sequence(struct rdx_engine *engine, uint64_t sequence, uint64_t time_ns)
{
	uint64_t last = engine->sequence;
	int first = !engine->has_sequence, r = 0;

	if (engine->publisher->dead)
		return engine->publisher->dead;
	engine->has_sequence = 1;
	engine->sequence = sequence;
	if (!first && sequence <= last) {
		r = restart(engine, time_ns);
		first = 1;
	}
	if (r < 0)
		return r;
	if (first)
		return sequence && !engine->late ? mark_late(engine, time_ns) : 0;
	return sequence == last + 1 ? 0 : mark_unknown(engine, &engine->stats.gaps, time_ns);
}

int rdx_engine_unreadable(struct rdx_engine *engine, uint64_t time_ns)
{
	if (engine->publisher->dead)
		return engine->publisher->dead;
	return mark_unknown(engine, &engine->stats.unreadable, time_ns);
}

int rdx_engine_get_stats(const struct rdx_engine *engine, struct rdx_engine_stats *ret_stats)
{
	int r = rdx_sized_check(ret_stats);

	if (r < 0)
		return r;
	if (engine->publisher->dead)
		return engine->publisher->dead;
	rdx_sized_give(ret_stats, &engine->stats, sizeof(engine->stats));
	return 0;
}
