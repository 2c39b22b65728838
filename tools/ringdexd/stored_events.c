/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/stored_events.h"

#include <errno.h>
#include <stdlib.h>

#define RUN_BLOCKS  512 /* of one event at most */
#define TOLD_FIRST  UINT64_C(1024)
#define OUT         UINT8_MAX /* `reach` of a block that is not below a root */
#define PAIR_TOKENS 4         /* two hashes are as long */

struct stored_block {
	uint64_t name;
	uint8_t reach; /* the nearest tier such that it and all before it are held in this one or nearer */
};

void stored_events_begin(struct stored_events *events, struct answer *to, uint64_t worker_id,
			 uint32_t dp_rank)
{
	events->to = to;
	events->worker_id = worker_id;
	events->dp_rank = dp_rank;
	events->count = 0;
}

/* Dynamo's: XXH3-64, seed 1337, of the parent's and the local hash; of the first block its local hash. */
static uint64_t name_below(uint64_t parent_name, uint64_t local)
{
	const uint32_t pair[PAIR_TOKENS] = {(uint32_t)parent_name, (uint32_t)(parent_name >> 32),
					    (uint32_t)local, (uint32_t)(local >> 32)};
	uint64_t name;

	rdx_hash_blocks(rdx_hash_seed(NULL, NULL), pair, PAIR_TOKENS, PAIR_TOKENS, &name);
	return name;
}

/* The next block that is told. -ENOMEM */
static int add_told(struct stored_events *events, struct stored_block block)
{
	if (events->count == events->capacity) {
		uint64_t capacity = events->capacity ? events->capacity * 2 : TOLD_FIRST;
		struct stored_block *told = realloc(events->told, capacity * sizeof(*told));

		if (!told)
			return -ENOMEM;
		events->told = told;
		events->capacity = capacity;
	}
	events->told[events->count++] = block;
	return 0;
}

static struct stored_block judge(const struct stored_events *events, const struct rdx_block *block)
{
	const struct stored_block *parent = NULL;
	uint8_t nearest = (uint8_t)__builtin_ctz(block->tiers);

	if (block->parent_turn)
		parent = &events->told[block->parent_turn - 1];
	if (!block->described || (block->parent && (!parent || parent->reach == OUT)))
		return (struct stored_block){.reach = OUT};
	if (!parent)
		return (struct stored_block){block->local, nearest};
	return (struct stored_block){
		.name = name_below(parent->name, block->local),
		.reach = parent->reach > nearest ? parent->reach : nearest,
	};
}

static void put_event(struct stored_events *events, const struct stored_run *run, int tier)
{
	static const char *const tiers[] = {"device", "host_pinned", "disk", "external"};
	struct answer *to = events->to;

	answer_text(to, events->any ? ",{\"worker_id\":" : "{\"worker_id\":");
	answer_number(to, events->worker_id);
	answer_print(to, ",\"storage_tier\":\"%s\",\"event\":{\"event_id\":", tiers[tier]);
	answer_number(to, events->event_id);
	answer_print(to, ",\"dp_rank\":%u,\"data\":{\"stored\":{\"parent_hash\":", events->dp_rank);
	if (run->has_parent)
		answer_number(to, run->parent_name);
	else
		answer_text(to, "null");
	answer_text(to, ",\"start_position\":null,\"blocks\":[");
	if (run->blocks.broken)
		to->broken = run->blocks.broken;
	else
		answer_bytes(to, answer_body(&run->blocks), answer_body_bytes(&run->blocks));
	answer_text(to, "]}}}}");
	events->any = 1;
	events->event_id++;
}

/* What the tier's run has becomes an event. */
static void end_run(struct stored_events *events, int tier)
{
	struct stored_run *run = &events->runs[tier];

	if (run->count)
		put_event(events, run, tier);
	run->count = 0;
	answer_begin(&run->blocks);
}

static void put_block(struct stored_events *events, const struct rdx_block *block, uint64_t name,
		      int tier)
{
	struct stored_run *run = &events->runs[tier];

	if (!run->count || run->count == RUN_BLOCKS || !block->parent_turn ||
	    run->last_turn != block->parent_turn) {
		end_run(events, tier);
		run->has_parent = block->parent_turn != 0;
		if (run->has_parent)
			run->parent_name = events->told[block->parent_turn - 1].name;
	}
	answer_text(&run->blocks, run->count ? ",{\"block_hash\":" : "{\"block_hash\":");
	answer_number(&run->blocks, name);
	answer_text(&run->blocks, ",\"tokens_hash\":");
	answer_number(&run->blocks, block->local);
	answer_text(&run->blocks, ",\"mm_extra_info\":null}");
	run->last_turn = events->count;
	run->count++;
}

/*
 * In each tier that holds it, from its reach on; and in that of its reach, which may not: Dynamo goes from tier to
 * tier without going back, and so comes as far as our own lookups do.
 */
int stored_events_add(struct stored_events *events, const struct rdx_block *block)
{
	struct stored_block told = judge(events, block);
	int r = add_told(events, told);

	if (r < 0)
		return r;
	if (told.reach == OUT) {
		events->left_out++;
		return 0;
	}
	for (int tier = told.reach; tier < RDX_TIER_COUNT; tier++)
		if (tier == told.reach || block->tiers >> tier & 1)
			put_block(events, block, told.name, tier);
	return events->to->broken;
}

int stored_events_end(struct stored_events *events)
{
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		end_run(events, tier);
	return events->to->broken;
}

void stored_events_free(struct stored_events *events)
{
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		answer_free(&events->runs[tier].blocks);
	free(events->told);
	*events = (struct stored_events){0};
}
