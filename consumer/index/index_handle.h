/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader's handle of an index, for the parts of the library that look inside.
 */
#ifndef RDX_INDEX_HANDLE_H
#define RDX_INDEX_HANDLE_H

#include "consumer/index/index_file.h"
#include "consumer/index/lookup.h"

struct rdx_index {
	int dir_fd;
	struct rdx_index_id id;
	struct rdx_hash_key hash_key;
	struct rdx_mapping ctl[2]; /* one is mapped; the other one is for its successor */
	struct rdx_mapping gen[2];
	uint32_t ctl_now;
	uint32_t gen_now;
	uint64_t writer_id;
	uint64_t check_ns; /* not before: is there a successor that has not said so? */
	uint64_t retry_ns; /* not before: one that has, and could not be mapped */
	uint64_t *hashes;  /* scratch */
	uint64_t hashes_capacity;
	struct rdx_lookup lookup;
	struct rdx_worker_info worker[RDX_RANKS_MAX]; /* scratch */
};

/* Tests: 1 scans every set of every rank, 0 searches where that is possible. */
void rdx_index_force_scan(struct rdx_index *index, int scan);

/* At which moment of a rank's history the walk below saw it. */
struct rdx_index_mark {
	uint64_t epoch;
	uint64_t event_id;
};

/*
 * Call `visit` for every key that a rank holds in any tier, in no order: bit t of `tiers`,
 * it holds it in tier t. What was visited is the rank's exact state at the mark only if
 * the walk returns 0; else forget it. Blocking; reads the whole table.
 *
 *   0
 *   -EAGAIN  the rank changed meanwhile
 *   -ENOENT  the index does not know the rank
 *   -ESTALE  the rank is not EXACT, or not visible
 *   -EBADMSG
 */
int rdx_index_each(struct rdx_index *index, uint64_t worker_id, uint32_t dp_rank,
		   void (*visit)(void *context, uint64_t prefix, uint8_t tiers), void *context,
		   struct rdx_index_mark *ret_mark);

#endif
