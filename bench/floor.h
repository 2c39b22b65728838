/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floors of the index: what a table of the same size costs that does nothing.
 */
#ifndef RDX_BENCH_FLOOR_H
#define RDX_BENCH_FLOOR_H

#include <stdint.h>

struct floor_table {
	uint64_t *words; /* small pages, as a file in memory has */
	uint64_t lines;
	uint64_t at; /* of the chain of reads */
};

/* Make it as large as `bytes`, all of it touched; what it was before is dropped. Ends the program
 * without memory. */
void floor_resize(struct floor_table *table, uint64_t bytes);
void floor_close(struct floor_table *table);

/* A line for each key, fetched well before: one key compared, one word written. CPU time in
 * nanoseconds of all. */
uint64_t floor_apply(struct floor_table *table, const uint64_t *keys, uint64_t count);

/* A random line whose place depends on the one before. */
static inline void floor_read(struct floor_table *table)
{
	uint64_t line = (table->at >> 32) * table->lines >> 32;

	table->at = (table->at ^ table->words[line * 8]) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

#endif
