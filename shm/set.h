/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of columns, which cells name: a record of bits that many cells share. A record that no cell
 * names any more may be filled for another set at once.
 *
 *   Q1  columns, then a cell that names the set (release) -> the cell, acquire fence, columns: a
 *       reader that saw the cell sees the set filled
 *   Q2  a cell stops to name the set, version + 1 (release) of its line, only then the next set ->
 *       columns of the next set seen, acquire fence, the line's version: it is another one
 *   Q3  release fence, columns of the next set -> any of them seen, acquire fence: who read one sees
 *       every raise (Q2) before the fill
 */
#ifndef RDX_SET_H
#define RDX_SET_H

#include "shm/index_layout.h"
#include "shm/words.h"

/* The writer's: fill a record that no cell names. */
static inline void rdx_set_fill(struct rdx_set *set, const uint64_t *columns)
{
	rdx_fence_release(); /* Q3, with rdx_cell_settle */
	for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++)
		rdx_word_store(&set->columns[word], columns[word]);
}

/* The writer's: take columns out that are not visible. */
static inline void rdx_set_strip(struct rdx_set *set, const uint64_t *columns)
{
	for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++)
		rdx_word_store(&set->columns[word],
			       rdx_word_load(&set->columns[word]) & ~columns[word]);
}

/* The first `words` words of a set that a cell was seen to name. */
static inline void rdx_set_read(const struct rdx_set *set, uint32_t words, uint64_t *ret_columns)
{
	rdx_fence_acquire(); /* Q1 */
	for (uint32_t word = 0; word < words; word++)
		ret_columns[word] = rdx_word_load(&set->columns[word]);
}

#endif
