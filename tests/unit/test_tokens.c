/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: local hashes of tokens whose blocks have keys or overlap, against XXH3 of the whole
 * block in one piece; identifiers; what is refused.
 */
#include "shm/tokens.h"
#include "tests/rig.h"

#include <errno.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define TOKENS_MAX 4096
#define KEYS_MAX   600

static uint32_t ids[TOKENS_MAX];
static struct rdx_block_key keys[KEYS_MAX];

static void draw_ids(uint64_t *random)
{
	for (uint32_t i = 0; i < TOKENS_MAX; i++)
		ids[i] = (uint32_t)rig_random(random);
}

/* Some for some blocks, sorted; equal ones too. */
static uint64_t draw_keys(uint64_t *random, uint64_t blocks)
{
	uint64_t count = 0;

	for (uint64_t block = 0; block < blocks; block++) {
		uint64_t most = rig_random(random) % 4 ? 0 : rig_random(random) % 40, key = 0;

		for (uint64_t i = 0; i < most && count < KEYS_MAX; i++) {
			key += rig_random(random) % 4 ? rig_random(random) >> 8 : 0;
			keys[count++] =
				(struct rdx_block_key){.key = key, .block = (uint32_t)block};
		}
	}
	return count;
}

static uint64_t expected(const struct rdx_tokens *tokens, uint64_t block)
{
	static uint8_t bytes[(TOKENS_MAX + 2 * KEYS_MAX) * sizeof(uint32_t)];
	uint64_t used = (tokens->block_tokens + tokens->overlap) * sizeof(*ids);

	memcpy(bytes, tokens->ids + block * tokens->block_tokens, used);
	for (uint64_t i = 0; i < tokens->key_count; i++) {
		if (tokens->keys[i].block != block)
			continue;
		memcpy(bytes + used, &tokens->keys[i].key, sizeof(uint64_t));
		used += sizeof(uint64_t);
	}
	return XXH3_64bits_withSeed(bytes, used, tokens->seed);
}

static void check_pieces(const struct rdx_tokens *tokens, uint64_t blocks, uint64_t *random)
{
	uint64_t got[TOKENS_MAX], key_at = 0;

	for (uint64_t at = 0, to; at < blocks; at = to) {
		to = at + 1 + rig_random(random) % 70;
		to = to < blocks ? to : blocks;
		rdx_tokens_hash(tokens, at, to, &key_at, got + at);
	}
	for (uint64_t i = 0; i < blocks; i++)
		assert_int_equal(got[i], expected(tokens, i));
	assert_int_equal(key_at, tokens->key_count);
}

static void test_blocks_with_keys(void **state)
{
	static const uint32_t sizes[] = {1, 4, 15, 16, 17, 32, 64, 1000};
	uint64_t got[TOKENS_MAX], random = rig_seed();

	(void)state;
	draw_ids(&random);
	for (uint32_t i = 0; i < 400; i++) {
		struct rdx_tokens tokens = {.size = sizeof(tokens)};
		uint64_t blocks;

		tokens.seed = rig_random(&random) | 1;
		tokens.ids = ids;
		tokens.block_tokens = sizes[i % 8];
		tokens.overlap = i / 8 % 2;
		tokens.count = rig_random(&random) % TOKENS_MAX;
		blocks = tokens.count < tokens.overlap ? 0 : tokens.count - tokens.overlap;
		blocks /= tokens.block_tokens;
		tokens.keys = keys;
		tokens.key_count = i / 16 % 4 ? draw_keys(&random, blocks) : 0;
		assert_int_equal(rdx_hash_tokens(&tokens, got), blocks);
		for (uint64_t block = 0; block < blocks; block++)
			assert_int_equal(got[block], expected(&tokens, block));
		check_pieces(&tokens, blocks, &random);
	}
}

