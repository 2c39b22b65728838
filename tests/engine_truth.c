/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/engine_truth.h"

#include "tests/rig.h"

#include <string.h>

static uint32_t draw(struct truth_engine *engine, uint32_t below)
{
	return (uint32_t)(rig_random(&engine->random) % below);
}

/* Once in so many times. */
static int chance(struct truth_engine *engine, uint32_t times)
{
	return draw(engine, times) == 0;
}

static int fault(struct truth_engine *engine, uint32_t times)
{
	return engine->manner.is_faulty && chance(engine, times);
}

void truth_engine_make(struct truth_engine *engine, const struct truth_prompts *prompts,
		       const struct truth_manner *manner, uint64_t seed)
{
	memset(engine, 0, sizeof(*engine));
	engine->prompts = prompts;
	engine->manner = *manner;
	engine->random = seed;
	for (uint32_t i = 0; i < TRUTH_BLOCKS; i++)
		engine->named[i] = i;
}

uint8_t truth_engine_tiers(const struct truth_engine *engine, uint32_t block)
{
	uint8_t tiers = 0;

	for (uint32_t tier = 0; tier < TRUTH_TIERS; tier++) {
		uint32_t holding = 0;

		for (uint32_t group = 0; group < engine->manner.groups; group++)
			holding += engine->copies[tier][group][block] != 0;
		if (holding == engine->manner.groups)
			tiers |= (uint8_t)(1 << tier);
	}
	return tiers;
}

/* What a tier is called; NULL for the device is nothing said. */
static const char *medium_of(struct truth_engine *engine, uint32_t tier)
{
	static const char *const media[TRUTH_TIERS][3] = {
		{"GPU", NULL, "device"},  {"CPU", "CPU_PINNED", "cpu_tier1"},
		{"DISK", "NVME", "Disk"}, {"EXTERNAL", "REMOTE", "shared"},
		{"HBM9", "HBM9", "HBM9"},
	};

	return media[tier][draw(engine, 3)];
}

/* The next event of the step. */
static struct truth_event *say(struct truth_engine *engine, const char *type)
{
	struct truth_event *said = &engine->events[engine->event_count++];

	assert_true(engine->event_count <= TRUTH_EVENTS_MAX);
	memset(said, 0, sizeof(*said));
	said->event.size = sizeof(said->event);
	said->event.type = type;
	said->event.name_bytes = engine->manner.name_bytes;
	said->event.names = said->names;
	if (fault(engine, 3000))
		said->delivery = chance(engine, 2) ? TRUTH_UNREADABLE : TRUTH_LOST;
	return said;
}

/* Groups are numbered as engines do: those that count are not the first ones. */
static void put_group(struct truth_engine *engine, struct rdx_engine_event *event, uint32_t group,
		      int tells_kind)
{
	static const char *const kinds[TRUTH_GROUPS_MAX] = {"full_attention", "mla_attention"};

	if (group == 0 && engine->manner.groups == 1 && chance(engine, 2))
		return; /* nothing said of groups */
	event->flags |= RDX_ENGINE_GROUP;
	event->group = 3 * group;
	if (group || tells_kind)
		event->spec_kind = tells_kind ? kinds[group] : NULL;
}

static void put_names(struct truth_engine *engine, struct truth_event *said, const uint32_t *blocks,
		      uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		memcpy(said->names + i * engine->manner.name_bytes,
		       engine->prompts->blocks[engine->named[blocks[i]]].name,
		       engine->manner.name_bytes);
	said->event.count = count;
}

static void put_key(struct truth_event *said, struct rdx_engine_key key)
{
	struct rdx_engine_event *event = &said->event;

	said->keys[event->key_count++] = key;
	event->keys = said->keys;
}

static void put_text(struct truth_event *said, const char *text, uint32_t at)
{
	put_key(said, (struct rdx_engine_key){.bytes = text,
					      .byte_count = (uint32_t)strlen(text),
					      .at = at,
					      .kind = RDX_ENGINE_KEY_TEXT});
}

