/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the private map from engine names to nodes, and its hash table: names that differ in
 * one byte, length or group, forgetting in order, what a clear leaves, lives that wrap.
 */
#include "producer/names.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define CAPACITY 64

struct map {
	struct rdx_lineage lineage;
	struct rdx_names names;
	void *memory[2];
};

static void make(struct map *map, uint32_t capacity)
{
	static const uint64_t key[2] = {0x0123456789abcdef, 0xfedcba9876543210};

	map->memory[0] = aligned_alloc(64, (rdx_names_bytes(capacity) + 63) / 64 * 64);
	map->memory[1] = aligned_alloc(64, (rdx_lineage_bytes(capacity) + 63) / 64 * 64);
	assert_non_null(map->memory[0]);
	assert_non_null(map->memory[1]);
	memset(map->memory[0], 0, rdx_names_bytes(capacity));
	memset(map->memory[1], 0, rdx_lineage_bytes(capacity));
	rdx_lineage_init(&map->lineage, map->memory[1], capacity);
	rdx_names_init(&map->names, map->memory[0], capacity, key, &map->lineage);
}

static void unmake(struct map *map)
{
	free(map->memory[0]);
	free(map->memory[1]);
}

static uint32_t find(struct map *map, const void *text, uint8_t bytes, uint8_t group)
{
	struct rdx_name_key key;

	rdx_names_key(&map->names, text, bytes, group, &key);
	return rdx_names_find(&map->names, &key);
}

static uint32_t find_number(struct map *map, uint64_t number)
{
	return find(map, &number, sizeof(number), 0);
}

/* Add a held name with a node of its own under the root. */
static uint32_t add(struct map *map, const void *text, uint8_t bytes, uint8_t group,
		    uint64_t prefix)
{
	struct rdx_name_key key;
	uint32_t node, entry;
	uint64_t slot;

	rdx_names_key(&map->names, text, bytes, group, &key);
	assert_int_equal(rdx_names_reserve(&map->names, 1), 0);
	assert_int_equal(rdx_names_find_bucket(&map->names, &key, &slot), RDX_NAME_NONE);
	assert_int_equal(rdx_lineage_name(&map->lineage, prefix, prefix, RDX_NODE_ROOT, &node), 0);
	entry = rdx_names_add(&map->names, &key, slot, node);
	map->names.entries[entry].copies[0] = 1;
	return entry;
}

