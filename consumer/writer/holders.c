/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/writer/holders.h"

#include <errno.h>

/* Full lines that a key passes by chance: one in 10^15 does with 55 % of all slots taken, and
 * one in 10^8 with 70 %. */
#define RUN_LINES 64

/* The set of the used ones among these columns. 0: there are none, or no room: *ret_r. */
static uint32_t set_of(struct rdx_index_writer *w, struct rdx_writer_table *table,
		       const uint64_t *columns, int *ret_r)
{
	uint64_t used[RDX_COLUMN_WORDS];
	uint32_t column = 0, set;

	for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++) {
		used[word] = columns[word] & w->columns.used[word];
		if (used[word])
			column =
				word * RDX_COLUMN_WORD_BITS + (uint32_t)__builtin_ctzll(used[word]);
	}
	*ret_r = 0;
	switch (rdx_column_few(used)) {
	case 0:
		return 0;
	case 1:
		return table->single[column];
	default:
		break;
	}
	set = rdx_sets_intern(&table->sets, used);
	if (!set)
		*ret_r = -ENOSPC;
	return set;
}

/* The set that a cell names after a column was added or dropped; as set_of. */
static uint32_t step(struct rdx_index_writer *w, struct rdx_writer_table *table, uint32_t from,
		     uint32_t column, int adds, int *ret_r)
{
	struct rdx_sets_step *last = &table->sets.step;
	uint64_t columns[RDX_COLUMN_WORDS];
	uint32_t to;

	*ret_r = 0;
	if (last->from == from && last->column == column && last->adds == adds)
		return last->to;
	rdx_words_load(columns, table->sets.record[from].columns, RDX_COLUMN_WORDS);
	if (rdx_column_in(columns, column) == adds)
		return from;
	if (adds)
		rdx_column_add(columns, column);
	else
		rdx_column_drop(columns, column);
	to = set_of(w, table, columns, ret_r);
	if (*ret_r == 0)
		*last = (struct rdx_sets_step){
			.from = from, .to = to, .column = (uint16_t)column, .adds = (uint16_t)adds};
	return to;
}

/* The cell names another set from now on: 0, -ENOSPC with nothing changed. */
static int change(struct rdx_index_writer *w, struct rdx_writer_table *table,
		  struct rdx_place place, uint32_t column, int adds)
{
	uint32_t from = rdx_table_set(place);
	int r;
	uint32_t to = step(w, table, from, column, adds, &r);

	if (r < 0 || to == from)
		return r;
	if (table->dead && rdx_sets_is_empty(&table->sets, from))
		table->dead--;
	if (to) {
		rdx_sets_name(&table->sets, to);
		rdx_table_change(&table->table, place, to);
	} else {
		rdx_table_erase(&table->table, place);
		table->keys--;
	}
	/* after the cell (Q2): the number may be another set's at once */
	rdx_sets_unname(&table->sets, from);
	return 1;
}

/* A slot of the line whose key no column holds any more. */
static int find_dead(const struct rdx_writer_table *table, const struct rdx_line *line,
		     uint32_t *ret_slot)
{
	for (uint32_t slot = 0; slot < RDX_LINE_SLOTS; slot++) {
		if (rdx_sets_is_empty(&table->sets, rdx_cell_set(line, slot))) {
			*ret_slot = slot;
			return 1;
		}
	}
	return 0;
}

/* Where a key is (1), or where it goes: the first slot from its home line on that is free or dead
 * (0), or nowhere. */
static int seek(struct rdx_writer_table *table, uint64_t key, struct rdx_place *ret_place)
{
	struct rdx_line *line = rdx_table_line(&table->table, key);
	struct rdx_place dead = {NULL, 0};

	for (uint32_t left = RDX_PROBE_LINES_MAX; left; left--, line++) {
		uint32_t match = rdx_cell_match(line, key);

		ret_place->line = line;
		if (match) {
			ret_place->slot = (uint32_t)__builtin_ctz(match);
			return 1;
		}
		match = rdx_cell_match(line, 0);
		if (match) { /* nobody passed: the key is not beyond */
			ret_place->slot = (uint32_t)__builtin_ctz(match);
			break;
		}
		if (!dead.line && table->dead && find_dead(table, line, &dead.slot))
			dead.line = line;
		if (dead.line && !rdx_table_passed(line))
			break;
		ret_place->line = NULL;
	}
	if (dead.line)
		*ret_place = dead;
	return 0;
}

void rdx_holders_vacate(struct rdx_writer_table *table, struct rdx_place place)
{
	uint32_t set = rdx_table_set(place);

	if (table->dead && rdx_sets_is_empty(&table->sets, set))
		table->dead--;
	rdx_table_vacate(&table->table, place);
	rdx_sets_unname(&table->sets, set);
	table->keys--;
}

static int insert(struct rdx_writer_table *table, struct rdx_place place, uint64_t key,
		  uint32_t set)
{
	if (rdx_writer_living(table) >= table->living_max)
		return -ENOSPC;
	if (!place.line)
		return -ENOBUFS;
	if (rdx_word_load(&place.line->key[place.slot]))
		rdx_holders_vacate(table, place);
	rdx_sets_name(&table->sets, set);
	rdx_table_insert(&table->table, key, place, set);
	table->keys++;
	return 1;
}

int rdx_holders_add_slow(struct rdx_index_writer *w, struct rdx_writer_table *table, uint64_t key,
			 uint32_t column)
{
	const struct rdx_line *home = rdx_table_line(&table->table, key);
	struct rdx_place place;

	if (rdx_writer_is_crowding(w, table, column) && rdx_table_passed(home))
		return -ENOBUFS;
	if (seek(table, key, &place))
		return change(w, table, place, column, 1);
	if ((!place.line || place.line - home > RUN_LINES) && table == rdx_writer_table(w))
		w->crowded = 1;
	return insert(table, place, key, table->single[column]);
}

int rdx_holders_drop_slow(struct rdx_index_writer *w, struct rdx_writer_table *table, uint64_t key,
			  uint32_t column)
{
	struct rdx_place place = rdx_table_find(&table->table, key);

	if (!place.line)
		return 0;
	if (rdx_table_set(place) != table->single[column])
		return change(w, table, place, column, 0);
	rdx_table_erase(&table->table, place);
	table->keys--;
	rdx_sets_unname(&table->sets, table->single[column]);
	return 1;
}

int rdx_holders_put(struct rdx_index_writer *w, struct rdx_writer_table *table, uint64_t key,
		    const uint64_t *columns)
{
	struct rdx_place place;
	int r;
	uint32_t set = set_of(w, table, columns, &r);

	if (!set)
		return r;
	(void)seek(table, key, &place);
	r = insert(table, place, key, set);
	if (r < 0 && !table->sets.set[set].cells)
		rdx_sets_free(&table->sets, set);
	return r < 0 ? r : 0;
}

int rdx_holders_fill(struct rdx_index_writer *w, struct rdx_writer_table *table,
		     struct rdx_place place, uint64_t key, const uint64_t *columns)
{
	int r;
	uint32_t set = set_of(w, table, columns, &r);

	if (!set) {
		rdx_table_pull(&table->table, place);
		return r;
	}
	rdx_sets_name(&table->sets, set);
	rdx_table_insert(&table->table, key, place, set);
	table->keys++;
	return 1;
}
