/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader's handle of an index, for the parts of the library that need its inside.
 */
#ifndef RDX_INDEX_HANDLE_H
#define RDX_INDEX_HANDLE_H

#include "consumer/index/keys.h"
#include "consumer/index/lookup.h"
#include "consumer/index/tables.h"

struct rdx_index {
	int dir_fd;
	char *path; /* of the directory, absolute */
	struct rdx_index_id id;
	struct rdx_hash_key hash_key;
	struct rdx_mapping ctl[2]; /* one is mapped; the other is for its successor */
	uint32_t ctl_now;
	uint64_t writer_id;
	struct rdx_tables tables;
	uint64_t check_ns; /* not before: look for a successor without a mark */
	uint64_t retry_ns; /* not before: try again to map one with a mark */
	uint64_t learn_ns; /* not before: ask again how clocks differ */
	uint64_t gone_ns;  /* since then the writer is dead and no file has the name; 0: it has */
	int gone;          /* what calls answer: 0, or -EIDRM when that is so for long */
	struct rdx_keys keys;
	struct rdx_lookup lookup;
	struct rdx_index_rank ranks[RDX_RANKS_MAX]; /* scratch */
};

/* Tests: 1 scans every rank, 0 searches where that is possible. */
void rdx_index_force_scan(struct rdx_index *index, int scan);

/* What a lookup does before there are rows: `lookup` has columns, event ids and runs of one
 * instant. As rdx_index_lookup, but for the rows. */
int rdx_index_update(struct rdx_index *index, struct rdx_keys *keys, uint64_t now_ns);

/* The work that can wait until there is an answer: what is mapped ahead, or still. */
void rdx_index_settle(struct rdx_index *index);

/* Was a mapped file cut, so that what was read may have been zeros? Ask after reading, before use. */
int rdx_index_poisoned(const struct rdx_index *index);

#endif
