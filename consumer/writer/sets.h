/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sets of one table, on the writer's side: which numbers are in use, by how many cells, and the
 * number of a set that is there already. Cells of neighbouring blocks have the same few sets, so
 * there are far fewer sets than keys. A number is free when no cell names it. Memory for the
 * records is allocated as numbers are used.
 */
#ifndef RDX_SETS_H
#define RDX_SETS_H

#include "shm/column.h"
#include "shm/set.h"

struct rdx_writer_set {
	uint32_t cells; /* that name it; one more for a used column's own */
	uint32_t next;  /* of its bucket, or of the free ones */
};

/* The last step from one set to another: a run of blocks makes it again and again. */
struct rdx_sets_step {
	uint32_t from;
	uint32_t to;
	uint16_t column;
	uint16_t adds;
};

struct rdx_writer_sets {
	struct rdx_set *record; /* in the table's file */
	struct rdx_writer_set *set;
	uint32_t *bucket; /* of sets of two columns or more */
	uint32_t buckets; /* a power of two */
	uint32_t count;   /* numbers used so far */
	uint32_t max;
	uint32_t allocated;
	uint32_t free;
	int fd;
	uint64_t offset; /* of set 0 in the file */
	struct rdx_sets_step step;
};

/* The sets of a mapped table file whose first `allocated` records have memory. -ENOMEM. */
int rdx_sets_open(struct rdx_writer_sets *sets, struct rdx_set *record, uint64_t max, int fd,
		  uint64_t offset, uint64_t allocated);
void rdx_sets_close(struct rdx_writer_sets *sets);

/* The set of exactly these columns, of which there are at least two, new or not; named by nobody
 * yet. 0: no room. */
uint32_t rdx_sets_intern(struct rdx_writer_sets *sets, const uint64_t *columns);

/* A set of its own for one column, named once. 0: no room. */
uint32_t rdx_sets_single(struct rdx_writer_sets *sets, uint32_t column);

/* Is there a number for one more? */
static inline int rdx_sets_left(const struct rdx_writer_sets *sets)
{
	return sets->free || sets->count < sets->max;
}

/* One cell more, or less, names the set. Without any its number is free. */
static inline void rdx_sets_name(struct rdx_writer_sets *sets, uint32_t set)
{
	sets->set[set].cells++;
}

void rdx_sets_free(struct rdx_writer_sets *sets, uint32_t set);

static inline void rdx_sets_unname(struct rdx_writer_sets *sets, uint32_t set)
{
	if (!--sets->set[set].cells)
		rdx_sets_free(sets, set);
}

/* Do no columns hold the keys of its cells? */
static inline int rdx_sets_is_empty(const struct rdx_writer_sets *sets, uint32_t set)
{
	uint64_t any = 0;

	for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++)
		any |= rdx_word_load(&sets->record[set].columns[word]);
	return any == 0;
}

/* Take columns out of sets `from` to before `to`. Returns how many cells now name an empty set that
 * did not before. */
uint64_t rdx_sets_strip(struct rdx_writer_sets *sets, const uint64_t *columns, uint32_t from,
			uint32_t to);

#endif
