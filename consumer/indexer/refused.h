/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ranks the indexer does not follow, and why, for who looks from outside: index/refused. A rank that
 * is in an index is not in it: its row says the cause. Made again when it changes, removed when there is none.
 */
#ifndef RDX_REFUSED_H
#define RDX_REFUSED_H

#include "consumer/index/refused_file.h"
#include "consumer/indexer/indexer_state.h"

/* After a walk. What cannot be written, or was removed, is written after the next one. */
void rdx_refused_tell(struct rdx_indexer *indexer);

/* It ends, with its lock. */
void rdx_refused_end(struct rdx_indexer *indexer);

#endif