/* A block's own keys, or those of its tokens. */
static void put_keys_of(struct truth_event *said, const struct truth_block *block, uint32_t at,
			int of_tokens)
{
	for (uint32_t i = 0; i < block->key_count; i++) {
		struct rdx_engine_key key = block->keys[i];

		if ((key.kind == RDX_ENGINE_KEY_TOKEN) != of_tokens)
			continue;
		key.at = of_tokens ? at * TRUTH_BLOCK_TOKENS + key.at : at;
		put_key(said, key);
	}
}

/* Extra keys, as vLLM gives them or SGLang. */
static void put_keys(struct truth_engine *engine, struct truth_event *said, const uint32_t *blocks)
{
	struct rdx_engine_event *event = &said->event;
	const struct truth_block *first = &engine->prompts->blocks[blocks[0]];

	if (first->lora_is_number)
		event->flags |= RDX_ENGINE_LORA_ID;
	else if (*first->lora)
		event->lora_name = first->lora;
	if (!engine->manner.salt_in_keys && *first->salt)
		event->cache_salt = first->salt;
	for (uint32_t i = 0; i < event->count; i++) {
		const struct truth_block *block = &engine->prompts->blocks[blocks[i]];

		if (engine->manner.salt_in_keys && event->lora_name)
			put_text(said, event->lora_name, i);
		if (engine->manner.salt_in_keys && block->parent == TRUTH_ROOT && *block->salt)
			put_text(said, block->salt, i);
		put_keys_of(said, block, i, 0);
	}
	for (uint32_t i = 0; i < event->count; i++)
		put_keys_of(said, &engine->prompts->blocks[blocks[i]], i, 1);
	if (event->key_count || chance(engine, 2)) {
		event->flags |= RDX_ENGINE_KEYS;
		event->key_blocks = event->count;
	}
}

static void put_tokens(struct truth_engine *engine, struct truth_event *said,
		       const uint32_t *blocks)
{
	struct rdx_engine_event *event = &said->event;
	uint64_t used = 0;

	for (uint32_t i = 0; i < event->count; i++) {
		const uint32_t *tokens = engine->prompts->blocks[blocks[i]].tokens;

		for (uint32_t k = 0; k < TRUTH_BLOCK_TOKENS; k++) {
			said->tokens[used++] = tokens[k];
			if (engine->prompts->pairs)
				said->tokens[used++] = tokens[k + 1];
		}
	}
	event->tokens = said->tokens;
	event->token_count = (uint64_t)event->count * TRUTH_BLOCK_TOKENS;
	event->block_tokens = TRUTH_BLOCK_TOKENS;
	if (engine->prompts->pairs)
		event->flags |= RDX_ENGINE_PAIRS;
}

/* Something in it contradicts the rest, or is not known. */
static void damage(struct truth_engine *engine, struct rdx_engine_event *event)
{
	switch (draw(engine, 5)) {
	case 0:
		event->unknown_fields = 1;
		break;
	case 1:
		event->flags |= RDX_ENGINE_KEYS;
		event->key_blocks = event->count + 1;
		break;
	case 2:
		event->token_count--;
		break;
	case 3:
		event->block_tokens = 2 * TRUTH_BLOCK_TOKENS;
		break;
	default:
		event->flags |= RDX_ENGINE_LORA_ID;
		event->lora_name = NULL;
	}
}

static void add_copy(struct truth_engine *engine, uint32_t tier, uint32_t group, uint32_t block)
{
	uint16_t *copies = &engine->copies[tier][group][block];

	*copies = engine->manner.report_mode == RDX_REPORT_PRESENCE ? 1 : *copies + 1;
}

