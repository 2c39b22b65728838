/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys that were made for a line: who reads the table's secret finds by trying what fills all lines
 * that some key may be in. The worker with more keys there than chance gives it makes room, or does
 * without; all others stay EXACT. A table with a new secret follows, see grow.h.
 */
#ifndef RDX_CROWD_H
#define RDX_CROWD_H

#include "consumer/writer/writer_state.h"

/*
 * Put a key with these columns where it found no slot. 1: another one had to go, and its holders have
 * lost it. 0: the holders of this one are those whose keys crowd, and have lost it. -ENOSPC: no set.
 */
int rdx_crowd_put(struct rdx_index_writer *w, struct rdx_writer_table *table, uint64_t key,
		  const uint64_t *columns);

#endif
