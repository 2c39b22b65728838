/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/calls.h"

#include <string.h>

#define REMOVED_MAX 20
#define NAMED_MAX   8
#define COPIES_MAX  250

static uint32_t pick(struct calls *calls, uint32_t below)
{
	return (uint32_t)(rig_random(&calls->random) % below);
}

/* The two conversations of a pair share their first blocks. */
static uint32_t node_of(const struct calls *calls, uint32_t chain, uint32_t depth)
{
	uint32_t owner = depth < calls->shape.depth / 4 ? chain / 2 * 2 : chain;

	return owner * calls->shape.depth + depth;
}

static uint64_t local_of(const struct calls *calls, uint32_t node)
{
	uint64_t state = ((uint64_t)calls->era << 32) + node;

	return rig_random(&state);
}

static uint64_t name_of(const struct calls *calls, uint32_t node)
{
	uint64_t state = calls->seed ^ ((uint64_t)calls->era << 32 | node) << 1;

	return rig_random(&state) | 1;
}

static uint32_t nodes(const struct calls *calls)
{
	return calls->shape.chains * calls->shape.depth;
}

void calls_make(struct calls *calls, const struct calls_shape *shape,
		const struct rdx_hash_key *key, const struct rdx_publisher_options *options,
		uint64_t seed)
{
	calls->shape = *shape;
	calls->seed = calls->random = seed;
	calls->done = 0;
	calls->era = 0;
	oracle_make(&calls->oracle, key, options);
}

static int is_unruly(const struct calls *calls)
{
	return calls->shape.names != 0;
}

static uint8_t draw_tier(struct calls *calls)
{
	if (is_unruly(calls) && pick(calls, 3))
		return 0;
	return (uint8_t)pick(calls, calls->shape.tiers);
}

/* Copies of the name in the tier; -1: it is not held. */
static int copies_of(struct calls *calls, uint64_t text, uint8_t tier)
{
	const struct oracle_name *name = oracle_find(&calls->oracle, &text, sizeof(text), 0);

	return name && oracle_name_held(name) ? (int)name->copies[tier] : -1;
}

static void put_name(struct call *call, uint32_t at, uint64_t name)
{
	memcpy(call->names + at * sizeof(name), &name, sizeof(name));
}

/* A run of a conversation, if it goes on from a held block. */
static void draw_run(struct calls *calls, struct call *call)
{
	uint32_t chain = pick(calls, calls->shape.chains);
	uint32_t first = pick(calls, calls->shape.depth);
	uint32_t count = 1 + pick(calls, calls->shape.depth - first);

	if (first > 0) {
		uint64_t parent = name_of(calls, node_of(calls, chain, first - 1));

		if (copies_of(calls, parent, 0) < 0)
			return;
		memcpy(call->parent, &parent, sizeof(parent));
		call->stored.parent = call->parent;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t node = node_of(calls, chain, first + i);
		uint64_t name = name_of(calls, node);

		put_name(call, i, name);
		call->locals[i] = local_of(calls, node);
		if (copies_of(calls, name, call->stored.tier) >= COPIES_MAX)
			return;
	}
	call->stored.local_hashes = call->locals;
	call->stored.count = count;
}

/* Copies of held blocks, announced by their names. */
static void draw_named(struct calls *calls, struct call *call)
{
	uint32_t most = 1 + pick(calls, NAMED_MAX);

	for (uint32_t i = 0; i < most; i++) {
		uint64_t name = name_of(calls, pick(calls, nodes(calls)));
		int copies = copies_of(calls, name, call->stored.tier);

		if (copies >= 0 && copies < COPIES_MAX - NAMED_MAX)
			put_name(call, call->stored.count++, name);
	}
}

static void draw_orderly(struct calls *calls, struct call *call)
{
	const struct oracle *oracle = &calls->oracle;
	struct rdx_stored *stored = &call->stored;

	stored->name_bytes = sizeof(uint64_t);
	if (pick(calls, 8))
		draw_run(calls, call);
	else
		draw_named(calls, call);
	if (!oracle_has_room(oracle, stored->tier, stored->count))
		stored->count = 0;
}

