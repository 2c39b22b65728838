/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far each rank holds a request.
 *
 * All ranks are searched at once. While a set of tiers has no orphans, a rank's run over it is
 * monotone in the block number: if a block is held, all before it are. So blocks are probed at the
 * ends of pieces that grow, and between two of them the search goes on only where a column holds the
 * first and not the second. The last probed block that any column of a set of tiers holds is then
 * the last of its run.
 *
 * Where a rank that holds the first block may have orphans, block after block is looked at instead,
 * for all ranks at once: a run over a set of tiers ends at the first block that none of its columns
 * holds.
 */
#ifndef RDX_SEARCH_H
#define RDX_SEARCH_H

#include "consumer/index/keys.h"
#include "shm/column.h"
#include "shm/table.h"

#define RDX_PARTS 8 /* of one interval, at most */

/* Intervals that wait are taken in turn until there are so many; then the newest first, which is
 * split 11 times at most, each time into eight. */
#define RDX_INTERVALS_TURN 64
#define RDX_INTERVALS_MAX  256

/* Columns that hold a block. */
struct rdx_held {
	uint64_t columns[RDX_COLUMN_WORDS];
};

/* Block `low` is held by `at_low`, block `high` by `at_high`. */
struct rdx_interval {
	uint32_t low;
	uint32_t high;
	const struct rdx_line *line[RDX_PARTS - 1]; /* of the last blocks of all parts but one */
	struct rdx_held at_low;
	struct rdx_held at_high;
};

struct rdx_search {
	struct rdx_table table;

	/* the columns that are visible, and whose they are */
	uint32_t words; /* of a set, as far as columns are visible in them */
	struct rdx_held visible;
	struct rdx_held scanned; /* of ranks that may have orphans */
	struct rdx_held sought;  /* of the others */
	uint16_t seat[RDX_COLUMNS_MAX];
	uint8_t tier[RDX_COLUMNS_MAX];
	uint16_t column[RDX_RANKS_MAX][RDX_TIER_COUNT];

	/* what was found: ranks that hold the first block, and in `blocks` how many leading ones they
	 * hold in the tiers up to each, where no nearer one holds more */
	uint32_t holder_count;
	uint16_t holder[RDX_RANKS_MAX];
	uint8_t is_holder[RDX_RANKS_MAX];
	uint32_t blocks[RDX_RANKS_MAX][RDX_TIER_COUNT];

	/* under way */
	uint8_t alive[RDX_RANKS_MAX]; /* bit k: the run in the tiers up to k has not ended */
	uint32_t alive_count;         /* ranks */
	uint32_t interval_first;      /* of a circle */
	uint32_t interval_count;
	struct rdx_interval interval[RDX_INTERVALS_MAX];
};

/* No column is visible. */
void rdx_search_forget(struct rdx_search *search);

/* The columns of one more rank are. */
void rdx_search_show(struct rdx_search *search, uint32_t seat, const struct rdx_columns *columns,
		     int scan);

/* The first blocks are on their way. Good before anything else is looked at. */
void rdx_search_fetch(const struct rdx_search *search, struct rdx_keys *keys);

/* 0: found. -EAGAIN: a line of the table was disturbed too often. */
int rdx_search_run(struct rdx_search *search, struct rdx_keys *keys);

#endif