/* Store blocks that follow each other, in the groups that count. */
static void tell_stored(struct truth_engine *engine, uint32_t tier, const uint32_t *blocks,
			uint32_t count)
{
	uint32_t parent = engine->prompts->blocks[blocks[0]].parent;

	for (uint32_t group = 0; group < engine->manner.groups; group++) {
		struct truth_event *said;

		if (chance(engine, 20))
			continue;
		said = say(engine, chance(engine, 2) ? "BlockStored" : "stored");
		for (uint32_t i = 0; i < count; i++) {
			add_copy(engine, tier, group, blocks[i]);
			engine->renamed[blocks[i]] = 0;
		}
		said->event.medium = medium_of(engine, tier);
		put_group(engine, &said->event, group, 1);
		put_names(engine, said, blocks, count);
		put_tokens(engine, said, blocks);
		put_keys(engine, said, blocks);
		if (parent != TRUTH_ROOT) {
			memcpy(said->parent, engine->prompts->blocks[engine->named[parent]].name,
			       engine->manner.name_bytes);
			said->event.parent = said->parent;
		}
		if (fault(engine, 300))
			damage(engine, &said->event);
	}
}

static int is_held(const struct truth_engine *engine, uint32_t tier, uint32_t block)
{
	return truth_engine_tiers(engine, block) >> tier & 1;
}

/* A run on a way down the tree: mostly from the first block on that is not held. */
static void store(struct truth_engine *engine, uint32_t tier)
{
	uint32_t path[TRUTH_BLOCKS], block = draw(engine, TRUTH_BLOCKS), first = 0, count;
	uint32_t depth = engine->prompts->blocks[block].depth;

	for (uint32_t i = depth; i--; block = engine->prompts->blocks[block].parent)
		path[i] = block;
	if (chance(engine, 6))
		first = draw(engine, depth);
	while (first + 1 < depth && is_held(engine, tier, path[first]) && !chance(engine, 30))
		first++;
	count = 1 + draw(engine, TRUTH_RUN_MAX);
	tell_stored(engine, tier, path + first, count < depth - first ? count : depth - first);
}

/* Copies in a farther tier of blocks that it knows, told by name. */
static void store_by_name(struct truth_engine *engine)
{
	uint32_t tier = 1 + draw(engine, RDX_TIER_COUNT - 1), block = draw(engine, TRUTH_BLOCKS);

	for (int tries = 0; tries < 20 && !engine->copies[0][0][block]; tries++)
		block = draw(engine, TRUTH_BLOCKS);
	if (engine->renamed[block])
		return;
	for (uint32_t group = 0; group < engine->manner.groups; group++) {
		struct truth_event *said = say(engine, "BlockStored");

		add_copy(engine, tier, group, block);
		said->event.medium = medium_of(engine, tier);
		put_group(engine, &said->event, group, 0);
		put_names(engine, said, &block, 1);
	}
}

/* Take a copy, or more where that is told. */
static void take_copy(struct truth_engine *engine, struct truth_event *said, uint32_t at,
		      uint32_t tier, uint32_t group, uint32_t block)
{
	uint16_t *copies = &engine->copies[tier][group][block];

	if (!engine->manner.tells_copies) {
		*copies = engine->manner.report_mode == RDX_REPORT_PRESENCE ? 0 : *copies - 1;
		return;
	}
	*copies = (uint16_t)draw(engine, *copies);
	said->remaining[at] = *copies;
	said->event.remaining = said->remaining;
}

/* Evict some blocks of one tier and group. */
static void evict(struct truth_engine *engine)
{
	uint32_t tier = draw(engine, 2) ? 0 : draw(engine, TRUTH_TIERS);
	uint32_t group = draw(engine, engine->manner.groups), blocks[4], count = 0;
	struct truth_event *said;

	for (int tries = 0; tries < 40 && count < 4; tries++) {
		uint32_t block = draw(engine, TRUTH_BLOCKS), seen = 0;

		for (uint32_t i = 0; i < count; i++)
			seen |= blocks[i] == block;
		if (!seen && engine->copies[tier][group][block])
			blocks[count++] = block;
	}
	if (!count)
		return;
	said = say(engine, "BlockRemoved");
	for (uint32_t i = 0; i < count; i++)
		take_copy(engine, said, i, tier, group, blocks[i]);
	said->event.medium = medium_of(engine, tier);
	put_group(engine, &said->event, group, 0);
	put_names(engine, said, blocks, count);
	said->event.unknown_fields = (uint32_t)fault(engine, 1500);
}

