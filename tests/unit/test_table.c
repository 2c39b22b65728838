/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the table's lines: homes, also of keys that were made for one line; put, probe, change
 * and erase of single keys, keys that pass full lines and are pulled back, pieces by home, epochs,
 * lines full of garbage.
 */
#include "tests/table_rig.h"

#define KEYS  600
#define LINES 100    /* homes */
#define AIMED 100000 /* keys */

static const struct rdx_table homes = {.lines = LINES, .secret = TABLE_SECRET};

static void count_home(uint64_t key, uint32_t *counts)
{
	assert_in_range(rdx_table_home(&homes, key), 0, LINES - 1);
	counts[rdx_table_home(&homes, key)]++;
}

static void assert_spread(const uint32_t *counts, uint32_t keys)
{
	for (uint32_t line = 0; line < LINES; line++)
		assert_in_range(counts[line], keys / LINES / 2, keys / LINES * 2);
}

static void test_homes_of_random_keys(void **state)
{
	uint64_t random = 1;
	uint32_t counts[LINES] = {0};

	(void)state;
	for (int i = 0; i < AIMED; i++)
		count_home(rig_random(&random) | 1, counts);
	assert_spread(counts, AIMED);
}

/* The number by which `odd` times it is 1. */
static uint64_t inverse_of(uint64_t odd)
{
	uint64_t inverse = odd;

	for (int i = 0; i < 6; i++)
		inverse *= 2 - odd * inverse;
	return inverse;
}

/* Who knows the secret takes products that are of one line for products of keys. */
static void test_inverses_do_not_aim(void **state)
{
	uint64_t inverse[2] = {inverse_of(homes.secret[0]), inverse_of(homes.secret[1])};
	uint32_t first[LINES] = {0}, second[LINES] = {0}, both[LINES] = {0};

	(void)state;
	for (uint64_t i = 1; i <= AIMED; i++) {
		count_home(i * inverse[0], first);
		count_home(i * inverse[1], second);
		count_home(i * inverse[1] * inverse[0], both);
	}
	assert_spread(first, AIMED);
	assert_spread(second, AIMED);
	assert_spread(both, AIMED);
}

/* Steps of which neither half of the product has high bits: keys so far from each other would have
 * one line if it were that of the folded product. */
static void test_small_steps_do_not_aim(void **state)
{
	uint32_t counts[LINES] = {0}, keys = 0;

	(void)state;
	for (uint64_t step = 1; step < 1 << 26; step++) {
		if (step * homes.secret[0] >> 51)
			continue;
		count_home(step, counts);
		keys++;
	}
	assert_true(keys > 4000);
	for (uint32_t line = 0; line < LINES; line++)
		assert_true(counts[line] < keys / 20);
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
	int r = rdx_table_probe(table, rdx_table_line(table, key), key, 2, columns);

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

static int probe_any(const struct rdx_table *table, uint64_t key)
{
	uint64_t columns[RDX_COLUMN_WORDS];

	return rdx_table_probe(table, rdx_table_line(table, key), key, RDX_COLUMN_WORDS, columns);
}

/* A damaged table misleads, but it ends, and nothing outside it is read. */
static void test_garbage(void **state)
{
	struct rdx_table table = table_make(8, 16);
	uint64_t random = 17;

	(void)state;
	for (uint64_t at = 0; at < 8 + RDX_PROBE_LINES_MAX; at++) {
		for (uint32_t slot = 0; slot < RDX_LINE_SLOTS; slot++) {
			rdx_word_store(&table.line[at].key[slot], slot % 2 ? ~0ull : 7);
			atomic_store(&table.line[at].cell[slot], (uint32_t)rig_random(&random));
		}
		atomic_store(&table.line[at].word, ~0u);
	}
	for (int i = 0; i < 1000; i++)
		assert_in_range(probe_any(&table, rig_random(&random) | 1), 0, 1);
	assert_int_equal(probe_any(&table, 7), 0);
	assert_int_equal(rdx_table_piece_end(&table, 8), 8 + RDX_PROBE_LINES_MAX);
	table_free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_homes_of_random_keys),
		cmocka_unit_test(test_inverses_do_not_aim),
		cmocka_unit_test(test_small_steps_do_not_aim),
		cmocka_unit_test(test_random_changes),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_versions_and_epochs),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
