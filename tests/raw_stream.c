/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/raw_stream.h"

#include "tests/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char lora_name[] = "adapter", salt_text[] = "tenant";
static const char tagged_salt[] = "dynamo-cache-salt:tenant", strange_text[] = "what is it";

static uint32_t roll(uint64_t *random, uint32_t sides)
{
	return (uint32_t)(rig_random(random) >> 32) % sides;
}

/* -- prompts -- */

static uint64_t hash_node(const struct raw_life *life, const struct raw_node *node,
			  const struct rdx_hash_key *key)
{
	uint32_t ids[RAW_BLOCK_TOKENS + 1];
	struct rdx_block_key image = {.key = rdx_hash_identifier(node->image, strlen(node->image))};
	struct rdx_tokens tokens = {
		.size = sizeof(tokens),
		.seed = rdx_hash_seed(node->has_lora ? lora_name : NULL,
				      node->has_salt ? salt_text : NULL),
		.ids = ids,
		.count = RAW_BLOCK_TOKENS + life->has_pairs,
		.keys = &image,
		.key_count = node->has_image,
		.block_tokens = RAW_BLOCK_TOKENS,
		.overlap = life->has_pairs,
	};
	uint64_t local, prefix;

	memcpy(ids, node->tokens, sizeof(node->tokens));
	ids[RAW_BLOCK_TOKENS] = node->next;
	assert_int_equal(rdx_hash_tokens(&tokens, &local), 1);
	rdx_hash_chain(key, node->parent < 0 ? 0 : life->nodes[node->parent].prefix, &local, 1,
		       &prefix);
	return prefix;
}

static void make_node(struct raw_life *life, int i, const struct rdx_hash_key *key,
		      uint64_t *random)
{
	struct raw_node *node = &life->nodes[i];
	const struct raw_node *parent;

	*node = (struct raw_node){.parent = i < 3 ? -1 : (int)roll(random, (uint32_t)i)};
	parent = node->parent < 0 ? NULL : &life->nodes[node->parent];
	for (int t = 0; t < RAW_BLOCK_TOKENS; t++)
		node->tokens[t] = roll(random, 50000);
	if (parent && life->has_pairs)
		node->tokens[0] = parent->next;
	node->next = roll(random, 50000);
	node->depth = parent ? parent->depth + 1 : 0;
	node->has_lora = parent ? parent->has_lora : roll(random, 3) == 0;
	node->has_salt = parent ? parent->has_salt : roll(random, 3) == 0;
	node->has_image = roll(random, 10) == 0;
	node->is_strange = (parent && parent->is_strange) || roll(random, 60) == 0;
	snprintf(node->image, sizeof(node->image), "image-%u", roll(random, 4));
	node->name = rig_random(random);
	if (!node->is_strange)
		node->prefix = hash_node(life, node, key);
}

void raw_begin(struct raw_life *life, const struct rdx_hash_key *key, uint64_t *random)
{
	memset(life, 0, sizeof(*life));
	life->counting = roll(random, 3) ? 1 : 2 + roll(random, 2);
	life->says_kinds = life->counting > 1 || roll(random, 3);
	life->says_group = life->says_kinds || roll(random, 2);
	life->has_pairs = roll(random, 4) == 0;
	life->has_presence = roll(random, 3) == 0;
	life->clears_device = roll(random, 3) == 0;
	life->salts_by_key = roll(random, 2) != 0;
	for (uint32_t i = 0; i < RAW_GROUPS; i++) /* without kinds the first one is 0 */
		life->groups[i] = life->says_kinds ? 7 * i + roll(random, 7) : i;
	for (int i = 0; i < RAW_NODES; i++)
		make_node(life, i, key, random);
}

void raw_restart(struct raw_life *life)
{
	memset(life->copies, 0, sizeof(life->copies));
}

/* -- what is held -- */

static int is_whole(const struct raw_life *life, uint8_t tier, uint32_t node)
{
	for (uint32_t group = 0; group < life->counting; group++) {
		if (!life->copies[tier][group][node])
			return 0;
	}
	return 1;
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

uint32_t raw_held(const struct raw_life *life, uint8_t tier, uint64_t *ret_prefixes)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < RAW_NODES; i++) {
		if (!life->nodes[i].is_strange && is_whole(life, tier, i))
			ret_prefixes[count++] = life->nodes[i].prefix;
	}
	qsort(ret_prefixes, count, sizeof(*ret_prefixes), compare);
	return count;
}

int raw_holds_strange(const struct raw_life *life, uint8_t tier)
{
	for (uint32_t i = 0; i < RAW_NODES; i++) {
		if (life->nodes[i].is_strange && is_whole(life, tier, i))
			return 1;
	}
	return 0;
}

/* -- what is done -- */

static const char *const media[RAW_TIERS][2] = {{"GPU", NULL},
						{"CPU", "CPU_PINNED"},
						{"DISK", "NVME"},
						{"EXTERNAL", "REMOTE"},
						{"TAPE", "tape"}};

static void say_where(const struct raw_life *life, uint64_t *random, uint8_t tier, uint32_t group,
		      struct rdx_engine_event *event)
{
	event->medium = media[tier][roll(random, 2)];
	if (life->says_group) {
		event->flags |= RDX_ENGINE_GROUP;
		event->group = life->groups[group];
	}
	if (life->says_kinds && strcmp(event->type, "BlockStored") == 0)
		event->spec_kind = group < life->counting ? "full_attention"
				   : group == 2           ? "mamba"
							  : "sliding_window";
}

static void add_key(struct raw_life *life, struct rdx_engine_event *event, uint8_t kind,
		    uint32_t block, const char *text)
{
	life->keys[event->key_count++] = (struct rdx_engine_key){
		.bytes = text, .byte_count = (uint32_t)strlen(text), .at = block, .kind = kind};
}

