/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/engine_truth.h"

#include "tests/rig.h"

#define XXH_INLINE_ALL
#include <string.h>
#include <xxhash.h>

#define TOKENS 3 /* few: blocks of different parents are often alike */

static const char *const loras[] = {"", "adapter-a", "adapter-b"};
static const char *const salts[] = {"", "tenant-1", "tenant-2"};

/* Identifiers, and the 64 bits that stand for each. Those of the first two kinds are so by
 * agreement, the others by XXH3. */
static const char *const identifiers[] = {
	"0123456789abcdef000000000000000000000000000000000000000000000000",
	"fedcba9876543210000000000000000000000000000000000000000000000000",
	"image-a",
	"image-b",
	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
};
#define IDENTIFIERS (sizeof(identifiers) / sizeof(*identifiers))

static uint64_t identity(const char *text)
{
	if (text == identifiers[0])
		return UINT64_C(0x0123456789abcdef);
	if (text == identifiers[1])
		return UINT64_C(0xfedcba9876543210);
	return XXH3_64bits(text, strlen(text));
}

static uint64_t seed_of(const struct truth_block *block)
{
	uint64_t seed = 1337;

	if (*block->lora)
		seed += XXH3_64bits_withSeed(block->lora, strlen(block->lora), 0);
	if (*block->salt)
		seed += XXH3_64bits_withSeed(block->salt, strlen(block->salt), 1);
	return seed;
}

static void put_key(struct truth_block *block, uint8_t kind, const char *text, uint32_t at)
{
	block->keys[block->key_count++] = (struct rdx_engine_key){
		.bytes = text,
		.byte_count = (uint32_t)strlen(text),
		.at = at,
		.kind = kind,
	};
}

/* Images and the like; a token that is a text; something that nobody understands, though not so early
 * that no block below can be represented. */
static void draw_keys(struct truth_block *block, uint64_t random, int pairs)
{
	uint32_t objects = random % 8 < 6 ? 0 : random % 8 - 5;

	for (uint32_t i = 0; i < objects; i++)
		put_key(block,
			random >> (8 + i) & 1 ? RDX_ENGINE_KEY_OBJECT : RDX_ENGINE_KEY_DIGEST,
			identifiers[(random >> (16 + 8 * i)) % IDENTIFIERS], 0);
	if (!pairs && (random >> 32) % 16 == 0) {
		const char *text = identifiers[(random >> 40) % IDENTIFIERS];

		put_key(block, RDX_ENGINE_KEY_TOKEN, text, 2);
		block->tokens[2] = (uint32_t)identity(text);
	}
	if ((random >> 48) % 150 == 0 && block->depth > 2)
		put_key(block, RDX_ENGINE_KEY_OTHER, "?", 0);
}

/* Blocks that no event can represent have a hash that nobody else has. */
static int is_representable(const struct truth_block *block)
{
	for (uint32_t i = 0; i < block->key_count; i++) {
		if (block->keys[i].kind == RDX_ENGINE_KEY_OTHER)
			return 0;
	}
	return !block->lora_is_number;
}

static int compare_words(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static uint64_t local_hash(const struct truth_block *block, int pairs)
{
	uint8_t bytes[sizeof(block->tokens) + TRUTH_KEYS_MAX * sizeof(uint64_t)];
	size_t used = (TRUTH_BLOCK_TOKENS + (pairs ? 1 : 0)) * sizeof(uint32_t);
	uint64_t keys[TRUTH_KEYS_MAX];

	memcpy(bytes, block->tokens, used);
	for (uint32_t i = 0; i < block->key_count; i++)
		keys[i] = identity(block->keys[i].bytes);
	qsort(keys, block->key_count, sizeof(*keys), compare_words);
	memcpy(bytes + used, keys, block->key_count * sizeof(*keys));
	return XXH3_64bits_withSeed(bytes, used + block->key_count * sizeof(*keys), seed_of(block));
}

static void draw_root(struct truth_block *block, uint64_t random)
{
	block->parent = TRUTH_ROOT;
	block->depth = 1;
	block->lora = loras[random % 3];
	block->salt = salts[(random >> 8) % 3];
	block->lora_is_number = *block->lora && (random >> 16) % 30 == 0;
	block->tokens[0] = (uint32_t)(random >> 24) % TOKENS;
}

static void draw_child(struct truth_block *block, const struct truth_block *above, uint32_t parent)
{
	block->parent = parent;
	block->depth = above->depth + 1;
	block->lora = above->lora;
	block->salt = above->salt;
	block->lora_is_number = above->lora_is_number;
	block->tokens[0] = above->tokens[TRUTH_BLOCK_TOKENS];
}

static void draw_block(struct truth_prompts *prompts, const struct rdx_hash_key *key, uint32_t at,
		       uint64_t *random)
{
	struct truth_block *block = &prompts->blocks[at];
	uint64_t drawn = rig_random(random), local, parent = 0;

	if (at == 0 || drawn % 12 == 0) {
		draw_root(block, rig_random(random));
		block->lora_is_number &= at != 0; /* likewise */
	} else {
		draw_child(block, &prompts->blocks[drawn % 3 ? at - 1 : drawn / 3 % at],
			   drawn % 3 ? at - 1 : drawn / 3 % at);
	}
	for (uint32_t i = 1; i <= TRUTH_BLOCK_TOKENS; i++)
		block->tokens[i] = (uint32_t)rig_random(random) % TOKENS;
	draw_keys(block, rig_random(random), prompts->pairs);
	for (size_t i = 0; i < TRUTH_NAME_BYTES / sizeof(uint64_t); i++)
		block->name[i] = rig_random(random);
	if (block->parent != TRUTH_ROOT) {
		parent = prompts->blocks[block->parent].prefix;
		prompts->blocks[block->parent].children++;
	}
	local = is_representable(block) ? local_hash(block, prompts->pairs) : rig_random(random);
	rdx_hash_chain(key, parent, &local, 1, &block->prefix);
}

void truth_prompts_make(struct truth_prompts *prompts, const struct rdx_hash_key *key,
			uint64_t seed, int pairs)
{
	memset(prompts, 0, sizeof(*prompts));
	prompts->pairs = pairs;
	for (uint32_t i = 0; i < TRUTH_BLOCKS; i++)
		draw_block(prompts, key, i, &seed);
}
