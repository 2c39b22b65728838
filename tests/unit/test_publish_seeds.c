/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: children inherit the adapter and the salt of the name that they are stored
 * under, also where that name was removed meanwhile; keys of blocks, and overlap.
 */
#include "tests/publisher_rig.h"

#include <errno.h>

static void store_tokens(struct publisher_rig *f, const uint64_t *parent, uint64_t name,
			 const char *lora, const char *salt, uint64_t expected_seed)
{
	uint32_t tokens[PUBLISHER_TOKENS] = {(uint32_t)name, 2, 3, 4};
	struct rdx_stored stored = {
		.size = sizeof(stored),
		.names = &name,
		.parent = parent,
		.tokens = tokens,
		.token_count = PUBLISHER_TOKENS,
		.lora = lora,
		.salt = salt,
		.count = 1,
		.name_bytes = 8,
	};
	uint64_t local;

	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	rdx_hash_blocks(expected_seed, tokens, PUBLISHER_TOKENS, PUBLISHER_TOKENS, &local);
	assert_int_equal(f->hashes[0], local);
}

static void test_seeds_are_inherited(void **state)
{
	struct publisher_rig *f = *state;
	const uint64_t plain = 1, salted = 2, both = 3;

	publisher_open(f);
	store_tokens(f, NULL, plain, NULL, NULL, rdx_hash_seed(NULL, NULL));
	store_tokens(f, &plain, 11, NULL, NULL, rdx_hash_seed(NULL, NULL));
	store_tokens(f, NULL, salted, NULL, "s", rdx_hash_seed(NULL, "s"));
	/* the salt comes from the parent, the adapter with the block */
	store_tokens(f, &salted, both, "l", NULL, rdx_hash_seed("l", "s"));
	store_tokens(f, &both, 13, NULL, NULL, rdx_hash_seed("l", "s"));
	store_tokens(f, &both, 14, "", NULL, rdx_hash_seed(NULL, "s"));
	store_tokens(f, &both, 15, NULL, "", rdx_hash_seed("l", NULL));
	store_tokens(f, &both, 16, "k", "t", rdx_hash_seed("k", "t"));
}

/* Store name 1 by its hash, which says nothing of adapter and salt. */
static void store_in(struct publisher_rig *f, const char *lora, const char *salt)
{
	struct rdx_stored stored = publisher_run(0, 1, 1);

	stored.lora = lora;
	stored.salt = salt;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
}

/* A name that was removed and comes back with equal content, under another adapter or salt:
 * what is stored below it is hashed as that of the new one. */
static void test_a_removed_name_comes_back_in_another_namespace(void **state)
{
	struct publisher_rig *f = *state;
	const uint64_t name = 1;

	publisher_open(f);
	store_in(f, "l", "s");
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	store_tokens(f, &name, 11, NULL, NULL, rdx_hash_seed("l", "s"));
	publisher_remove_one(f, RDX_TIER_DEVICE, 1);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	store_tokens(f, &name, 12, NULL, NULL, rdx_hash_seed("l", "s")); /* remembered */
	store_in(f, "k", NULL);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	store_tokens(f, &name, 13, NULL, NULL, rdx_hash_seed("k", NULL));
	/* a copy of a held name changes nothing */
	store_in(f, "l", "s");
	publisher_expect_nothing(f);
	store_tokens(f, &name, 14, NULL, NULL, rdx_hash_seed("k", NULL));
	/* nor does a store that only names it */
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	publisher_store_known(f, RDX_TIER_HOST, 1, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_HOST, 1);
	store_tokens(f, &name, 15, NULL, NULL, rdx_hash_seed("k", NULL));
	/* a clear removes names too */
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	store_in(f, NULL, "t");
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	store_tokens(f, &name, 16, NULL, NULL, rdx_hash_seed(NULL, "t"));
}

/* Images and pairs, over some chunks of a call: the hashes of all blocks, and of a child. */
static void test_keys_and_overlap(void **state)
{
	enum { BLOCKS = 90, IDS = BLOCKS * PUBLISHER_TOKENS + 1 };
	static const struct rdx_block_key keys[] = {
		{.key = 7, .block = 0},  {.key = 9, .block = 63}, {.key = 9, .block = 63},
		{.key = 1, .block = 64}, {.key = 2, .block = 89},
	};
	struct publisher_rig *f = *state;
	struct rdx_stored stored = publisher_run(0, 1, BLOCKS);
	struct rdx_tokens tokens = {.size = sizeof(tokens), .seed = rdx_hash_seed("l", NULL)};
	uint32_t ids[IDS];
	uint64_t local[BLOCKS];

	for (uint32_t i = 0; i < IDS; i++)
		ids[i] = i * 3;
	tokens.ids = stored.tokens = ids;
	tokens.count = stored.token_count = IDS;
	tokens.keys = stored.keys = keys;
	tokens.key_count = stored.key_count = sizeof(keys) / sizeof(*keys);
	tokens.block_tokens = PUBLISHER_TOKENS;
	tokens.overlap = stored.overlap = 1;
	stored.local_hashes = NULL;
	stored.lora = "l";
	publisher_open(f);
	assert_int_equal(rdx_hash_tokens(&tokens, local), BLOCKS);
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 51); /* the most of an event */
	assert_memory_equal(f->hashes, local, 51 * sizeof(*local));
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, BLOCKS - 51);
	assert_memory_equal(f->hashes, local + 51, (BLOCKS - 51) * sizeof(*local));
	stored.token_count = IDS - 1; /* the last block's next token is missing */
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	assert_int_equal(publisher_stats(f->p).mismatched, BLOCKS);
}

static void expect_refused(struct publisher_rig *f, const struct rdx_stored *stored)
{
	assert_int_equal(rdx_publish_stored(f->p, stored), -EINVAL);
	publisher_expect_nothing(f);
}

static void test_wrong_keys_are_refused(void **state)
{
	struct rdx_block_key keys[2] = {{.key = 1, .block = 0}, {.key = 1, .block = 1}};
	struct publisher_rig *f = *state;
	uint32_t ids[2 * PUBLISHER_TOKENS] = {0};
	struct rdx_stored stored = publisher_run(0, 1, 2);

	publisher_open(f);
	stored.keys = keys;
	stored.key_count = 2;
	expect_refused(f, &stored); /* with local hashes */
	stored.local_hashes = NULL;
	expect_refused(f, &stored); /* by name */
	stored.tokens = ids;
	stored.token_count = 2 * PUBLISHER_TOKENS;
	keys[1].block = 2;
	expect_refused(f, &stored);
	keys[0].block = keys[1].block = 1;
	keys[1].key = 0;
	expect_refused(f, &stored);
	stored.key_count = 0;
	stored.overlap = 2;
	expect_refused(f, &stored);
	stored.overlap = 0;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUBLISHER_TEST(test_seeds_are_inherited),
		PUBLISHER_TEST(test_a_removed_name_comes_back_in_another_namespace),
		PUBLISHER_TEST(test_keys_and_overlap),
		PUBLISHER_TEST(test_wrong_keys_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
