/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: which columns hold a key, against a plain model: sets that cells share, columns
 * retired, swept and taken again, slots of dead keys used again, a table with no room, a copy.
 */
#include "consumer/writer/columns.h"
#include "consumer/writer/holders.h"
#include "tests/table_rig.h"

#include <errno.h>

#define KEYS    400
#define COLUMNS 12 /* of the model, each some column of the table */
#define LINES   92 /* few, so that keys stand beyond dead slots */

struct model {
	struct rdx_index_writer *writer;
	uint64_t key[KEYS];
	uint64_t holders[KEYS]; /* bit c: column c of the model */
	int column[COLUMNS];
};

static void open_table(struct rdx_writer_table *table, uint64_t lines, uint64_t sets)
{
	table->table = table_make(lines, sets);
	table->living_max = lines * RDX_LINE_SLOTS;
	assert_int_equal(rdx_sets_open(&table->sets, table->table.set, sets, -1, 0, sets), 0);
}

static void close_table(struct rdx_writer_table *table)
{
	rdx_sets_close(&table->sets);
	table_free(&table->table);
}

static struct rdx_writer_table *current(const struct model *model)
{
	return rdx_writer_table(model->writer);
}

static void make(struct model *model, uint64_t lines, uint64_t sets)
{
	uint64_t random = 21;

	*model = (struct model){.writer = calloc(1, sizeof(*model->writer))};
	assert_non_null(model->writer);
	rdx_columns_open(model->writer);
	open_table(current(model), lines, sets);
	for (uint32_t i = 0; i < KEYS; i++)
		model->key[i] = rig_random(&random) | 1;
	for (uint32_t i = 0; i < COLUMNS; i++) {
		model->column[i] = rdx_columns_take(model->writer, &model->writer->rank[i]);
		assert_int_equal(model->column[i], i);
		assert_int_equal(model->writer->columns.seat[i], i);
	}
}

static void unmake(struct model *model)
{
	close_table(current(model));
	free(model->writer);
}

static int add(struct model *model, uint32_t key, uint32_t column)
{
	struct rdx_writer_table *table = current(model);

	return rdx_holders_add(model->writer, table, rdx_table_line(&table->table, model->key[key]),
			       model->key[key], column);
}

static int drop(struct model *model, uint32_t key, uint32_t column)
{
	struct rdx_writer_table *table = current(model);

	return rdx_holders_drop(model->writer, table,
				rdx_table_line(&table->table, model->key[key]), model->key[key],
				column);
}

static void change(struct model *model, uint32_t key, uint32_t c)
{
	struct rdx_index_writer *w = model->writer;
	int held = model->holders[key] >> c & 1;
	uint32_t column = (uint32_t)model->column[c];

	if (held) {
		assert_int_equal(drop(model, key, column), 1);
		assert_int_equal(drop(model, key, column), 0);
		w->columns.blocks[column]--;
	} else {
		assert_int_equal(add(model, key, column), 1);
		assert_int_equal(add(model, key, column), 0);
		w->columns.blocks[column]++;
	}
	model->holders[key] ^= UINT64_C(1) << c;
}

/* The rank moves to another column; its blocks are gone. */
static void clear(struct model *model, uint32_t c)
{
	int column = rdx_columns_take(model->writer, &model->writer->rank[c]);

	assert_true(column >= 0);
	rdx_columns_retire(model->writer, (uint32_t)model->column[c]);
	model->column[c] = column;
	for (uint32_t i = 0; i < KEYS; i++)
		model->holders[i] &= ~(UINT64_C(1) << c);
}

static void compare(const struct model *model, const struct rdx_writer_table *table)
{
	uint64_t living = 0, cells = 0;

	for (uint32_t i = 0; i < KEYS; i++) {
		uint64_t columns[RDX_COLUMN_WORDS] = {0}, wanted[RDX_COLUMN_WORDS] = {0};

		assert_in_range(rdx_table_probe(&table->table,
						rdx_table_line(&table->table, model->key[i]),
						model->key[i], RDX_COLUMN_WORDS, columns),
				0, 1);
		for (uint32_t c = 0; c < COLUMNS; c++) {
			if (model->holders[i] >> c & 1)
				rdx_column_add(wanted, (uint32_t)model->column[c]);
		}
		for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++)
			assert_true((columns[word] & model->writer->columns.used[word]) ==
				    wanted[word]);
		living += model->holders[i] != 0;
	}
	assert_int_equal(table_check(&table->table), table->keys);
	if (!rdx_columns_unswept(model->writer))
		assert_int_equal(rdx_writer_living(table), living);
	/* cells that name sets, and one for each used column */
	for (uint32_t set = 1; set < table->sets.count; set++)
		cells += table->sets.set[set].cells;
	assert_int_equal(cells, table->keys + COLUMNS);
}

