/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what ringdexd expects of a worker that it chose lately: all blocks of the prompt, of that index and
 * rank alone, until the clock says that it is over; and never more entries than there is room for.
 */
#include "tests/expect.h"
#include "tools/ringdexd/expected.h"

#include <string.h>

#define INDEX  1u
#define OTHER  2u
#define BLOCKS 100u
#define LIFE   1000u
#define NOW    UINT64_C(5000000)
#define CROWD  (2 * EXPECTED_ENTRIES) /* more than there is room for */

static const struct expected_rank ranks[] = {
	{.worker_id = 3}, {.worker_id = 3, .dp_rank = 1}, {.worker_id = 7}};
#define RANKS (sizeof(ranks) / sizeof(ranks[0]))

/* Numbers as far from each other as hashes are. */
static uint64_t hash(uint64_t number)
{
	number = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
	number = (number ^ number >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return number ^ number >> 32;
}

static void make(uint64_t from, uint32_t count, uint64_t *ret_prefixes)
{
	for (uint32_t i = 0; i < count; i++)
		ret_prefixes[i] = hash(from + i);
}

/* How many leading blocks rank `i` is expected to hold. */
static uint32_t find(const struct expected *expected, uint32_t index, const uint64_t *prefixes,
		     uint32_t blocks, uint64_t now, size_t i)
{
	struct expected_rank found[RANKS];

	memcpy(found, ranks, sizeof(found));
	expected_find(expected, index, prefixes, blocks, now, found, RANKS);
	return found[i].blocks;
}

static void test_one_rank_of_one_index(void **state)
{
	struct expected *expected = expected_new();
	uint64_t prompt[BLOCKS], other[BLOCKS];

	(void)state;
	assert_non_null(expected);
	make(0, BLOCKS, prompt);
	make(BLOCKS, BLOCKS, other);
	expected_add(expected, INDEX, &ranks[1], prompt, BLOCKS, NOW, NOW + LIFE);
	assert_int_equal(find(expected, INDEX, prompt, BLOCKS, NOW, 1), BLOCKS);
	assert_int_equal(find(expected, INDEX, prompt, 7, NOW, 1), 7);
	assert_int_equal(find(expected, INDEX, prompt, BLOCKS, NOW, 0), 0);
	assert_int_equal(find(expected, INDEX, prompt, BLOCKS, NOW, 2), 0);
	assert_int_equal(find(expected, OTHER, prompt, BLOCKS, NOW, 1), 0);
	assert_int_equal(find(expected, INDEX, other, BLOCKS, NOW, 1), 0);
	/* a prompt that goes on from there, or parts from it */
	memcpy(other, prompt, 40 * sizeof(*other));
	assert_int_equal(find(expected, INDEX, other, BLOCKS, NOW, 1), 40);
	assert_int_equal(find(expected, INDEX, NULL, 0, NOW, 1), 0);
	expected_free(expected);
}

static void test_until_then(void **state)
{
	struct expected *expected = expected_new();
	uint64_t prompt[BLOCKS];

	(void)state;
	assert_non_null(expected);
	make(0, BLOCKS, prompt);
	expected_add(expected, INDEX, &ranks[0], prompt, BLOCKS, NOW, NOW + LIFE);
	assert_int_equal(find(expected, INDEX, prompt, BLOCKS, NOW + LIFE - 1, 0), BLOCKS);
	assert_int_equal(find(expected, INDEX, prompt, BLOCKS, NOW + LIFE, 0), 0);
	/* again, and of the first blocks only */
	expected_add(expected, INDEX, &ranks[0], prompt, 10, NOW + LIFE - 1, NOW + 2 * LIFE);
	assert_int_equal(find(expected, INDEX, prompt, BLOCKS, NOW + LIFE, 0), 10);
	/* not at all */
	expected_add(expected, INDEX, &ranks[2], prompt, BLOCKS, NOW, NOW);
	assert_int_equal(find(expected, INDEX, prompt, BLOCKS, NOW, 2), 0);
	expected_free(expected);
}

/* Old ones go: the last prompt is there, and of the first ones hardly anything. */
static void test_bounded(void **state)
{
	struct expected *expected = expected_new();
	uint64_t prompt[BLOCKS];
	uint32_t there = 0;

	(void)state;
	assert_non_null(expected);
	for (uint32_t i = 0; i < CROWD / BLOCKS; i++) {
		make((uint64_t)i * BLOCKS, BLOCKS, prompt);
		expected_add(expected, INDEX, &ranks[0], prompt, BLOCKS, NOW + i, NOW + i + CROWD);
	}
	assert_int_equal(find(expected, INDEX, prompt, BLOCKS, NOW + CROWD / BLOCKS, 0), BLOCKS);
	for (uint64_t i = 0; i < CROWD; i++) {
		uint64_t prefix = hash(i);

		there += find(expected, INDEX, &prefix, 1, NOW + CROWD / BLOCKS, 0);
	}
	assert_in_range(there, EXPECTED_ENTRIES / 2, EXPECTED_ENTRIES);
	expected_free(expected);
}

/* More ranks at one block than a set has room for: the last ones count, and deeper blocks still say it. */
static void test_many_ranks_at_one_block(void **state)
{
	struct expected *expected = expected_new();
	uint64_t prompt[2];

	(void)state;
	assert_non_null(expected);
	make(0, 2, prompt);
	expected_add(expected, INDEX, &ranks[0], prompt, 2, NOW, NOW + LIFE);
	for (uint32_t i = 0; i < EXPECTED_WAYS; i++) {
		const struct expected_rank rank = {.worker_id = 100 + i};

		expected_add(expected, INDEX, &rank, prompt, 1, NOW, NOW + LIFE + i + 1);
	}
	assert_int_equal(find(expected, INDEX, prompt, 1, NOW, 0), 0);
	assert_int_equal(find(expected, INDEX, prompt, 2, NOW, 0), 2);
	expected_free(expected);
}

static void check_counts(const struct expected *expected, uint64_t now, uint64_t held,
			 uint64_t expired, uint64_t displaced)
{
	struct expected_counts counts;

	expected_count(expected, now, &counts);
	assert_int_equal(counts.held, held);
	assert_int_equal(counts.expired, expired);
	assert_int_equal(counts.displaced, displaced);
}

/* An entry ends once: when its time is over, found so or not, or when another one takes its place. */
static void test_counts(void **state)
{
	struct expected *expected = expected_new();
	uint64_t prompt[BLOCKS];

	(void)state;
	assert_non_null(expected);
	check_counts(expected, NOW, 0, 0, 0);
	make(0, BLOCKS, prompt);
	expected_add(expected, INDEX, &ranks[0], prompt, 10, NOW, NOW + LIFE);
	check_counts(expected, NOW, 10, 0, 0);
	/* once more, and two others */
	expected_add(expected, INDEX, &ranks[0], prompt, 4, NOW + 1, NOW + 2 * LIFE);
	expected_add(expected, INDEX, &ranks[1], prompt, 2, NOW + 1, NOW + 2 * LIFE);
	check_counts(expected, NOW + 1, 12, 0, 0);
	check_counts(expected, NOW + LIFE, 6, 6, 0);
	check_counts(expected, NOW + 2 * LIFE, 0, 12, 0);
	/* the same blocks begin anew */
	expected_add(expected, INDEX, &ranks[0], prompt, 10, NOW + 2 * LIFE, NOW + 3 * LIFE);
	check_counts(expected, NOW + 2 * LIFE, 10, 12, 0);
	/* a set has room for EXPECTED_WAYS: the one that is there, and all but one of these */
	for (uint32_t i = 0; i < EXPECTED_WAYS; i++) {
		const struct expected_rank rank = {.worker_id = 100 + i};

		expected_add(expected, INDEX, &rank, prompt, 1, NOW + 2 * LIFE, NOW + 4 * LIFE);
	}
	check_counts(expected, NOW + 2 * LIFE, 9 + EXPECTED_WAYS, 12, 1);
	check_counts(expected, NOW + 3 * LIFE, EXPECTED_WAYS, 21, 1);
	check_counts(expected, NOW + 4 * LIFE, 0, 21 + EXPECTED_WAYS, 1);
	expected_free(expected);
}

static void test_indexes_have_numbers(void **state)
{
	(void)state;
	assert_int_equal(expected_index("m", "t", 16), expected_index("m", "t", 16));
	assert_int_not_equal(expected_index("m", "t", 16), expected_index("m", "t", 32));
	assert_int_not_equal(expected_index("m", "t", 16), expected_index("t", "m", 16));
	assert_int_not_equal(expected_index("mt", "", 16), expected_index("m", "t", 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_rank_of_one_index),
					   cmocka_unit_test(test_until_then),
					   cmocka_unit_test(test_bounded),
					   cmocka_unit_test(test_many_ranks_at_one_block),
					   cmocka_unit_test(test_counts),
					   cmocka_unit_test(test_indexes_have_numbers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
