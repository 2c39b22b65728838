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
	oracle_make(&calls->oracle, key, options, UINT32_MAX);
}

/* Copies of the name in the tier; -1: it is not held. */
static int copies_of(struct calls *calls, uint64_t text, uint8_t tier)
{
	const struct oracle_name *name = oracle_find(&calls->oracle, &text, sizeof(text), 0);

	return name && oracle_name_held(name) ? (int)name->copies[tier] : -1;
}

static int has_room(const struct calls *calls, uint8_t tier, uint32_t count)
{
	return calls->oracle.held[tier] + count <= calls->oracle.tier_blocks[tier];
}

/* A run of a conversation, if it goes on from a held block. */
static void draw_run(struct calls *calls, struct call *call)
{
	uint32_t chain = pick(calls, calls->shape.chains);
	uint32_t first = pick(calls, calls->shape.depth);
	uint32_t count = 1 + pick(calls, calls->shape.depth - first);

	if (first > 0) {
		call->parent = name_of(calls, node_of(calls, chain, first - 1));
		if (copies_of(calls, call->parent, 0) < 0)
			return;
		call->stored.parent = &call->parent;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t node = node_of(calls, chain, first + i);

		call->names[i] = name_of(calls, node);
		call->locals[i] = local_of(calls, node);
		if (copies_of(calls, call->names[i], call->stored.tier) >= COPIES_MAX)
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
			call->names[call->stored.count++] = name;
	}
}

static void draw_stored(struct calls *calls, struct call *call)
{
	call->stored = (struct rdx_stored){
		.names = call->names,
		.tier = (uint8_t)pick(calls, calls->shape.tiers),
		.name_bytes = sizeof(*call->names),
	};
	if (pick(calls, 8))
		draw_run(calls, call);
	else
		draw_named(calls, call);
	if (call->stored.count && has_room(calls, call->stored.tier, call->stored.count))
		call->kind = RDX_EVENT_STORED;
}

/* Any names: of those that are not held in the tier nothing happens. */
static void draw_removed(struct calls *calls, struct call *call)
{
	call->kind = RDX_EVENT_REMOVED;
	call->removed = (struct rdx_removed){
		.names = call->names,
		.count = 1 + pick(calls, REMOVED_MAX),
		.tier = (uint8_t)pick(calls, calls->shape.tiers),
		.name_bytes = sizeof(*call->names),
	};
	for (uint32_t i = 0; i < call->removed.count; i++)
		call->names[i] = name_of(calls, pick(calls, nodes(calls)));
}

static void draw_cleared(struct call *call, uint8_t scope)
{
	call->kind = RDX_EVENT_CLEARED;
	call->scope = scope;
}

void calls_draw(struct calls *calls, struct call *ret_call)
{
	uint32_t what = pick(calls, 1000);

	memset(ret_call, 0, sizeof(*ret_call));
	if (calls->shape.clear_in && pick(calls, calls->shape.clear_in) == 0)
		draw_cleared(ret_call, RDX_SCOPE_ALL);
	else if (what < 5)
		draw_cleared(ret_call, (uint8_t)(what % calls->shape.tiers));
	else if (what < 490)
		draw_removed(calls, ret_call);
	else
		draw_stored(calls, ret_call);
}

/* Nothing is ever called by a name of which nothing is held. */
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
		return rdx_publish_cleared(publisher, call->scope, 0);
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