static void test_random_changes(void **state)
{
	struct model model;
	uint64_t random = 7;

	(void)state;
	make(&model, LINES, 4096);
	for (int step = 0; step < 60000; step++) {
		uint64_t r = rig_random(&random);

		if (r % 1000 == 0)
			clear(&model, (uint32_t)(r >> 32) % COLUMNS);
		else
			change(&model, (uint32_t)(r >> 32) % KEYS, (uint32_t)(r >> 16) % COLUMNS);
		if (r % 700 == 1)
			(void)rdx_columns_sweep(model.writer);
		if (step % 1000 == 0)
			compare(&model, current(&model));
	}
	while (rdx_columns_sweep(model.writer))
		;
	compare(&model, current(&model));
	unmake(&model);
}

/* Runs of blocks with the same holders have one set, however many blocks there are. */
static void test_sets_are_shared(void **state)
{
	struct model model;

	(void)state;
	make(&model, LINES, 64);
	for (uint32_t c = 0; c < COLUMNS; c++) {
		for (uint32_t key = 0; key < KEYS; key++)
			change(&model, key, c);
	}
	compare(&model, current(&model));
	assert_true(current(&model)->sets.count < 2 * COLUMNS + 2);
	for (uint32_t c = 0; c < COLUMNS; c++) {
		for (uint32_t key = 0; key < KEYS; key++)
			change(&model, key, c);
	}
	compare(&model, current(&model));
	assert_int_equal(current(&model)->keys, 0);
	assert_true(current(&model)->sets.count < 3 * COLUMNS + 2);
	unmake(&model);
}

/* The number of a set that went with its column is another column's: the last step from it is void. */
static void test_a_number_used_again(void **state)
{
	struct model model;
	uint32_t number;

	(void)state;
	make(&model, LINES, 64);
	number = current(&model)->single[model.column[0]];
	change(&model, 0, 0);
	change(&model, 0, 1);
	clear(&model, 0);
	clear(&model, 2);
	assert_int_equal(current(&model)->single[model.column[2]], number);
	change(&model, 1, 2);
	change(&model, 1, 1);
	compare(&model, current(&model));
	unmake(&model);
}

/* A table full of keys that were cleared takes as many new ones. */
static void test_dead_slots(void **state)
{
	struct model model;

	(void)state;
	make(&model, KEYS / RDX_LINE_SLOTS + 1, 64);
	for (int round = 0; round < 5; round++) {
		uint64_t random = 100 + (uint64_t)round;

		for (uint32_t key = 0; key < KEYS; key++) {
			model.key[key] = rig_random(&random) | 1;
			change(&model, key, 0);
		}
		compare(&model, current(&model));
		clear(&model, 0);
		while (rdx_columns_sweep(model.writer))
			;
		compare(&model, current(&model));
		assert_int_equal(rdx_writer_living(current(&model)), 0);
	}
	unmake(&model);
}

static void test_no_room(void **state)
{
	struct model model;

	(void)state;
	make(&model, LINES, COLUMNS + 3); /* two sets more than the columns' own */
	change(&model, 0, 0);
	change(&model, 0, 1);
	change(&model, 1, 2);
	change(&model, 1, 3);
	change(&model, 2, 4);
	assert_int_equal(add(&model, 2, 5), -ENOSPC);
	compare(&model, current(&model));
	change(&model, 1, 3); /* its number is free again */
	change(&model, 2, 5);
	compare(&model, current(&model));
	current(&model)->living_max = 3;
	assert_int_equal(add(&model, 3, 5), -ENOSPC);
	change(&model, 2, 6 - 1);
	compare(&model, current(&model));
	unmake(&model);
}

/* Sets of one table are put into another, without the columns that are not used any more. */
static void test_copy(void **state)
{
	struct model model;
	struct rdx_writer_table *next;
	uint64_t random = 8, columns[RDX_COLUMN_WORDS];

	(void)state;
	make(&model, LINES, 4096);
	for (int step = 0; step < 5000; step++) {
		uint64_t r = rig_random(&random);

		change(&model, (uint32_t)(r >> 32) % KEYS, (uint32_t)(r >> 16) % COLUMNS);
	}
	clear(&model, 3);
	next = rdx_writer_next(model.writer);
	open_table(next, LINES, 4096);
	assert_int_equal(rdx_columns_begin(model.writer, next), 0);
	for (uint32_t i = 0; i < KEYS; i++) {
		struct rdx_place place = rdx_table_find(&current(&model)->table, model.key[i]);

		if (!place.line)
			continue;
		rdx_words_load(columns, current(&model)->table.set[rdx_table_set(place)].columns,
			       RDX_COLUMN_WORDS);
		assert_int_equal(rdx_holders_put(model.writer, next, model.key[i], columns), 0);
	}
	compare(&model, next);
	close_table(next);
	unmake(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_changes),
		cmocka_unit_test(test_sets_are_shared),
		cmocka_unit_test(test_a_number_used_again),
		cmocka_unit_test(test_dead_slots),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
