/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one rank holds with what the blocks are made of: local hash and parent. From the ledger's records and
 * the Stored events after them, in private memory; then told in an order in which parents come first.
 */
#include "consumer/reader/exact.h"
#include "shm/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_FIRST UINT64_C(1024)
#define BLOCKS_FIRST UINT64_C(512)
#define CHAIN_HASHES 256
#define NONE         UINT64_MAX

/* Where a block stands when the order is made. */
enum state {
	LOOSE,
	ON_PATH, /* from a block to its root, which is being walked */
	SETTLED,
	CIRCLE, /* its own ancestor, or below one: no producer that is right says so */
};

struct block {
	uint64_t prefix;
	uint64_t local;
	uint64_t parent;
	uint64_t above; /* the parent, if it is held; NONE */
	uint64_t turn;  /* when it is told, from 0 on */
	uint8_t tiers;  /* bit per tier; 0: no longer held */
	uint8_t is_described;
	uint8_t has_children;
	uint8_t state;
};

struct collected {
	struct rdx_exact_collector collector; /* first */
	const struct rdx_hash_key *key;
	struct block *blocks; /* as they were found */
	uint64_t count;
	uint64_t capacity;
	uint64_t *places;     /* by prefix hash: 1 + the block, 0: free */
	uint64_t place_count; /* a power of two, 0: nothing yet */
	uint64_t multiplier;  /* odd */
};

static struct collected *of(struct rdx_exact_collector *collector)
{
	return (struct collected *)collector;
}

static void forget(struct rdx_exact_collector *collector)
{
	struct collected *collected = of(collector);

	free(collected->blocks);
	free(collected->places);
	collected->blocks = NULL;
	collected->places = NULL;
	collected->count = collected->capacity = collected->place_count = 0;
}

/* Where `prefix` is or would be. Those of a worker that lies need not be uniform: what spreads them it does not
 * know. */
static uint64_t *place_of(const struct collected *collected, uint64_t prefix)
{
	uint64_t at =
		prefix * collected->multiplier >> (64 - __builtin_ctzll(collected->place_count));

	while (collected->places[at] &&
	       collected->blocks[collected->places[at] - 1].prefix != prefix)
		at = (at + 1) & (collected->place_count - 1);
	return &collected->places[at];
}

/* The block, or NULL. */
static struct block *find(const struct collected *collected, uint64_t prefix)
{
	uint64_t place = collected->place_count ? *place_of(collected, prefix) : 0;

	return place ? &collected->blocks[place - 1] : NULL;
}

static int grow_places(struct collected *collected)
{
	uint64_t count = collected->place_count ? collected->place_count * 2 : PLACES_FIRST;
	uint64_t *places = calloc(count, sizeof(*places));

	if (!places)
		return -ENOMEM;
	free(collected->places);
	collected->places = places;
	collected->place_count = count;
	for (uint64_t i = 0; i < collected->count; i++)
		*place_of(collected, collected->blocks[i].prefix) = i + 1;
	return 0;
}

static int grow_blocks(struct collected *collected)
{
	uint64_t capacity = collected->capacity ? collected->capacity * 2 : BLOCKS_FIRST;
	struct block *blocks = realloc(collected->blocks, capacity * sizeof(*blocks));

	if (!blocks)
		return -ENOMEM;
	collected->blocks = blocks;
	collected->capacity = capacity;
	return 0;
}

/* The block, made if it is not known yet. -ENOMEM */
static int find_or_make(struct collected *collected, uint64_t prefix, struct block **ret_block)
{
	struct block *block = find(collected, prefix);
	int r = 0;

	if (!block) {
		if (collected->count == collected->capacity)
			r = grow_blocks(collected);
		if (r == 0 && (collected->count + 1) * 2 > collected->place_count)
			r = grow_places(collected);
		if (r < 0)
			return r;
		block = &collected->blocks[collected->count];
		*block = (struct block){.prefix = prefix};
		*place_of(collected, prefix) = ++collected->count;
	}
	*ret_block = block;
	return 0;
}

static int hold(struct rdx_exact_collector *collector, uint64_t prefix, uint8_t tier)
{
	struct block *block;
	int r = find_or_make(of(collector), prefix, &block);

	if (r == 0)
		block->tiers |= (uint8_t)(1u << tier);
	return r;
}

static void set_description(struct block *block, uint64_t local, uint64_t parent)
{
	block->local = local;
	block->parent = parent;
	block->is_described = 1;
}

/* Only what chains to its own prefix hash is believed: a record may be described anew meanwhile. */
static void describe(struct rdx_exact_collector *collector, const struct rdx_ledger_record *records,
		     uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct block *block = find(of(collector), rdx_word_load(&records[i].prefix));
		uint64_t local, parent, prefix;

		if (!block || block->is_described)
			continue;
		local = rdx_word_load(&records[i].local);
		parent = rdx_word_load(&records[i].parent);
		rdx_hash_chain(of(collector)->key, parent, &local, 1, &prefix);
		if (prefix == block->prefix)
			set_description(block, local, parent);
	}
}

/* Up to CHAIN_HASHES blocks of a Stored, of which `parent` is the first one's; the last one's prefix hash. */
static int store_part(struct collected *collected, const uint64_t *local, uint32_t count,
		      uint8_t tier, uint64_t *parent)
{
	uint64_t prefix[CHAIN_HASHES];

	rdx_hash_chain(collected->key, *parent, local, count, prefix);
	for (uint32_t i = 0; i < count; i++) {
		struct block *block;
		int r = find_or_make(collected, prefix[i], &block);

		if (r < 0)
			return r;
		block->tiers |= (uint8_t)(1u << tier);
		set_description(block, local[i], i ? prefix[i - 1] : *parent);
	}
	*parent = prefix[count - 1];
	return 0;
}

