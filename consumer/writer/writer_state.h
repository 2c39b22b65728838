/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private state of an index writer, shared by the files of this folder.
 */
#ifndef RDX_WRITER_STATE_H
#define RDX_WRITER_STATE_H

#include "consumer/writer/writer.h"
#include "shm/column.h"
#include "shm/generation.h"
#include "shm/table.h"

#define RDX_SIDES     2 /* columns of one (rank, tier): one in use, one being swept or spare */
#define RDX_SIDE_NONE 2

/*
 * A rank's home is one mask word and, for each of its tiers, a pair of columns in it. So a rank
 * that has a home can always be cleared or rebuilt once its own retired columns are swept, whatever
 * other ranks do.
 */
struct rdx_writer_rank {
	uint64_t worker_id;
	uint32_t dp_rank;
	uint8_t known;
	uint8_t tiers;  /* bit t: the rank has tier t */
	uint8_t housed; /* has a home */
	uint8_t word;
	uint8_t column[RDX_TIER_COUNT][RDX_SIDES];
	uint8_t shown[RDX_TIER_COUNT]; /* side that is visible, RDX_SIDE_NONE: hidden or no tier */
	uint8_t build[RDX_TIER_COUNT]; /* side being built in */
	uint8_t is_visible;
	uint8_t is_building;
	uint8_t build_forced; /* a block of the build did not fit */
	uint8_t forced;       /* of the visible columns */
	uint8_t orphans;
	uint8_t state;
	uint32_t life;
	uint64_t epoch;
	uint64_t seen_ns;
};

/* The columns of one mask word. A bit that is in none of these is a spare of a home. */
struct rdx_writer_word {
	uint64_t unowned;                 /* clean, of no home */
	uint64_t used;                    /* visible or being built in */
	uint64_t dirty;                   /* retired, bits not swept */
	uint64_t abandoned;               /* dirty, of no home any more */
	uint64_t sweeping;                /* dirty when the pass of the sweep began */
	uint64_t count[RDX_MASK_COLUMNS]; /* blocks in a used column */
};

/* One table, as its writer maps it. */
struct rdx_writer_table {
	struct rdx_mapping mapping;
	struct rdx_table table;
	uint64_t generation;
	uint64_t used; /* places with a key */
	uint64_t used_max;
	uint64_t grow_at;
};

enum rdx_grow_stage {
	RDX_GROW_IDLE,
	RDX_GROW_ALLOCATE, /* the next table's file is being allocated */
	RDX_GROW_COPY,     /* events go to both tables while lines are copied */
};

enum rdx_retire_stage {
	RDX_RETIRE_NONE,
	RDX_RETIRE_UNMAP,
	RDX_RETIRE_WAIT, /* readers may still have it */
	RDX_RETIRE_FREE,
};

/* The table that was current before. */
struct rdx_writer_retired {
	enum rdx_retire_stage stage;
	int fd;
	void *base;
	uint64_t bytes;
	uint64_t at; /* unmapped below, freed above */
};

struct rdx_index_writer {
	int dir_fd;
	uint32_t ready;
	uint32_t file_mode;
	uint32_t current_table; /* of `tables`; the other one is the next */
	struct rdx_index_id id;
	struct rdx_mapping ctl;
	struct rdx_index_live *live;
	uint64_t writer_id;
	uint64_t spread;
	struct rdx_writer_table tables[2];
	uint64_t lines_min;

	enum rdx_grow_stage stage;
	uint64_t grow_at;                        /* file offset or line */
	uint64_t grow_debt;                      /* lines to be copied while the table is filled */
	uint64_t grow_lines_min;                 /* after a table turned out too small */
	uint64_t grow_clean[RDX_MASK_WORDS_MAX]; /* dirty when copying began: not copied */
	uint64_t grow_refused;  /* no memory last time: try again at so many refused */
	uint32_t words_refused; /* likewise for a table with more mask words */

	struct rdx_writer_retired retired;

	uint64_t sweep_line; /* of the current table */
	uint32_t sweeping;

	struct rdx_writer_word word[RDX_MASK_WORDS_MAX];
	struct rdx_writer_rank rank[RDX_RANKS_MAX];
	uint64_t generations;
	uint64_t failures;
	uint64_t refused;
};

static inline struct rdx_writer_table *rdx_writer_table(struct rdx_index_writer *w)
{
	return &w->tables[w->current_table];
}

static inline struct rdx_writer_table *rdx_writer_next(struct rdx_index_writer *w)
{
	return &w->tables[!w->current_table];
}

#endif
