/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the table's lines: probe, claim, set and drop of single keys, overflow into the next
 * line and past the last one, a full table, lines full of garbage.
 */
#include "tests/index_rig.h"

#include "shm/table.h"

#include <stdlib.h>

#define SPREAD UINT64_C(0x9e3779b97f4a7c15)

static struct rdx_table make_table(uint64_t lines, uint32_t mask_words)
{
	struct rdx_table table = {
		.lines = lines,
		.spread = SPREAD,
		.mask_words = mask_words,
		.stride_words = rdx_table_stride(mask_words),
	};

	table.base = aligned_alloc(64, lines * table.stride_words * 8);
	assert_non_null(table.base);
	memset(table.base, 0, lines * table.stride_words * 8);
	return table;
}

static void free_table(struct rdx_table *table)
{
	free(table->base);
}

/* A key whose home is `line`. */
static uint64_t key_for(const struct rdx_table *table, uint64_t line, uint64_t *random)
{
	uint64_t key;

	do
		key = rig_random(random) | 1;
	while (rdx_table_home(table, key) != line);
	return key;
}

static void test_stride(void **state)
{
	static const uint32_t words[] = {0, 8, 16, 16, 24, 24, 32, 32, 40};

	(void)state;
	for (uint32_t mask_words = 1; mask_words <= RDX_MASK_WORDS_MAX; mask_words++)
		assert_int_equal(rdx_table_stride(mask_words), words[mask_words]);
}

static void test_homes_follow_products(void **state)
{
	struct rdx_table table = {.lines = 1000, .spread = SPREAD};
	uint64_t random = 1, counts[10] = {0};

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t a = rig_random(&random), b = rig_random(&random);

		assert_in_range(rdx_table_home(&table, a), 0, 999);
		if (a * SPREAD <= b * SPREAD)
			assert_true(rdx_table_home(&table, a) <= rdx_table_home(&table, b));
	}
	/* made-up keys in a row do not gather */
	for (uint64_t key = 1; key <= 1000; key++)
		counts[rdx_table_home(&table, key) / 100]++;
	for (int i = 0; i < 10; i++)
		assert_in_range(counts[i], 50, 150);
}

static void test_set_and_drop(void **state)
{
	(void)state;
	for (uint32_t words = 1; words <= RDX_MASK_WORDS_MAX; words++) {
		struct rdx_table table = make_table(64, words);
		uint64_t random = words, used = 0, keys[150];

		for (int i = 0; i < 150; i++) {
			uint32_t word = (uint32_t)i % words;
			_Atomic uint64_t *mask;

			keys[i] = rig_random(&random) | 1;
			assert_null(rdx_table_find(&table, keys[i]));
			mask = rdx_table_claim(&table, keys[i], &used, 256);
			assert_non_null(mask);
			assert_ptr_equal(rdx_table_claim(&table, keys[i], &used, 256), mask);
			assert_int_equal(used, i + 1);
			assert_int_equal(rdx_table_mask_set(mask, word, UINT64_C(1) << i % 64), 1);
			assert_int_equal(rdx_table_mask_set(mask, word, UINT64_C(1) << i % 64), 0);
		}
		for (int i = 0; i < 150; i++) {
			for (uint32_t word = 0; word < words; word++)
				assert_int_equal(rdx_table_mask(&table, keys[i], word),
						 word == (uint32_t)i % words ? UINT64_C(1) << i % 64
									     : 0);
		}
		for (int i = 0; i < 150; i++) {
			_Atomic uint64_t *mask = rdx_table_find(&table, keys[i]);
			uint32_t word = (uint32_t)i % words;

			assert_int_equal(rdx_table_mask_drop(mask, word, UINT64_C(1) << i % 64), 1);
			assert_int_equal(rdx_table_mask_drop(mask, word, UINT64_C(1) << i % 64), 0);
			/* the key stays */
			assert_ptr_equal(rdx_table_find(&table, keys[i]), mask);
		}
		free_table(&table);
	}
}

static void test_overflow_wraps(void **state)
{
	struct rdx_table table = make_table(16, 1);
	uint64_t random = 7, used = 0, keys[10];

	(void)state;
	for (int i = 0; i < 10; i++) { /* ten keys of the last line: four, four, two */
		keys[i] = key_for(&table, 15, &random);
		rdx_table_mask_set(rdx_table_claim(&table, keys[i], &used, 64), 0, 1);
	}
	for (int i = 0; i < 10; i++) {
		uint64_t line = i < 4 ? 15 : i < 8 ? 0 : 1;
		_Atomic uint64_t *mask = rdx_table_find(&table, keys[i]);

		assert_int_equal((mask - table.base) / 8, line);
		assert_int_equal(rdx_table_mask(&table, keys[i], 0), 1);
	}
	assert_null(rdx_table_find(&table, key_for(&table, 15, &random)));
	assert_null(rdx_table_find(&table, key_for(&table, 0, &random)));
	free_table(&table);
}

static void test_full(void **state)
{
	struct rdx_table table = make_table(20, 1);
	uint64_t random = 3, used = 0, last = 0, key;

	(void)state;
	for (int i = 0; i < 70; i++) {
		last = rig_random(&random) | 1;
		assert_non_null(rdx_table_claim(&table, last, &used, 70));
	}
	key = rig_random(&random) | 1;
	assert_null(rdx_table_claim(&table, key, &used, 70));
	assert_int_equal(used, 70);
	assert_non_null(rdx_table_claim(&table, last, &used, 70)); /* known keys still */
	for (int i = 0; i < 10; i++)
		assert_non_null(rdx_table_claim(&table, rig_random(&random) | 1, &used, 100));
	assert_null(rdx_table_claim(&table, key, &used, 100)); /* not a slot left */
	assert_null(rdx_table_find(&table, key));
	free_table(&table);
}

static void test_rubbish_ends(void **state)
{
	struct rdx_table table = make_table(5000, 1);

	(void)state;
	memset(table.base, 0xff, 5000 * 64);
	assert_null(rdx_table_find(&table, 1));
	assert_int_equal(rdx_table_mask(&table, 1, 0), 0);
	assert_int_equal(rdx_table_mask(&table, UINT64_MAX, 0), UINT64_MAX);
	free_table(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stride),       cmocka_unit_test(test_homes_follow_products),
		cmocka_unit_test(test_set_and_drop), cmocka_unit_test(test_overflow_wraps),
		cmocka_unit_test(test_full),         cmocka_unit_test(test_rubbish_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
