/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: children inherit the adapter and the salt of the name that they are stored
 * under, also where that name was removed meanwhile.
 */
#include "tests/publisher_rig.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUBLISHER_TEST(test_seeds_are_inherited),
		PUBLISHER_TEST(test_a_removed_name_comes_back_in_another_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
