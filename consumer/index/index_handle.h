/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader's handle of an index, for the parts of the library that need its inside.
 */
#ifndef RDX_INDEX_HANDLE_H
#define RDX_INDEX_HANDLE_H

#include "consumer/index/index_file.h"
#include "consumer/index/lookup.h"

struct rdx_index {
	int dir_fd;
	struct rdx_index_id id;
	struct rdx_hash_key hash_key;
	struct rdx_mapping ctl[2]; /* one is mapped; the other is for its successor */
	struct rdx_mapping gen[2];
	uint32_t ctl_now;
	uint32_t gen_now;
	uint64_t writer_id;
	uint64_t check_ns; /* not before: look for a successor without a mark */
	uint64_t retry_ns; /* not before: try again to map one with a mark */
	uint64_t *hashes;  /* scratch */
	uint64_t hashes_capacity;
	struct rdx_lookup lookup;
	struct rdx_index_rank ranks[RDX_RANKS_MAX]; /* scratch */
};

/* Tests: 1 scans every set of every rank, 0 searches where that is possible. */
void rdx_index_force_scan(struct rdx_index *index, int scan);

/* What a lookup does before there are rows: `lookup` has columns, pulses and reach of one
 * instant. As rdx_index_lookup, but for the rows. */
int rdx_index_update(struct rdx_index *index, const uint64_t *prefix, uint32_t blocks,
		     uint64_t now_ns);

#endif
