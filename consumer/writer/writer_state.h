/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private state of an index writer, shared by the files of this folder.
 */
#ifndef RDX_WRITER_STATE_H
#define RDX_WRITER_STATE_H

#include "consumer/writer/room.h"
#include "consumer/writer/sets.h"
#include "consumer/writer/writer.h"
#include "shm/column.h"
#include "shm/generation.h"
#include "shm/table.h"

#include <assert.h>

#define RDX_OPS_AHEAD 32 /* changes whose lines are on their way */
#define RDX_OPS_BATCH 16 /* of one call, fetched together */
#define RDX_OPS_MAX   64
static_assert(RDX_OPS_AHEAD + RDX_OPS_BATCH <= RDX_OPS_MAX, "so many are queued at most");

#define RDX_CHARGED_MAX 64

struct rdx_writer_rank {
	uint64_t worker_id;
	uint32_t dp_rank;
	uint8_t known;
	uint8_t tiers;  /* bit t: the rank has tier t */
	uint8_t housed; /* columns are reserved for it */
	uint8_t is_visible;
	uint16_t shown
		[RDX_TIER_COUNT]; /* column that is visible; RDX_COLUMN_NONE: hidden, no tier */
	uint16_t build[RDX_TIER_COUNT]; /* column being built in */
	uint8_t is_building;
	uint8_t build_forced; /* a block of the build did not fit */
	uint8_t forced;       /* of the visible columns */
	uint8_t orphans;      /* as readers see it */
	uint8_t orphans_next; /* once all changes are made */
	uint8_t lost;         /* a block did not fit, and nobody was told */
	uint32_t charged[2];  /* keys it lost in full runs of each of `tables`, since it is there */
	uint8_t state;
	uint64_t coming;                      /* blocks that its build will have, about; 0: none */
	uint64_t declared;                    /* blocks of all tiers ... */
	uint64_t tier_blocks[RDX_TIER_COUNT]; /* ... and of each */
	uint64_t spare;                       /* by so many all tiers may exceed that */
	uint64_t epoch;
	uint64_t seen_ns;
};

/* Columns by what they are; a column is in one of the first three. */
struct rdx_writer_columns {
	uint64_t clean[RDX_COLUMN_WORDS];    /* in no set */
	uint64_t used[RDX_COLUMN_WORDS];     /* visible or being built in */
	uint64_t dirty[RDX_COLUMN_WORDS];    /* retired, not swept */
	uint64_t sweeping[RDX_COLUMN_WORDS]; /* dirty when the pass of the sweep began */
	uint64_t blocks[RDX_COLUMNS_MAX];    /* of a used column */
	uint16_t seat[RDX_COLUMNS_MAX];
	uint32_t reserved; /* for ranks that are housed */
	uint32_t is_sweeping;
	uint32_t sweep_set;  /* next set of the sweep ... */
	uint32_t sweep_next; /* ... in the next table, not the current one */
};

/* One table, as its writer maps it. */
struct rdx_writer_table {
	struct rdx_mapping mapping;
	struct rdx_table table;
	struct rdx_writer_sets sets;
	uint64_t generation;
	uint64_t keys; /* slots taken, also by keys of retired columns */
	uint64_t dead; /* of those, the latter, as far as the sweep has counted them */
	uint64_t living_max;
	uint64_t grow_at;                 /* living keys */
	uint32_t single[RDX_COLUMNS_MAX]; /* the set of a used column alone */
};

/* A change to the table that waits for its line. */
struct rdx_writer_op {
	uint64_t key;
	struct rdx_line *home; /* in the current table */
	uint32_t column;
	uint32_t drop;
};

enum rdx_grow_stage {
	RDX_GROW_IDLE,
	RDX_GROW_ALLOCATE, /* the next table's file is being allocated */
	RDX_GROW_COPY, /* keys are copied by their home lines; changes to copied ones go to both */
};

enum rdx_retire_stage {
	RDX_RETIRE_NONE,
	RDX_RETIRE_UNMAP,
	RDX_RETIRE_WAIT,  /* readers may still have it */
	RDX_RETIRE_FREE,  /* no reader has it: truncated from its end on */
	RDX_RETIRE_PUNCH, /* idle readers have it: freed under them */
};

/* The table that was current before. */
struct rdx_writer_retired {
	enum rdx_retire_stage stage;
	int fd;
	uint64_t generation;
	uint64_t since_ns; /* of the waiting; 0: not yet */
	void *base;
	uint64_t bytes;
	uint64_t at; /* unmapped below, truncated above, punched below */
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
	struct rdx_writer_table tables[2];

	struct rdx_writer_op op[RDX_OPS_MAX]; /* a circle */
	uint32_t op_first;
	uint32_t op_end;
	uint32_t unsettled; /* a rank's orphans_next differs from its orphans */

	enum rdx_grow_stage stage;
	uint64_t grow_at;        /* file offset, or home line: those below are copied */
	uint64_t grow_debt;      /* lines to be allocated or copied while the table is filled */
	uint64_t grow_pace;      /* of those, for every change */
	uint64_t grow_lines_min; /* after a table turned out too small */
	uint64_t grow_refused;   /* no memory last time: try again at so many refused */
	uint64_t beat_ns;        /* the last heartbeat */
	uint64_t crowded_ns;     /* no new table for crowded lines before */
	uint32_t crowded; /* a key passed more lines of the current table than chance makes */
	uint64_t coming;  /* by all ranks */
	uint64_t blocks_min;
	struct rdx_room_past past; /* of the current table */
	uint64_t last_generation;

	struct rdx_writer_retired retired;
	struct rdx_writer_columns columns;
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

/* A key is copied to the next table with its home line, wherever its slot is. */
static inline int rdx_writer_is_copied(struct rdx_index_writer *w, uint64_t key)
{
	return w->stage == RDX_GROW_COPY &&
	       rdx_table_home(&rdx_writer_table(w)->table, key) < w->grow_at;
}

static inline uint64_t rdx_writer_living(const struct rdx_writer_table *table)
{
	return table->keys - table->dead;
}

/* Has the column's rank lost so many keys in full runs of this table that more need not be tried? */
static inline int rdx_writer_is_crowding(const struct rdx_index_writer *w,
					 const struct rdx_writer_table *table, uint32_t column)
{
	return w->rank[w->columns.seat[column]].charged[table - w->tables] >= RDX_CHARGED_MAX;
}

#endif
