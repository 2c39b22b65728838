/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ranks of a namespace: found, joined to the index they feed, seen to be gone, forgotten.
 */
#ifndef RDX_ROSTER_H
#define RDX_ROSTER_H

#include "consumer/indexer/indexer_state.h"

/*
 * If it is time or the kernel says that a segment was closed, ask locks: a rank whose lock is free is gone, and
 * leaves its index at once. Then walk through the namespace if it is time or something changed: join segments
 * that are new, forget ranks whose files are gone, refuse those that became longer than their worker may
 * have. 0, -ENOENT where the directory was removed, -ENOMEM; other failures concern their rank only.
 */
int rdx_roster_discover(struct rdx_indexer *indexer, uint64_t now_ns);

/* Add one rank's counts. */
void rdx_roster_add_stats(const struct rdx_rank *rank, struct rdx_indexer_stats *stats);

#endif
