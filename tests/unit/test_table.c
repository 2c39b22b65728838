/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the table's lines: put, probe, change and erase of single keys, keys that pass full
 * lines and are pulled back, pieces by home, epochs, lines full of garbage.
 */
#include "tests/table_rig.h"

#define KEYS 600

static void test_homes_follow_products(void **state)
{
	struct rdx_table table = {.lines = 1000, .spread = TABLE_SPREAD};
	uint64_t random = 1, counts[10] = {0};

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t a = rig_random(&random) | 1, b = rig_random(&random) | 1;

		assert_in_range(rdx_table_home(&table, a), 0, 999);
		if (a * TABLE_SPREAD <= b * TABLE_SPREAD)
			assert_true(rdx_table_home(&table, a) <= rdx_table_home(&table, b));
		counts[rdx_table_home(&table, a) / 100]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(counts[i], 9000, 11000);
}

static void erase(struct rdx_table *table, uint64_t key)
{
	struct rdx_place place = rdx_table_find(table, key);

	assert_non_null(place.line);
	rdx_table_erase(table, place);
}

static void fill_sets(struct rdx_table *table)
{
	uint64_t columns[RDX_COLUMN_WORDS] = {0};

	for (uint64_t set = 1; set < table->sets; set++) {
		columns[0] = set;
		columns[1] = ~set;
		rdx_set_fill(&table->set[set], columns);
	}
}

/* What a reader finds: the set's number, which is word 0 of its columns. */
static uint32_t probe(const struct rdx_table *table, uint64_t key)
{
	uint64_t columns[2] = {0};
	int r = rdx_table_probe(table, key, 2, columns);

	assert_in_range(r, 0, 1);
	if (r)
		assert_true(columns[1] == ~columns[0]);
	return (uint32_t)columns[0];
}

struct model {
	uint64_t key[KEYS];
	uint32_t set[KEYS];
};

static void compare(const struct rdx_table *table, const struct model *model)
{
	uint64_t keys = 0;

	for (uint32_t i = 0; i < KEYS; i++) {
		assert_int_equal(probe(table, model->key[i]), model->set[i]);
		assert_int_equal(rdx_table_find(table, model->key[i]).line != NULL,
				 model->set[i] != 0);
		keys += model->set[i] != 0;
	}
	assert_int_equal(table_check(table), keys);
}

/* Keys come, change and go, with all their homes in a few lines; now and then more keys than these
 * lines have slots. */
static void test_random_changes(void **state)
{
	struct rdx_table table = table_make(64, 32);
	struct model model = {.key = {0}};
	uint64_t random = 5;

	(void)state;
	fill_sets(&table);
	for (uint32_t i = 0; i < KEYS; i++)
		model.key[i] = table_key(&table, rig_random(&random) % 60, &random);
	for (int step = 0; step < 20000; step++) {
		uint32_t i = rig_random(&random) % (step / 2000 % 2 ? KEYS : KEYS / 3);
		uint32_t set = 1 + rig_random(&random) % 31;

		if (!model.set[i])
			table_put(&table, model.key[i], set);
		else if (set % 2)
			rdx_table_change(&table, rdx_table_find(&table, model.key[i]), set);
		else
			erase(&table, model.key[i]);
		model.set[i] = model.set[i] && !(set % 2) ? 0 : set;
		if (step % 500 == 0)
			compare(&table, &model);
	}
	for (uint32_t i = 0; i < KEYS; i++) {
		if (model.set[i])
			erase(&table, model.key[i]);
		model.set[i] = 0;
	}
	compare(&table, &model);
	table_free(&table);
}

/* Whoever goes over the table by home finds each key once. */
static void test_pieces(void **state)
{
	struct rdx_table table = table_make(50, 4);
	uint64_t random = 9, found = 0, at = 0;

	(void)state;
	fill_sets(&table);
	for (int i = 0; i < 240; i++)
		table_put(&table, rig_random(&random) | 1, 1);
	for (uint64_t from = 0; from < 50; from += 7) {
		uint64_t to = from + 7 < 50 ? from + 7 : 50, end = rdx_table_piece_end(&table, to);

		assert_true(end >= to);
		for (at = from; at < end; at++) {
			for (uint32_t slot = 0; slot < RDX_LINE_SLOTS; slot++) {
				uint64_t key = rdx_word_load(&table.line[at].key[slot]);
				uint64_t home = rdx_table_home(&table, key);

				found += key && home >= from && home < to;
			}
		}
	}
	assert_int_equal(found, 240);
	assert_int_equal(table_check(&table), 240);
	table_free(&table);
}

/* A reader that looked before a change sees another version, and after 2^20 changes another epoch. */
static void test_versions_and_epochs(void **state)
{
	struct rdx_table table = table_make(4, 4);
	uint64_t random = 3, key = table_key(&table, 2, &random), epoch = rdx_table_epoch(&table);
	uint32_t word = rdx_cell_word(&table.line[2]);
	struct rdx_place place;

	(void)state;
	fill_sets(&table);
	table_put(&table, key, 1);
	place = rdx_table_find(&table, key);
	assert_int_not_equal(rdx_table_versions(place.line, 1), rdx_cell_version(word));
	word = rdx_cell_word(place.line);
	rdx_cell_pass(place.line, 1);
	assert_int_equal(rdx_table_versions(place.line, 1), rdx_cell_version(word));
	rdx_cell_pass(place.line, -1);
	for (uint32_t i = 1; i < 1u << 20; i++) {
		rdx_table_change(&table, place, 1 + i % 3);
		if (i == RDX_EPOCH_CHANGES)
			assert_true(rdx_table_timely(&table, epoch));
		assert_int_not_equal(rdx_table_versions(place.line, 1), rdx_cell_version(word));
	}
	rdx_table_change(&table, place, 1);
	assert_int_equal(rdx_table_versions(place.line, 1), rdx_cell_version(word));
	assert_false(rdx_table_timely(&table, epoch));
	table_free(&table);
}

/* A damaged table misleads, but it ends, and nothing outside it is read. */
static void test_garbage(void **state)
{
	struct rdx_table table = table_make(8, 16);
	uint64_t random = 17, columns[RDX_COLUMN_WORDS];

	(void)state;
	for (uint64_t at = 0; at < 8 + RDX_PROBE_LINES_MAX; at++) {
		for (uint32_t slot = 0; slot < RDX_LINE_SLOTS; slot++) {
			rdx_word_store(&table.line[at].key[slot], slot % 2 ? ~0ull : 7);
			atomic_store(&table.line[at].cell[slot], (uint32_t)rig_random(&random));
		}
		atomic_store(&table.line[at].word, ~0u);
	}
	for (int i = 0; i < 1000; i++)
		assert_in_range(
			rdx_table_probe(&table, rig_random(&random) | 1, RDX_COLUMN_WORDS, columns),
			0, 1);
	assert_int_equal(rdx_table_probe(&table, 7, RDX_COLUMN_WORDS, columns), 0);
	assert_int_equal(rdx_table_piece_end(&table, 8), 8 + RDX_PROBE_LINES_MAX);
	table_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_homes_follow_products),
		cmocka_unit_test(test_random_changes),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_versions_and_epochs),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
