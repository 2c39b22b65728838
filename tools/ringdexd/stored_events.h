/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one rank holds as Stored events of NVIDIA Dynamo's stand-alone indexer (dynamo-kv-router 1.6.1), as its
 * /dump has them: consecutive blocks of a tier in one event, parents before their children.
 *
 * A block's name there is Dynamo's own sequence hash, which anybody can compute: our prefix hashes depend on the
 * namespace's key, and do not leave the host.
 */
#ifndef RINGDEXD_STORED_EVENTS_H
#define RINGDEXD_STORED_EVENTS_H

#include "tools/ringdexd/answer.h"

#include <ringdex/rdx_reader.h>

/* Of one tier: consecutive blocks that no event has yet. */
struct stored_run {
	struct answer blocks; /* their texts */
	uint64_t last_turn;   /* of the last of them */
	uint64_t parent_name; /* of the first one's parent, where has_parent */
	uint32_t count;
	uint8_t has_parent;
};

struct stored_events {
	struct answer *to;
	uint64_t worker_id;
	uint32_t dp_rank;
	uint64_t event_id; /* of the next event */
	uint32_t any;      /* there is an event before */

	/* of the blocks told so far, by turn */
	struct stored_block *told;
	uint64_t count;
	uint64_t capacity;

	uint64_t left_out; /* not described, or not below a root */
	struct stored_run runs[RDX_TIER_COUNT];
};

/* A rank's events begin; `to` may be emptied between two blocks. */
void stored_events_begin(struct stored_events *events, struct answer *to, uint64_t worker_id,
			 uint32_t dp_rank);

/* A block, as rdx_reader_each tells it. -ENOMEM */
int stored_events_add(struct stored_events *events, const struct rdx_block *block);

/* The rest of them. -ENOMEM */
int stored_events_end(struct stored_events *events);

void stored_events_free(struct stored_events *events);

#endif
