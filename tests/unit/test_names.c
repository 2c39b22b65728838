/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what the publisher finds names and blocks with: names that differ in one byte, length
 * or group; the hash table, with lines that run over; namespaces; the hand that chooses what is
 * forgotten.
 */
#include "producer/hand.h"
#include "producer/names.h"
#include "producer/namespaces.h"
#include "tests/rig.h"

#include <stdlib.h>

#define NODES 64

static void *zeroed(uint64_t bytes)
{
	void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);

	assert_non_null(memory);
	memset(memory, 0, bytes);
	return memory;
}

static uint32_t find(const struct rdx_names *names, const void *text, uint8_t bytes, uint8_t group)
{
	struct rdx_name_key key;

	rdx_names_key(names, text, bytes, group, &key);
	return rdx_names_find(names, &key);
}

static void test_names_that_differ_a_little(void **state)
{
	static const uint64_t random[2] = {0x0123456789abcdef, 0xfedcba9876543210};
	struct rdx_node nodes[NODES] = {{.name = 0}};
	uint8_t text[32] = {1, 2, 3};
	struct rdx_names names;
	struct rdx_name_key key;
	uint32_t count = 0;

	(void)state;
	rdx_names_init(&names, zeroed(rdx_names_bytes(NODES)), NODES, random, nodes);
	for (uint8_t i = 0; i < 40; i++) { /* a byte, of a long name too; then the group */
		uint8_t bytes = i % 2 ? 32 : 8, group = i < 30 ? 0 : i;

		text[i % bytes] = (uint8_t)(text[i % bytes] + (i < 30));
		assert_int_equal(find(&names, text, bytes, group), RDX_NODE_NONE);
		rdx_names_key(&names, text, bytes, group, &key);
		rdx_names_add(&names, &key, count);
		assert_int_equal(find(&names, text, bytes, group), count);
		assert_int_equal(find(&names, text, bytes, group + 1), RDX_NODE_NONE);
		count++;
	}
	assert_int_equal(names.count, count);
	for (uint32_t i = 0; i < count; i += 2)
		rdx_names_remove(&names, i);
	assert_int_equal(names.count, count / 2);
	assert_int_equal(find(&names, text, 32, 39), 39);
	assert_int_equal(find(&names, text, 8, 38), RDX_NODE_NONE);
	free(names.filing.table.words);
}

enum { KEYS = 300, HOMES = 5 };

static uint32_t count_found(const struct rdx_buckets *table, uint64_t hash, uint32_t wanted)
{
	struct rdx_buckets_walk walk = rdx_buckets_begin(table, hash);
	uint32_t index, found = 0;

	while ((index = rdx_buckets_next(table, hash, &walk)) != RDX_BUCKETS_NONE)
		found += index == wanted;
	return found;
}

/* Few homes, so that lines run over, also from the last one to the first; few different bits. */
static void test_table_of_lines_that_run_over(void **state)
{
	uint64_t random = rig_seed(), hash[KEYS];
	uint8_t in[KEYS] = {0};
	struct rdx_buckets table;

	(void)state;
	rdx_buckets_init(&table, zeroed(rdx_buckets_lines(KEYS) * RDX_BUCKETS_LINE_BYTES), KEYS);
	for (uint32_t i = 0; i < KEYS; i++)
		hash[i] = (UINT64_MAX - (rig_random(&random) % HOMES << 58)) ^
			  rig_random(&random) % 4 << 30;
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t key = (uint32_t)(rig_random(&random) % KEYS);

		assert_int_equal(count_found(&table, hash[key], key), in[key]);
		if (in[key])
			rdx_buckets_remove(&table, hash[key], key);
		else
			rdx_buckets_insert(&table, hash[key], key);
		in[key] = !in[key];
	}
	for (uint32_t i = 0; i < KEYS; i++) {
		assert_int_equal(count_found(&table, hash[i], i), in[i]);
		if (in[i])
			rdx_buckets_remove(&table, hash[i], i);
	}
	for (uint64_t i = 0; i < table.lines * RDX_BUCKETS_LINE; i++)
		assert_int_equal(table.words[i], 0);
	free(table.words);
}

