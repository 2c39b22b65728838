/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table in private memory, and what must always be true of one between two changes.
 */
#ifndef RDX_TESTS_TABLE_RIG_H
#define RDX_TESTS_TABLE_RIG_H

#include "shm/table.h"
#include "tests/rig.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_SECRET                                                                               \
	{                                                                                          \
		UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xd6e8feb86659fd93)                         \
	}

static inline struct rdx_table table_make(uint64_t lines, uint64_t sets)
{
	uint64_t bytes = rdx_index_table_bytes(lines, sets);
	uint8_t *base = aligned_alloc(RDX_INDEX_PAGE, (bytes + RDX_INDEX_PAGE - 1) /
							      RDX_INDEX_PAGE * RDX_INDEX_PAGE);

	assert_non_null(base);
	memset(base, 0, bytes);
	return (struct rdx_table){
		.line = (struct rdx_line *)(base + RDX_TABLE_LINES_OFFSET),
		.set = (struct rdx_set *)(base + rdx_index_sets_offset(lines)),
		.epoch = &((struct rdx_table_header *)base)->epoch,
		.lines = lines,
		.sets = sets,
		.secret = TABLE_SECRET,
	};
}

static inline void table_free(struct rdx_table *table)
{
	free((uint8_t *)table->line - RDX_TABLE_LINES_OFFSET);
}

/* A key whose home is `line`. */
static inline uint64_t table_key(const struct rdx_table *table, uint64_t line, uint64_t *random)
{
	uint64_t key;

	do
		key = rig_random(random) | 1;
	while (rdx_table_home(table, key) != line);
	return key;
}

/* As a writer places a key that is not there. */
static inline void table_put(struct rdx_table *table, uint64_t key, uint32_t set)
{
	struct rdx_line *line = rdx_table_line(table, key);

	while (!rdx_cell_match(line, 0))
		line++;
	rdx_table_insert(table, key,
			 (struct rdx_place){line, (uint32_t)__builtin_ctz(rdx_cell_match(line, 0))},
			 set);
}

/* Each line's count is the number of keys that passed it; a free slot means that none did; a slot
 * has a key and a cell, or neither. Returns the number of keys. */
static inline uint64_t table_check(const struct rdx_table *table)
{
	uint64_t end = table->lines + RDX_PROBE_LINES_MAX, keys = 0;
	int64_t *change = calloc(end + 1, sizeof(*change));
	int64_t passed = 0;

	assert_non_null(change);
	for (uint64_t at = 0; at < end; at++) {
		for (uint32_t slot = 0; slot < RDX_LINE_SLOTS; slot++) {
			uint64_t key = rdx_word_load(&table->line[at].key[slot]);

			assert_int_equal(key != 0, rdx_cell_set(&table->line[at], slot) != 0);
			if (!key)
				continue;
			keys++;
			change[rdx_table_home(table, key)]++;
			change[at]--;
		}
	}
	for (uint64_t at = 0; at < end; at++) {
		passed += change[at];
		assert_int_equal(rdx_table_passed(&table->line[at]), passed);
		assert_true(passed == 0 || !rdx_cell_match(&table->line[at], 0));
	}
	free(change);
	return keys;
}

#endif
