/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an indexer of this process says of every rank, and what of it is new.
 */
#ifndef FOLLOW_WATCH_H
#define FOLLOW_WATCH_H

#include "tools/inspect/indexes.h"

#include <errno.h>
#include <ringdex/rdx_indexer.h>

/* A rank as the indexer sees it. */
struct watched_rank {
	struct rdx_index_rank info; /* where it is not `followed` only ids and cause are set */
	uint32_t index;             /* of watch.names */
	uint8_t followed;           /* 0: its segment cannot be read */
	uint8_t changed;            /* since the look before: new, or other state, cause, epoch */
};

/* {0} before the first look. */
struct watch {
	struct index_name *names;
	struct rdx_index **indexes;
	uint32_t index_count;
	struct watched_rank *ranks;
	size_t rank_count;
	uint64_t names_ns; /* next look for indexes, where none is known to be missing */
	int trouble; /* of the last look: 0, or why not all could be looked at, -EMFILE, -ENOMEM.. */
};

/* Look again: how many ranks changed. What cannot be looked at now stays as it was. `stats` are the indexer's. */
int watch_look(struct watch *watch, const struct space *space, const struct rdx_indexer *indexer,
	       const struct rdx_indexer_stats *stats);
void watch_free(struct watch *watch);

/* No descriptors or no memory: an error of this moment, which is worth another try. */
static inline int watch_is_want(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

#endif
