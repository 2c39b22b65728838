/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds a key, in one table: a column is added to the set that the key's cell names, or dropped
 * from it.
 */
#ifndef RDX_HOLDERS_H
#define RDX_HOLDERS_H

#include "consumer/writer/writer_state.h"

/* rdx_holders_add and _drop where more than the home line, or another column, is concerned. */
int rdx_holders_add_slow(struct rdx_index_writer *w, struct rdx_writer_table *table, uint64_t key,
			 uint32_t column);
int rdx_holders_drop_slow(struct rdx_index_writer *w, struct rdx_writer_table *table, uint64_t key,
			  uint32_t column);

/* `line` is the key's home. 1; 0: the column held the key before. -ENOSPC: the table is full, or no set;
 * -ENOBUFS: no slot in the lines where the key may be. */
static inline int rdx_holders_add(struct rdx_index_writer *w, struct rdx_writer_table *table,
				  struct rdx_line *line, uint64_t key, uint32_t column)
{
	uint32_t match = rdx_cell_match(line, key), free = rdx_cell_match(line, 0);

	if (match || !free || rdx_writer_living(table) >= table->living_max)
		return rdx_holders_add_slow(w, table, key, column);
	rdx_cell_put(line, (uint32_t)__builtin_ctz(free), key, table->single[column]);
	rdx_table_changed(&table->table);
	rdx_sets_name(&table->sets, table->single[column]);
	table->keys++;
	return 1;
}

/* Likewise. 1; 0: the column did not hold the key. -ENOSPC: no set for those that still do. */
static inline int rdx_holders_drop(struct rdx_index_writer *w, struct rdx_writer_table *table,
				   struct rdx_line *line, uint64_t key, uint32_t column)
{
	uint32_t match = rdx_cell_match(line, key), slot;

	if (!match || rdx_table_passed(line))
		return rdx_holders_drop_slow(w, table, key, column);
	slot = (uint32_t)__builtin_ctz(match);
	if (rdx_cell_set(line, slot) != table->single[column])
		return rdx_holders_drop_slow(w, table, key, column);
	rdx_cell_clear(line, slot);
	rdx_table_changed(&table->table);
	rdx_sets_unname(&table->sets, table->single[column]);
	table->keys--;
	return 1;
}

/* Put a key that is not in the table, with the used ones among these columns; nothing if there are
 * none. 0, -ENOSPC, -ENOBUFS. */
int rdx_holders_put(struct rdx_index_writer *w, struct rdx_writer_table *table, uint64_t key,
		    const uint64_t *columns);

/* Free a key's slot, without a pull. */
void rdx_holders_vacate(struct rdx_writer_table *table, struct rdx_place place);

/* As rdx_holders_put, into a slot that was vacated for it: 1; 0, -ENOSPC with the slot pulled full or
 * free. */
int rdx_holders_fill(struct rdx_index_writer *w, struct rdx_writer_table *table,
		     struct rdx_place place, uint64_t key, const uint64_t *columns);

#endif