static int store(struct collected *collected, const struct rdx_event *event)
{
	uint64_t parent = event->parent;
	int r = 0;

	for (uint32_t at = 0; at < event->count && r == 0; at += CHAIN_HASHES) {
		uint32_t left = event->count - at;

		r = store_part(collected, event->hashes + at,
			       left < CHAIN_HASHES ? left : CHAIN_HASHES, event->tier, &parent);
	}
	return r;
}

static void drop(struct collected *collected, uint64_t prefix, uint8_t tier)
{
	struct block *block = find(collected, prefix);

	if (block)
		block->tiers &= (uint8_t) ~(1u << tier);
}

static void clear(struct collected *collected, uint8_t scope)
{
	uint8_t keep = scope == RDX_SCOPE_ALL ? 0 : (uint8_t) ~(1u << scope);

	for (uint64_t i = 0; i < collected->count; i++)
		collected->blocks[i].tiers &= keep;
}

static int apply(struct rdx_exact_collector *collector, const struct rdx_event *event)
{
	if (event->kind == RDX_EVENT_STORED)
		return store(of(collector), event);
	if (event->kind == RDX_EVENT_REMOVED)
		for (uint32_t i = 0; i < event->count; i++)
			drop(of(collector), event->hashes[i], event->tier);
	if (event->kind == RDX_EVENT_CLEARED)
		clear(of(collector), event->tier);
	return 0;
}

static int is_told_in_order(const struct block *block)
{
	return block->tiers && block->is_described;
}

/* Who is above whom; only among those that are held and described. */
static void link_blocks(struct collected *collected)
{
	for (uint64_t i = 0; i < collected->count; i++) {
		struct block *block = &collected->blocks[i];
		struct block *parent;

		block->above = NONE;
		if (!is_told_in_order(block) || !block->parent)
			continue;
		parent = find(collected, block->parent);
		if (!parent || !is_told_in_order(parent))
			continue;
		block->above = (uint64_t)(parent - collected->blocks);
		parent->has_children = 1;
	}
}

/* The block gets its turn after those above it, from the `next` one on. How many got theirs. */
static uint64_t settle(struct block *blocks, uint64_t at, uint64_t next, uint64_t *order)
{
	uint64_t length = 0, top = at;
	int is_circle;

	for (; top != NONE && blocks[top].state == LOOSE; top = blocks[top].above, length++)
		blocks[top].state = ON_PATH;
	is_circle = top != NONE && blocks[top].state != SETTLED;
	for (uint64_t left = length; left--; at = blocks[at].above) {
		blocks[at].state = is_circle ? CIRCLE : SETTLED;
		blocks[at].turn = next + left;
		if (!is_circle)
			order[next + left] = at;
	}
	return is_circle ? 0 : length;
}

/* In long runs, from blocks without children up; what is left then are circles. How many have a turn. */
static uint64_t settle_all(struct collected *collected, uint64_t *order)
{
	uint64_t next = 0;

	for (int has_children = 0; has_children <= 1; has_children++)
		for (uint64_t i = 0; i < collected->count; i++)
			if (is_told_in_order(&collected->blocks[i]) &&
			    collected->blocks[i].has_children == has_children)
				next += settle(collected->blocks, i, next, order);
	return next;
}

typedef int visitor(void *context, const struct rdx_block *block);

static int tell(const struct collected *collected, const struct block *block, visitor *visit,
		void *context)
{
	struct rdx_block told = {
		.size = sizeof(told),
		.prefix = block->prefix,
		.tiers = block->tiers,
		.described = block->state == SETTLED,
	};

	if (told.described) {
		told.local = block->local;
		told.parent = block->parent;
		if (block->above != NONE)
			told.parent_turn = 1 + collected->blocks[block->above].turn;
	}
	return visit(context, &told);
}

static int tell_all(const struct collected *collected, const uint64_t *order, uint64_t ordered,
		    visitor *visit, void *context)
{
	int r = 0;

	for (uint64_t i = 0; i < ordered && r == 0; i++)
		r = tell(collected, &collected->blocks[order[i]], visit, context);
	for (uint64_t i = 0; i < collected->count && r == 0; i++)
		if (collected->blocks[i].tiers && collected->blocks[i].state != SETTLED)
			r = tell(collected, &collected->blocks[i], visit, context);
	return r;
}

/* Put them in order and tell them. -ENOMEM, or what `visit` said. */
static int visit_collected(struct collected *collected, visitor *visit, void *context)
{
	uint64_t *order;
	int r;

	if (!collected->count)
		return 0;
	link_blocks(collected);
	free(collected->places); /* as large as what comes now */
	collected->places = NULL;
	order = malloc(collected->count * sizeof(*order));
	if (!order)
		return -ENOMEM;
	r = tell_all(collected, order, settle_all(collected, order), visit, context);
	free(order);
	return r;
}

/* No secret: what no worker can know long before. */
static uint64_t draw_multiplier(const void *address)
{
	return (rdx_clock_ns() ^ (uintptr_t)address) * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

int rdx_reader_each(struct rdx_reader *reader, visitor *visit, void *context,
		    struct rdx_cursor *ret_exact_at)
{
	struct collected collected = {
		.collector = {.hold = hold, .describe = describe, .apply = apply, .forget = forget},
		.key = &reader->info.key,
		.multiplier = draw_multiplier(&collected)};
	struct rdx_cursor exact_at;
	int r = rdx_exact_collect(reader, 0, &collected.collector, &exact_at);

	if (r == 0)
		r = visit_collected(&collected, visit, context);
	forget(&collected.collector);
	if (r == 0)
		*ret_exact_at = exact_at;
	return r;
}