/* Extra keys of a block of the run, in vLLM's order. */
static void say_keys(struct raw_life *life, struct rdx_engine_event *event, uint32_t block,
		     const struct raw_node *node)
{
	const struct raw_node *parent = node->parent < 0 ? NULL : &life->nodes[node->parent];

	if (node->has_lora)
		add_key(life, event, RDX_ENGINE_KEY_TEXT, block, lora_name);
	if (node->has_image)
		add_key(life, event, RDX_ENGINE_KEY_OBJECT, block, node->image);
	if (node->is_strange && !(parent && parent->is_strange))
		add_key(life, event,
			!parent || node->name & 1 ? RDX_ENGINE_KEY_OTHER : RDX_ENGINE_KEY_TEXT,
			block, strange_text);
	if (node->has_salt && !parent && life->salts_by_key)
		add_key(life, event, RDX_ENGINE_KEY_TEXT, block,
			node->name & 2 ? salt_text : tagged_salt);
}

static void say_tokens(struct raw_life *life, struct rdx_engine_event *event, uint32_t block,
		       const struct raw_node *node)
{
	uint32_t *at = life->tokens + block * RAW_BLOCK_TOKENS * (life->has_pairs ? 2 : 1);

	for (int t = 0; t < RAW_BLOCK_TOKENS; t++) {
		*at++ = node->tokens[t];
		if (life->has_pairs)
			*at++ = t + 1 < RAW_BLOCK_TOKENS ? node->tokens[t + 1] : node->next;
	}
	event->token_count += RAW_BLOCK_TOKENS;
}

/* The run's content, or names only. */
static void say_run(struct raw_life *life, const int *run, uint32_t count,
		    struct rdx_engine_event *event)
{
	const struct raw_node *first = &life->nodes[run[0]];

	for (uint32_t i = 0; i < count; i++) {
		say_tokens(life, event, i, &life->nodes[run[i]]);
		say_keys(life, event, i, &life->nodes[run[i]]);
	}
	event->tokens = life->tokens;
	event->block_tokens = RAW_BLOCK_TOKENS;
	event->keys = life->keys;
	event->key_blocks = count;
	event->flags |= RDX_ENGINE_KEYS | (life->has_pairs ? RDX_ENGINE_PAIRS : 0);
	event->lora_name = first->has_lora ? lora_name : NULL;
	event->cache_salt = first->has_salt && !life->salts_by_key ? salt_text : NULL;
	if (first->parent >= 0) {
		life->parent = life->nodes[first->parent].name;
		event->parent = &life->parent;
	}
}

static int store(struct raw_life *life, uint64_t *random, uint8_t tier, uint32_t group,
		 struct rdx_engine_event *event)
{
	uint32_t count = 1 + roll(random, RAW_RUN_MAX);
	int last = (int)roll(random, RAW_NODES), run[RAW_RUN_MAX];

	if (count > life->nodes[last].depth + 1)
		count = life->nodes[last].depth + 1;
	for (uint32_t i = count; i > 0; i--) {
		uint16_t *copies = &life->copies[tier][group][last];

		run[i - 1] = last;
		life->names[i - 1] = life->nodes[last].name;
		*copies = life->has_presence ? 1 : (uint16_t)(*copies + 1);
		last = life->nodes[last].parent;
	}
	event->type = "BlockStored";
	event->count = count;
	if (roll(random, 6))
		say_run(life, run, count, event);
	return 1;
}

static int remove_some(struct raw_life *life, uint64_t *random, uint8_t tier, uint32_t group,
		       struct rdx_engine_event *event)
{
	uint32_t from = roll(random, RAW_NODES), most = 1 + roll(random, 20);
	int counts = roll(random, 4) == 0;

	for (uint32_t i = 0; i < RAW_NODES && event->count < most; i++) {
		uint32_t node = (from + i) % RAW_NODES;
		uint16_t *copies = &life->copies[tier][group][node];

		if (!*copies || roll(random, 3) == 0)
			continue;
		*copies = counts ? (uint16_t)roll(random, *copies) : (uint16_t)(*copies - 1);
		life->remaining[event->count] = *copies;
		life->names[event->count++] = life->nodes[node].name;
	}
	event->type = "BlockRemoved";
	event->remaining = counts ? life->remaining : NULL;
	return event->count != 0;
}

static int clear(struct raw_life *life, uint64_t *random, uint8_t tier,
		 struct rdx_engine_event *event)
{
	int one = roll(random, 2);

	event->type = "AllBlocksCleared";
	if (one)
		event->medium = media[tier][0];
	else if (!life->clears_device)
		event->medium = roll(random, 2) ? "all" : NULL;
	for (uint8_t t = 0; t < RAW_TIERS; t++) {
		if (one ? t == tier : event->medium || !life->clears_device || t == 0)
			memset(life->copies[t], 0, sizeof(life->copies[t]));
	}
	return 1;
}

int raw_act(struct raw_life *life, uint64_t *random, struct rdx_engine_event *ret_event)
{
	uint8_t tier = roll(random, 3) ? 0 : (uint8_t)(1 + roll(random, 3));
	uint32_t group = roll(random, life->says_group ? RAW_GROUPS : 1), dice = roll(random, 100);
	int r;

	*ret_event = (struct rdx_engine_event){
		.size = sizeof(*ret_event), .names = life->names, .name_bytes = 8};
	if (roll(random, 100) == 0)
		tier = RAW_TIERS - 1;
	if (dice < 2)
		return clear(life, random, tier, ret_event);
	r = dice < 40 ? store(life, random, tier, group, ret_event)
		      : remove_some(life, random, tier, group, ret_event);
	say_where(life, random, tier, group, ret_event);
	return r;
}