/* Names are small numbers, alike but for a byte or two. */
static void make_name(uint32_t number, uint8_t bytes, uint8_t *ret_text)
{
	memset(ret_text, 0, bytes);
	memcpy(ret_text + bytes - sizeof(number), &number, sizeof(number));
}

static uint8_t draw_group(struct calls *calls)
{
	return (uint8_t)(pick(calls, 8) == 0);
}

static uint8_t draw_bytes(struct calls *calls)
{
	return pick(calls, 10) ? 8 : CALL_NAME_BYTES;
}

static uint32_t derive_name(struct calls *calls, uint32_t parent, uint32_t content)
{
	if (pick(calls, 40) == 0)
		return pick(calls, calls->shape.names);
	return (parent * 3 + content + 1 + (pick(calls, 16) == 0 ? 97 : 0)) % calls->shape.names;
}

/* What a call gives as a run's content, not always correct, and its namespace. */
static void draw_content(struct calls *calls, struct call *call)
{
	static const char *const texts[] = {"", "adapter", "salt"};
	struct rdx_stored *stored = &call->stored;

	if (pick(calls, 2)) {
		stored->tokens = call->tokens;
		stored->token_count =
			(uint64_t)stored->count * CALL_BLOCK_TOKENS - !pick(calls, 40);
	} else if (calls->shape.contents || pick(calls, 4)) {
		stored->local_hashes = call->locals;
	}
	if (!pick(calls, 10))
		stored->lora = texts[pick(calls, 3)];
	if (!pick(calls, 10))
		stored->salt = texts[pick(calls, 3)];
	if (!pick(calls, 40))
		stored->block_tokens = CALL_BLOCK_TOKENS / 2;
}

static void draw_unruly(struct calls *calls, struct call *call)
{
	struct rdx_stored *stored = &call->stored;
	uint32_t parent = 0;

	stored->name_bytes = draw_bytes(calls);
	stored->cache_group = draw_group(calls);
	stored->count = 1 + pick(calls, pick(calls, 4) ? 6 : calls->shape.run_max);
	if (pick(calls, 3)) {
		parent = pick(calls, calls->shape.names);
		make_name(parent, stored->name_bytes, call->parent);
		stored->parent = call->parent;
	}
	for (uint32_t i = 0; i < stored->count; i++) {
		uint32_t content = pick(calls, 3);

		parent = derive_name(calls, parent, content);
		make_name(parent, stored->name_bytes, call->names + i * stored->name_bytes);
		call->locals[i] = content + 1000;
		for (uint32_t j = 0; j < CALL_BLOCK_TOKENS; j++)
			call->tokens[i * CALL_BLOCK_TOKENS + j] = content;
	}
	draw_content(calls, call);
}

static void draw_stored(struct calls *calls, struct call *call)
{
	call->stored = (struct rdx_stored){.size = sizeof(call->stored),
					   .time_ns = call->time_ns,
					   .names = call->names,
					   .tier = draw_tier(calls)};
	if (is_unruly(calls))
		draw_unruly(calls, call);
	else
		draw_orderly(calls, call);
	if (call->stored.count)
		call->kind = RDX_EVENT_STORED;
}

/* Spells in which what is lacking is removed. */
static int is_calm(const struct calls *calls)
{
	return is_unruly(calls) && calls->done / CALL_SPELL % 2;
}

static int is_of_call(const struct lack *lack, const struct rdx_removed *removed)
{
	return lack->is[removed->tier] && lack->group == removed->cache_group &&
	       lack->bytes == removed->name_bytes;
}

