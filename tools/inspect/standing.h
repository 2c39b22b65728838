/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the indexes of a namespace say of its ranks, for who looks at segments.
 */
#ifndef INSPECT_STANDING_H
#define INSPECT_STANDING_H

#include "tools/inspect/ranks.h"
#include "tools/inspect/space.h"

#include "consumer/index/refused_file.h"

#include <ringdex/rdx_index.h>

struct standing {
	struct rdx_index_rank *ranks; /* of all indexes that can be read */
	size_t count;
	int has_indexer;
	int is_whole;    /* 1: all indexes could be read */
	int is_changing; /* 1: one was in the midst of a change for longer than that takes */
	struct rdx_refused_file refused; /* what the indexer that runs does not follow */
};

/* Look into all indexes. What cannot be read is left out. */
void standing_look(const struct space *space, struct standing *ret_standing);
void standing_free(struct standing *standing);

/* The row of this life of a rank, NULL: none has it. */
const struct rdx_index_rank *standing_find(const struct standing *standing,
					   const struct rank_name *name, uint64_t epoch);

/* Why the indexer that runs does not follow a rank: -errno; 0: it does not say. */
int standing_refused(const struct standing *standing, const struct rank_name *name);

/* Ranks of a worker that the indexes have, and that are not GONE. */
uint32_t standing_of_worker(const struct standing *standing, uint64_t worker_id);

#endif
