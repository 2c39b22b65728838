/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lookup on a mapped index: one attempt, and the rows of it. No system call, no lock.
 *
 * All ranks are searched at once. While a set of tiers has no orphans, a rank's run over it is
 * monotone in the block number: if a block is held, all before it are. So some blocks are probed,
 * and the search continues between two neighbours only where a column has its bit set at the first
 * and not at the second. The last probed block that any of a set's columns holds is then the last
 * of its run. Sets that may have orphans are scanned block by block.
 */
#ifndef RDX_LOOKUP_H
#define RDX_LOOKUP_H

#include "shm/column.h"
#include "shm/generation.h"
#include "shm/table.h"
#include <ringdex/rdx_index.h>

/* Intervals waiting to be searched: every wave leaves less than RDX_WAVE_MAX of its own
 * and halves the width at least. */
#define RDX_WAVE_MAX  128
#define RDX_STACK_MAX (33 * RDX_WAVE_MAX)

/* Block `low` has the columns `at_low` of a mask word, block `high` has `at_high`. */
struct rdx_interval {
	uint32_t low;
	uint32_t high;
	uint32_t word;
	uint32_t reserved;
	uint64_t at_low;
	uint64_t at_high;
};

struct rdx_lookup_rank {
	uint64_t worker_id;
	uint32_t dp_rank;
	uint8_t scan; /* bit s: set s is scanned */
	struct rdx_columns columns;
};

/* A set that is scanned: how far any of `mask` reaches */
struct rdx_lookup_scan {
	uint64_t mask;
	uint16_t rank;
	uint8_t set;
	uint8_t word;
};

struct rdx_lookup_pulse {
	uint64_t seen_ns;
	uint64_t event_ns;
	uint64_t event_id;
	uint64_t epoch;
	uint8_t state;
};

/* The instance of an epoch, copied once in it. {0}: not known. */
struct rdx_lookup_instance {
	uint64_t epoch;
	char text[RDX_TEXT_BYTES];
};

struct rdx_lookup {
	/* of the mapped files; set `cached` to 0 after a change */
	const struct rdx_index_live *live;
	struct rdx_table table;
	uint64_t generation;
	uint64_t stale_after_ns;
	uint32_t force_scan;

	/* the columns as of `versions` */
	uint32_t cached;
	uint64_t versions[RDX_MASK_WORDS_MAX];
	uint64_t search[RDX_MASK_WORDS_MAX]; /* columns that are searched */
	uint32_t rank_count;
	uint32_t scan_count;
	struct rdx_lookup_rank rank[RDX_RANKS_MAX];
	struct rdx_lookup_scan scan[RDX_RANKS_MAX * RDX_TIER_COUNT];

	/* of one attempt */
	uint32_t reach[RDX_MASK_WORDS_MAX][RDX_MASK_COLUMNS + 1]; /* blocks; [RDX_COLUMN_NONE]: 0 */
	uint32_t scanned[RDX_RANKS_MAX][RDX_TIER_COUNT];
	struct rdx_lookup_pulse pulse[RDX_RANKS_MAX];
	uint32_t strangers; /* 1: an instance is not of its pulse's epoch */
	uint16_t active[RDX_RANKS_MAX * RDX_TIER_COUNT];
	struct rdx_interval stack[RDX_STACK_MAX];
	uint32_t stack_count;

	struct rdx_lookup_instance instance[RDX_RANKS_MAX];
};

/*
 * Look the prefix up.
 *
 *   0        rdx_lookup_rows has the result
 *   -EAGAIN  columns changed meanwhile
 *   -ESTALE  `table` is not the current generation
 */
int rdx_lookup_attempt(struct rdx_lookup *lookup, const uint64_t *prefix, uint32_t blocks);

/* Rows of the last attempt, at `now_ns`, each of the first one's size, which was checked.
 * Their number, or -ENOSPC. */
int rdx_lookup_rows(const struct rdx_lookup *lookup, uint64_t now_ns, struct rdx_run *ret_runs,
		    uint32_t capacity);

/* What has passed since, where another process wrote down the time. */
static inline uint64_t rdx_lookup_age(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns > then_ns ? now_ns - then_ns : 0;
}

/* A rank's state for a reader: never EXACT if `visible` is 0, STALE if too old. */
uint8_t rdx_lookup_state(uint8_t state, int visible, uint64_t age_ns, uint64_t stale_after_ns);

#endif