/* What compares a line at once does what its reference does. */
static void test_match_is_as_its_reference(void **state)
{
	uint64_t random = rig_seed();
	_Alignas(64) uint32_t line[RDX_BUCKETS_LINE];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint32_t mask = (uint32_t)rig_random(&random) | 0xff000000;
		uint32_t wanted = (uint32_t)(rig_random(&random) % 3) << 30;

		for (int at = 0; at < RDX_BUCKETS_LINE; at++)
			line[at] = (uint32_t)(rig_random(&random) % 3 << 30 |
					      rig_random(&random) % 2 << (at & 7));
		assert_int_equal(rdx_buckets_match(line, wanted & mask, mask),
				 rdx_buckets_match_plain(line, wanted & mask, mask));
	}
}

static void test_namespaces(void **state)
{
	enum { CAPACITY = 5 };
	void *memory = zeroed(rdx_namespaces_bytes(CAPACITY));
	struct rdx_namespaces spaces;
	uint32_t number[CAPACITY];

	(void)state;
	rdx_namespaces_init(&spaces, memory, CAPACITY);
	assert_int_equal(rdx_namespaces_enter(&spaces, 0, 0), 0);
	for (uint32_t i = 1; i < CAPACITY; i++) {
		number[i] = rdx_namespaces_enter(&spaces, i % 2, i / 2);
		assert_int_not_equal(number[i], RDX_NAMESPACES_NONE);
		assert_int_not_equal(number[i], 0);
		assert_int_equal(rdx_namespaces_enter(&spaces, i % 2, i / 2), number[i]);
		for (uint32_t j = 1; j < i; j++)
			assert_int_not_equal(number[i], number[j]);
	}
	assert_int_equal(rdx_namespaces_enter(&spaces, 77, 0), RDX_NAMESPACES_NONE);
	/* free when nothing has it any more, and not before */
	rdx_namespaces_leave(&spaces, number[2]);
	assert_int_equal(rdx_namespaces_enter(&spaces, 77, 0), RDX_NAMESPACES_NONE);
	rdx_namespaces_leave(&spaces, number[2]);
	assert_int_equal(rdx_namespaces_enter(&spaces, 77, 0), number[2]);
	assert_int_equal(spaces.parts[number[2]].lora, 77);
	assert_int_equal(rdx_namespaces_enter(&spaces, 1, 1), number[3]);
	rdx_namespaces_leave(&spaces, 0);
	assert_int_equal(rdx_namespaces_enter(&spaces, 0, 0), 0);
	free(memory);
}

static void test_hand_goes_round(void **state)
{
	enum { MANY = 20000 };
	void *words = zeroed(rdx_hand_bytes(MANY)), *some = zeroed(rdx_hand_some_bytes(MANY));
	struct rdx_hand hand;

	(void)state;
	rdx_hand_init(&hand, words, some);
	rdx_hand_extend(&hand, MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(rdx_hand_take(&hand), i);
	assert_int_equal(rdx_hand_take(&hand), RDX_HAND_NONE);
	rdx_hand_offer(&hand, 9000, 0);
	rdx_hand_offer(&hand, 17, 1);
	rdx_hand_offer(&hand, 19999, 0);
	rdx_hand_offer(&hand, 18, 0);
	rdx_hand_keep(&hand, 18);
	assert_int_equal(rdx_hand_offers(&hand, 18), 0);
	/* from where it stood, at the end; past what was given up since it came by */
	assert_int_equal(rdx_hand_take(&hand), 9000);
	rdx_hand_offer(&hand, 9001, 1);
	assert_int_equal(rdx_hand_take(&hand), 19999);
	assert_int_equal(rdx_hand_take(&hand), 17);
	assert_int_equal(rdx_hand_take(&hand), 9001);
	assert_int_equal(rdx_hand_take(&hand), RDX_HAND_NONE);
	/* all given up: it takes one at last, and passes few */
	for (uint32_t i = 0; i < MANY; i++)
		rdx_hand_offer(&hand, i, 1);
	assert_true(rdx_hand_take(&hand) - 9001 < (RDX_HAND_PASSES + 2) * 64);
	free(words);
	free(some);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_that_differ_a_little),
		cmocka_unit_test(test_table_of_lines_that_run_over),
		cmocka_unit_test(test_match_is_as_its_reference),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_hand_goes_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