static uint64_t prefix_of(uint64_t number)
{
	return (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint32_t add_number(struct map *map, uint64_t number)
{
	return add(map, &number, sizeof(number), 0, prefix_of(number));
}

static void remember(struct map *map, uint32_t entry)
{
	map->names.entries[entry].copies[0] = 0;
	rdx_names_remember(&map->names, entry);
}

static void test_whole_key_counts(void **state)
{
	uint8_t text[32] = {0}, other[32] = {0};
	struct map map;
	uint32_t short_name, long_name, grouped;

	(void)state;
	make(&map, CAPACITY);
	short_name = add(&map, text, 8, 0, 1);
	long_name = add(&map, text, 32, 0, 2);
	grouped = add(&map, text, 8, 1, 3);
	assert_int_equal(find(&map, text, 8, 0), short_name);
	assert_int_equal(find(&map, text, 32, 0), long_name);
	assert_int_equal(find(&map, text, 8, 1), grouped);
	assert_int_equal(find(&map, text, 32, 1), RDX_NAME_NONE);
	other[31] = 1;
	assert_int_equal(find(&map, other, 32, 0), RDX_NAME_NONE);
	assert_int_equal(find(&map, other, 8, 0), short_name);
	other[0] = 1;
	assert_int_equal(find(&map, other, 8, 0), RDX_NAME_NONE);
	unmake(&map);
}

static void test_oldest_is_forgotten_first(void **state)
{
	struct map map;

	(void)state;
	make(&map, CAPACITY);
	for (uint64_t i = 0; i < CAPACITY; i++)
		remember(&map, add_number(&map, i));
	/* number 0 comes back and goes again: it is the newest then */
	rdx_names_recall(&map.names, find_number(&map, 0));
	remember(&map, find_number(&map, 0));
	for (uint64_t i = 1; i < CAPACITY; i++) {
		assert_int_not_equal(find_number(&map, i), RDX_NAME_NONE);
		add_number(&map, 1000 + i);
		assert_int_equal(find_number(&map, i), RDX_NAME_NONE);
		assert_int_not_equal(find_number(&map, 0), RDX_NAME_NONE);
	}
	add_number(&map, 1000);
	assert_int_equal(find_number(&map, 0), RDX_NAME_NONE);
	assert_int_equal(rdx_names_reserve(&map.names, 1), -ENOSPC);
	assert_int_equal(map.names.count, CAPACITY);
	assert_int_equal(map.lineage.count, CAPACITY);
	unmake(&map);
}

/* Held names keep their room however often others come and go, and the queue's stale
 * places never crowd out a remembered one before its turn. */
static void test_queue_goes_round(void **state)
{
	struct map map;

	(void)state;
	make(&map, 8);
	for (uint64_t i = 0; i < 8; i++)
		add_number(&map, i);
	remember(&map, find_number(&map, 7));
	for (int i = 0; i < 1000; i++) {
		uint32_t entry = find_number(&map, 6);

		remember(&map, entry);
		rdx_names_recall(&map.names, entry);
		rdx_names_sweep(&map.names, 4);
		assert_true(map.names.queue_count <= map.names.queue_size);
	}
	for (uint64_t i = 0; i < 7; i++)
		assert_int_not_equal(find_number(&map, i), RDX_NAME_NONE);
	unmake(&map);
}

static void test_clear_remembers(void **state)
{
	struct map map;

	(void)state;
	make(&map, CAPACITY);
	for (uint64_t i = 0; i < CAPACITY; i++)
		add_number(&map, i);
	assert_int_equal(rdx_names_reserve(&map.names, 1), -ENOSPC);
	rdx_names_clear(&map.names);
	for (uint64_t i = 0; i < CAPACITY; i += 2) {
		uint32_t entry = find_number(&map, i);

		assert_int_not_equal(entry, RDX_NAME_NONE);
		assert_int_equal(map.names.entries[entry].copies[0], 0);
		assert_int_equal(map.names.entries[entry].flags & RDX_NAME_HELD, 0);
	}
	assert_int_equal(rdx_names_reserve(&map.names, CAPACITY), 0);
	assert_int_equal(map.names.count, 0);
	assert_int_equal(map.lineage.count, 0);
	unmake(&map);
}

/* A name that nobody touches must not come to life when the life counter comes round. */
static void test_lives_come_round(void **state)
{
	struct map map;
	uint32_t entry;

	(void)state;
	make(&map, CAPACITY);
	add_number(&map, 1);
	for (int i = 0; i < 256; i++)
		rdx_names_clear(&map.names);
	entry = find_number(&map, 1);
	assert_int_not_equal(entry, RDX_NAME_NONE);
	assert_int_equal(map.names.entries[entry].copies[0], 0);
	assert_int_equal(map.names.entries[entry].flags & RDX_NAME_HELD, 0);
	unmake(&map);
}

/* The hash table against a plain array, at its highest load, over its end and start. */
static void test_table(void **state)
{
	uint64_t words[2 * CAPACITY] = {0};
	struct rdx_buckets table = {words, 2 * CAPACITY};
	uint32_t tags[CAPACITY];
	uint8_t in[CAPACITY] = {0};
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint32_t which;
		uint64_t at;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		which = (uint32_t)(random >> 40) % CAPACITY;
		if (in[which]) {
			rdx_buckets_remove(&table, tags[which], which);
		} else {
			/* crowded at the end, so that probes wrap */
			tags[which] = random >> 62 ? (uint32_t)(random >> 20) | 0xf8000000u
						   : (uint32_t)(random >> 20);
			at = rdx_buckets_home(&table, tags[which]);
			while (rdx_buckets_walk(&table, tags[which], &at) != RDX_BUCKETS_NONE)
				;
			rdx_buckets_insert(&table, at, tags[which], which);
		}
		in[which] = !in[which];
		for (uint32_t j = 0; j < CAPACITY; j++) {
			uint32_t found;

			if (!in[j])
				continue;
			at = rdx_buckets_home(&table, tags[j]);
			do
				found = rdx_buckets_walk(&table, tags[j], &at);
			while (found != RDX_BUCKETS_NONE && found != j);
			assert_int_equal(found, j);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_key_counts),
		cmocka_unit_test(test_oldest_is_forgotten_first),
		cmocka_unit_test(test_queue_goes_round),
		cmocka_unit_test(test_clear_remembers),
		cmocka_unit_test(test_lives_come_round),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
