/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every rank of a namespace at one moment: what the indexes know of it, and what its own segment says.
 */
#ifndef RINGDEXD_RANK_ROWS_H
#define RINGDEXD_RANK_ROWS_H

#include "tools/inspect/sighting.h"
#include "tools/ringdexd/shelf.h"

struct rank_row {
	char model[RDX_TEXT_BYTES];
	char tenant[RDX_TEXT_BYTES];
	uint32_t block_tokens;
	int is_indexed; /* an index knows it: `rank`; else there are its names and epoch only */
	struct rdx_index_rank rank;
	int is_seen; /* its segment could be read: the next ones */
	enum sighting_state segment;
	int has_barrier;
	uint64_t barrier_event_id; /* 0: birth */
	uint64_t newest_event_id;
	uint64_t clears;
	double rate; /* events a second since the look before; below 0: not known */
};

struct rank_rows {
	struct rank_row *rows; /* by worker and rank, each model, tenant and block size once */
	size_t count;
	size_t left_out; /* segments beyond the most that are looked at */
	uint64_t taken_ns;
};

/*
 * Look. Rates are since `before`, which {0} has none of. What cannot be read is left out. `scratch` has
 * RDX_RANKS_MAX rows.
 *
 *   0, -ENOMEM
 */
int rank_rows_take(struct rank_rows *ret_rows, const struct rank_rows *before, struct shelf *shelf,
		   const struct space *space, struct rdx_index_rank *scratch);
void rank_rows_free(struct rank_rows *rows);

/* "exact", "gone" and so on where an index knows it, else "live", "dead" or "unreadable". */
const char *rank_rows_state(const struct rank_row *row);

#endif