/* dynamo-kv-router 1.6.1 gives these for the tokens 1 .. 33 with a window of 17. */
static void test_pairs_of_dynamo(void **state)
{
	struct rdx_tokens tokens = {.size = sizeof(tokens), .ids = ids, .count = 33};
	uint64_t got[3] = {0};

	(void)state;
	for (uint32_t i = 0; i < 33; i++)
		ids[i] = i + 1;
	tokens.block_tokens = 16;
	tokens.overlap = 1;
	assert_int_equal(rdx_hash_tokens(&tokens, got), 2);
	assert_int_equal(got[0], UINT64_C(6752489653130089168));
	assert_int_equal(got[1], UINT64_C(14523356675115067678));
	tokens.count = 32; /* the second block lacks its next token */
	assert_int_equal(rdx_hash_tokens(&tokens, got), 1);
	tokens.count = 0;
	assert_int_equal(rdx_hash_tokens(&tokens, got), 0);
}

static uint64_t identifier(const char *text)
{
	return rdx_hash_identifier(text, strlen(text));
}

static void test_identifiers(void **state)
{
	static const char *const others[] = {
		"",
		"image-a",
		"0123456789abcdef",
		"0123456789abcdef00000000000000000000000000000000000000000000000",
		"0123456789abcdef000000000000000000000000000000000000000000000000 ",
		"0123456789abcdef000000000000000000000000000000000000000000000001",
		"0123456789abcdeg000000000000000000000000000000000000000000000000",
	};

	(void)state;
	assert_int_equal(
		identifier("0123456789abcdef000000000000000000000000000000000000000000000000"),
		UINT64_C(0x0123456789abcdef));
	assert_int_equal(
		identifier("FEDCBA9876543210000000000000000000000000000000000000000000000000"),
		UINT64_C(0xfedcba9876543210));
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_int_equal(identifier(others[i]), XXH3_64bits(others[i], strlen(others[i])));
}

static void expect_refused(const struct rdx_tokens *tokens, int error)
{
	uint64_t got[4] = {0};

	assert_int_equal(rdx_hash_tokens(tokens, got), error);
	assert_int_equal(got[0], 0);
}

static void test_what_is_refused(void **state)
{
	struct rdx_block_key two[2] = {{.key = 5, .block = 1}, {.key = 6, .block = 1}};
	struct rdx_tokens good = {.size = sizeof(good), .ids = ids, .count = 8}, bad;
	uint64_t got[4];

	(void)state;
	good.block_tokens = 4;
	good.keys = two;
	good.key_count = 2;
	assert_int_equal(rdx_hash_tokens(&good, got), 2);
	bad = good;
	bad.block_tokens = 0;
	expect_refused(&bad, -EINVAL);
	bad = good;
	bad.overlap = 2;
	expect_refused(&bad, -EINVAL);
	bad = good;
	bad.overlap = 1; /* block 1 is not full any more, but has keys */
	expect_refused(&bad, -EINVAL);
	bad = good;
	bad.size = 0;
	expect_refused(&bad, -EINVAL);
	two[1].key = 4;
	expect_refused(&good, -EINVAL);
	two[1] = (struct rdx_block_key){.key = 7, .block = 0};
	expect_refused(&good, -EINVAL);
	two[1] = (struct rdx_block_key){.key = 7, .block = 2};
	expect_refused(&good, -EINVAL);
	two[1] = (struct rdx_block_key){.key = 7, .block = 1, .reserved = 1};
	expect_refused(&good, -EINVAL);
}

/* 0 stands for neither adapter nor salt. */
static void test_the_seed_of_the_base_model(void **state)
{
	struct rdx_tokens tokens = {.size = sizeof(tokens), .ids = ids, .count = 16};
	uint64_t got, plain;

	(void)state;
	tokens.block_tokens = 16;
	assert_int_equal(rdx_hash_tokens(&tokens, &got), 1);
	assert_int_equal(rdx_hash_blocks(rdx_hash_seed(NULL, NULL), ids, 16, 16, &plain), 1);
	assert_int_equal(got, plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_with_keys),
		cmocka_unit_test(test_pairs_of_dynamo),
		cmocka_unit_test(test_identifiers),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_the_seed_of_the_base_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