/* All that one call can remove of what is lacking, from any name on. 0: nothing is. */
static int draw_lacking(struct calls *calls, struct call *call)
{
	const struct lacks *lacks = &calls->oracle.lacks;
	struct rdx_removed *removed = &call->removed;
	uint32_t from = pick(calls, lacks->used + 1);

	removed->count = 0;
	for (uint32_t i = 0; i < lacks->used && removed->count < CALL_BLOCKS - 4; i++) {
		const struct lack *lack = &lacks->list[(from + i) % lacks->used];

		for (uint8_t tier = 0; tier < LACKS_TIERS && !removed->count; tier++) {
			if (!lack->is[tier])
				continue;
			removed->tier = tier;
			removed->cache_group = lack->group;
			removed->name_bytes = lack->bytes;
			break;
		}
		if (is_of_call(lack, removed))
			memcpy(call->names + removed->count++ * lack->bytes, lack->text,
			       lack->bytes);
	}
	return removed->count != 0;
}

/* Any name, or of an unruly stream one that is known. */
static void draw_removed_name(struct calls *calls, uint8_t bytes, uint8_t *ret_text)
{
	const struct oracle_name *known;
	uint64_t name;

	if (!is_unruly(calls)) {
		name = name_of(calls, pick(calls, nodes(calls)));
		memcpy(ret_text, &name, sizeof(name));
		return;
	}
	known = &calls->oracle.names[pick(calls, calls->oracle.used + 1)];
	if (known->known && known->bytes == bytes)
		memcpy(ret_text, known->text, bytes);
	else
		make_name(pick(calls, calls->shape.names), bytes, ret_text);
}

/* Names that are not held in the tier are ignored. */
static void draw_removed(struct calls *calls, struct call *call)
{
	struct rdx_removed *removed = &call->removed;

	call->kind = RDX_EVENT_REMOVED;
	*removed = (struct rdx_removed){
		.size = sizeof(*removed),
		.time_ns = call->time_ns,
		.names = call->names,
		.tier = draw_tier(calls),
		.name_bytes = sizeof(uint64_t),
	};
	if (is_calm(calls) && draw_lacking(calls, call))
		return;
	removed->count = 1 + pick(calls, REMOVED_MAX);
	if (is_unruly(calls)) {
		removed->count = 1 + pick(calls, pick(calls, 4) ? 4 : CALL_BLOCKS - 4);
		removed->cache_group = draw_group(calls);
		removed->name_bytes = draw_bytes(calls);
		removed->tier = pick(calls, 20) ? removed->tier : RDX_TIER_OTHER;
	}
	for (uint32_t i = 0; i < removed->count; i++) {
		draw_removed_name(calls, removed->name_bytes,
				  call->names + i * removed->name_bytes);
		call->remaining[i] = is_unruly(calls) && !pick(calls, 3) ? pick(calls, 4) : 0;
	}
	if (is_unruly(calls) && !pick(calls, 6))
		removed->remaining = call->remaining;
}

static void draw_unrepresented(struct calls *calls, struct call *call)
{
	draw_removed(calls, call);
	call->kind = CALL_UNREPRESENTED;
	call->removed.remaining = NULL;
	call->removed.count = 1 + pick(calls, call->removed.count < 4 ? call->removed.count : 4);
}

/* Some names that no event can say, or the removal of such. */
static void draw_lack(struct calls *calls, struct call *call)
{
	uint64_t name = 1 + pick(calls, 8);

	call->removed = (struct rdx_removed){
		.size = sizeof(call->removed),
		.time_ns = call->time_ns,
		.names = call->names,
		.tier = (uint8_t)pick(calls, LACKS_TIERS),
		.name_bytes = sizeof(name),
	};
	call->kind = RDX_EVENT_REMOVED;
	if (pick(calls, 3) && draw_lacking(calls, call))
		return;
	call->kind = CALL_UNREPRESENTED;
	call->removed.count = 1;
	put_name(call, 0, name);
}

static void draw_cleared(struct call *call, uint8_t scope)
{
	call->kind = RDX_EVENT_CLEARED;
	call->scope = scope;
}

static void draw_inexact(struct call *call, uint8_t how)
{
	call->kind = RDX_EVENT_INEXACT;
	call->how = how;
}