static void clear(struct truth_engine *engine)
{
	uint32_t tier = draw(engine, RDX_TIER_COUNT + 4);
	struct truth_event *said = say(engine, "AllBlocksCleared");

	if (tier >= RDX_TIER_COUNT && engine->manner.cleared_means == RDX_ENGINE_CLEARED_DEVICE)
		tier = 0;
	else if (tier < RDX_TIER_COUNT)
		while (!said->event.medium)
			said->event.medium = medium_of(engine, tier);
	if (tier >= RDX_TIER_COUNT)
		memset(engine->copies, 0, sizeof(engine->copies));
	else
		memset(engine->copies[tier], 0, sizeof(engine->copies[tier]));
}

/* Of another worker, or of a group that does not count: nothing of it is true of this cache. */
static void tell_of_others(struct truth_engine *engine)
{
	struct truth_event *said = say(engine, chance(engine, 2) ? "BlockRemoved" : "BlockStored");
	uint32_t block = draw(engine, TRUTH_BLOCKS);

	put_names(engine, said, &block, 1);
	if (chance(engine, 4)) {
		said->event.locality = "REMOTE";
	} else if (chance(engine, 3)) {
		said->event.ownership = "primary";
	} else {
		said->event.flags |= RDX_ENGINE_GROUP;
		said->event.group = 1;
		said->event.spec_kind = "sliding_window";
		put_tokens(engine, said, &block);
		said->event.count = draw(engine, 2);
	}
	said->event.medium = "GPU";
}

static int may_be_renamed(const struct truth_engine *engine, uint32_t block)
{
	uint32_t copies = 0;

	for (uint32_t tier = 0; tier < TRUTH_TIERS; tier++) {
		for (uint32_t group = 0; group < engine->manner.groups; group++)
			copies += engine->copies[tier][group][block];
	}
	return copies == 0 && engine->prompts->blocks[block].children == 0;
}

/* Two blocks of which nothing is held change their names, as where an adapter is loaded again: what was
 * remembered of a name is of no use. */
static void rename_two(struct truth_engine *engine)
{
	uint32_t a = draw(engine, TRUTH_BLOCKS), b = draw(engine, TRUTH_BLOCKS), name;

	if (!may_be_renamed(engine, a) || !may_be_renamed(engine, b))
		return;
	name = engine->named[a];
	engine->named[a] = engine->named[b];
	engine->named[b] = name;
	engine->renamed[a] = engine->renamed[b] = 1;
}

static void restart(struct truth_engine *engine)
{
	memset(engine->copies, 0, sizeof(engine->copies));
	engine->restarted = 1;
}

void truth_engine_step(struct truth_engine *engine)
{
	uint32_t what = draw(engine, 100);

	engine->event_count = 0;
	engine->restarted = 0;
	if (chance(engine, 4))
		rename_two(engine);
	if (what < 44)
		store(engine, draw(engine, 8) ? 0 : draw(engine, RDX_TIER_COUNT));
	else if (what < 54)
		store_by_name(engine);
	else if (what < 94)
		evict(engine);
	else if (what < 97)
		tell_of_others(engine);
	else if (what == 97 && chance(engine, 3))
		clear(engine);
	else if (what == 98 && fault(engine, 10))
		store(engine, TRUTH_TIER_UNKNOWN);
	else if (what == 99 && fault(engine, 20))
		say(engine, "BlockMeditated");
	else if (what == 99 && chance(engine, 20))
		restart(engine);
}
