/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lookup on a mapped index: one attempt, and the rows of it. No system call, no lock.
 */
#ifndef RDX_LOOKUP_H
#define RDX_LOOKUP_H

#include "consumer/index/search.h"
#include "shm/generation.h"
#include <ringdex/rdx_index.h>

/* What changes only under the version. */
struct rdx_lookup_rank {
	uint64_t worker_id;
	uint64_t epoch;
	uint32_t dp_rank;
	uint8_t state;   /* not yet STALE */
	uint8_t has_row; /* where it holds anything, or all ranks are asked for */
	uint8_t scan;    /* may have orphans */
	uint8_t reserved;
	const char *instance;
};

/* A row of one attempt, and what else it needs that changes at any time. */
struct rdx_lookup_row {
	uint32_t seat;
	uint64_t seen_ns;
	uint64_t event_ns;
};

/* The instance of an epoch, copied once in it. {0}: not known. */
struct rdx_lookup_instance {
	uint64_t epoch;
	char text[RDX_TEXT_BYTES];
};

struct rdx_lookup {
	/* of the mapped files, the table of which is in `search` */
	const struct rdx_index_live *live;
	uint64_t generation;
	uint64_t stale_after_ns;
	uint32_t force_scan;
	uint32_t all_ranks; /* rows of ranks that hold nothing, too */

	/* the ranks as of `version`; set `cached` to 0 where another file is mapped */
	uint32_t cached;
	uint32_t rank_count;
	uint64_t version;
	uint32_t strangers; /* 1: an instance may not be of its rank's epoch */
	struct rdx_lookup_rank rank[RDX_RANKS_MAX];
	struct rdx_columns columns[RDX_RANKS_MAX];

	/* of one attempt */
	uint32_t row_count;
	uint64_t newest_ns; /* when the rank of a row was last seen */
	uint64_t event_id[RDX_RANKS_MAX];
	struct rdx_lookup_row row[RDX_RANKS_MAX];

	struct rdx_lookup_instance instance[RDX_RANKS_MAX];
	struct rdx_search search;
};

/*
 * Look the request up.
 *
 *   0        rdx_lookup_rows has the result
 *   -EAGAIN  columns changed meanwhile, or the table too often
 *   -ESTALE  the mapped table is not the current generation
 */
int rdx_lookup_attempt(struct rdx_lookup *lookup, struct rdx_keys *keys);

/* Rows of the last attempt, at `now_ns` of the shared clock, not before `newest_ns`; each of the first
 * one's size, which was checked. Their number, or -ENOSPC. */
int rdx_lookup_rows(const struct rdx_lookup *lookup, uint64_t now_ns, struct rdx_run *ret_runs,
		    uint32_t capacity);

/* What has passed since, where another process wrote down the time. A time that has not come is of
 * another clock, and may be as old as anything: UINT64_MAX. */
static inline uint64_t rdx_lookup_age(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns >= then_ns ? now_ns - then_ns : UINT64_MAX;
}

/* A rank's state for a reader: never EXACT if `visible` is 0, STALE if too old. */
uint8_t rdx_lookup_state(uint64_t state, int visible, uint64_t age_ns, uint64_t stale_after_ns);

/* Where the rank was in the last attempt, or -ENOENT. */
int rdx_lookup_seat(const struct rdx_lookup *lookup, uint64_t worker_id, uint32_t dp_rank);

#endif
