/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The base of indexer tests: an indexer and an index handle in this process, and publishers that
 * store one known prompt.
 */
#ifndef RDX_TESTS_INDEXER_RIG_H
#define RDX_TESTS_INDEXER_RIG_H

#include "tests/worker.h"

#define PROMPT_MAX 4096 /* blocks */

struct indexer_rig {
	struct rig rig;
	const char *dir; /* the namespace: the rig's, or one that a test made in it */
	struct rdx_indexer *indexer;
	struct rdx_index *index; /* of WORKER_MODEL */
	uint64_t liveness_ns;    /* 0: as by default */
	uint64_t stale_after_ns; /* 0: no rank is ever STALE, however slow the machine */
};
void indexer_rig_make(struct indexer_rig *x);
void indexer_rig_open(struct indexer_rig *x, uint32_t wait_mode);
void indexer_rig_end(struct indexer_rig *x);

/* Options of a rank with the tiers 0 .. tiers - 1 of `blocks` blocks each. */
struct rdx_publisher_options prompt_options(const struct indexer_rig *x, uint64_t worker_id,
					    uint32_t dp_rank, int tiers, uint64_t blocks);
struct rdx_publisher *prompt_publisher(const struct indexer_rig *x, uint64_t worker_id,
				       uint32_t dp_rank);

/* Local hashes, and names, of the first `count` blocks of prompt number `prompt`. */
void prompt_locals(uint64_t prompt, uint32_t count, uint64_t *ret_locals);

/* Store the first `count` blocks of prompt number `prompt` in a tier. */
void prompt_store(struct rdx_publisher *publisher, uint64_t prompt, uint32_t count, uint8_t tier);

/* Remove `count` of its blocks, from number `first` on. */
void prompt_remove(struct rdx_publisher *publisher, uint64_t prompt, uint32_t first, uint32_t count,
		   uint8_t tier);

/* What a worker's rank 0 holds, as the index shows it; polls until it does. */
struct prompt_held {
	uint64_t sum, count; /* of hashes of what is held: no order */
};
struct prompt_held prompt_held(struct indexer_rig *x, uint64_t worker_id);

/* Leading blocks of the prompt that the rank holds in any tier, asked for `count`; -1: it
 * has no row. */
int prompt_run(struct rdx_index *index, uint64_t prompt, uint32_t count, uint64_t worker_id,
	       uint32_t dp_rank);

/* Poll once, and sleep if there was nothing to do. */
void indexer_poll(struct indexer_rig *x);

/* Poll until the index shows the rank in that state (and, if it is EXACT, with all that
 * `publisher` has published, unless it is NULL). */
void until_state(struct indexer_rig *x, uint64_t worker_id, uint32_t dp_rank, uint8_t state,
		 const struct rdx_publisher *publisher, struct rdx_index_rank *ret_info);

/* Poll until the segment of the rank is not followed for `cause`; 0: followed. */
void until_cause(struct indexer_rig *x, uint64_t worker_id, uint32_t dp_rank, int32_t cause);

#endif
