/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Indexes that no rank feeds any more: they are kept for a while, since an engine that starts again
 * comes back to its own, and then closed, and their files removed. They are made again when a rank
 * comes.
 */
#ifndef RDX_UNFED_H
#define RDX_UNFED_H

#include "consumer/indexer/indexer_state.h"

/* Does no rank feed it, not even one that failed? */
int rdx_unfed_is(const struct rdx_indexer *indexer, const struct rdx_fed_index *index);

/* Close one; another one takes its place in the array. Its files go as those that earlier indexers left. */
void rdx_unfed_close(struct rdx_indexer *indexer, struct rdx_fed_index *index, uint64_t now_ns);

/* Close those that have been so for ten minutes. To be called often. */
void rdx_unfed_look(struct rdx_indexer *indexer, uint64_t now_ns);

#endif