void calls_draw(struct calls *calls, struct call *ret_call)
{
	uint32_t what = pick(calls, 1000);

	memset(ret_call, 0, sizeof(*ret_call));
	ret_call->time_ns = is_unruly(calls) ? calls->done + 1 : 0;
	if (calls->shape.clear_in && pick(calls, calls->shape.clear_in) == 0)
		draw_cleared(ret_call, RDX_SCOPE_ALL);
	else if (calls->shape.tier_clear_in && pick(calls, calls->shape.tier_clear_in) == 0)
		draw_cleared(ret_call, (uint8_t)(what % calls->shape.tiers));
	else if (what < 5)
		draw_cleared(ret_call, (uint8_t)(what % calls->shape.tiers));
	else if (calls->shape.inexact_in && pick(calls, calls->shape.inexact_in) == 0)
		draw_inexact(ret_call, what % 2 ? RDX_INEXACT_LACKING : RDX_INEXACT_UNKNOWN);
	else if (calls->shape.lack_in && pick(calls, calls->shape.lack_in) == 0)
		draw_lack(calls, ret_call);
	else if (is_unruly(calls) && what < 20)
		draw_unrepresented(calls, ret_call);
	else if (what < (is_calm(calls) ? 900 : 490))
		draw_removed(calls, ret_call);
	else
		draw_stored(calls, ret_call);
}

/* Names without a copy are never used again, so the oracle may forget them. */
static void forget_removed(struct oracle *oracle)
{
	for (uint32_t i = 0; i < oracle->used; i++) {
		if (oracle->names[i].known && !oracle_name_held(&oracle->names[i]))
			oracle_forget(oracle, &oracle->names[i]);
	}
}

void calls_apply(struct calls *calls, const struct call *call)
{
	struct oracle *oracle = &calls->oracle;

	calls->done++;
	if (oracle->known > ORACLE_NAMES - CALL_BLOCKS)
		forget_removed(oracle);
	switch (call->kind) {
	case RDX_EVENT_STORED:
		oracle_stored(oracle, &call->stored);
		break;
	case RDX_EVENT_REMOVED:
		oracle_removed(oracle, &call->removed);
		break;
	case RDX_EVENT_CLEARED:
		oracle_cleared(oracle, call->scope);
		calls->era += calls->shape.eras && call->scope == RDX_SCOPE_ALL;
		break;
	case RDX_EVENT_INEXACT:
		oracle_inexact(oracle, call->how);
		break;
	case CALL_UNREPRESENTED:
		oracle_unrepresented(oracle, &call->removed);
		break;
	default:
		break;
	}
}

int calls_publish(struct rdx_publisher *publisher, const struct call *call)
{
	switch (call->kind) {
	case RDX_EVENT_STORED:
		return rdx_publish_stored(publisher, &call->stored);
	case RDX_EVENT_REMOVED:
		return rdx_publish_removed(publisher, &call->removed);
	case RDX_EVENT_CLEARED:
		return rdx_publish_cleared(publisher, call->scope, call->time_ns);
	case RDX_EVENT_INEXACT:
		return rdx_publish_inexact(publisher, call->how, call->time_ns);
	case CALL_UNREPRESENTED:
		return rdx_publish_unrepresented(publisher, &call->removed);
	default:
		return 0;
	}
}

int calls_step(struct calls *calls, struct rdx_publisher *publisher)
{
	struct call call;

	calls_draw(calls, &call);
	calls_apply(calls, &call);
	return publisher ? calls_publish(publisher, &call) : 0;
}

void calls_prefixes(const struct calls *calls, uint32_t chain, uint64_t *ret_prefixes)
{
	for (uint32_t depth = 0; depth < calls->shape.depth; depth++)
		ret_prefixes[depth] = local_of(calls, node_of(calls, chain, depth));
	rdx_hash_chain(&calls->oracle.key, 0, ret_prefixes, calls->shape.depth, ret_prefixes);
}

uint64_t calls_held(const struct calls *calls)
{
	uint64_t held = 0;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		held += calls->oracle.held[tier];
	return held;
}
