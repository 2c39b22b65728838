/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of names: the first one of a name holds its block, the last one that goes lets it go; the
 * first holder of a block and the last one are events.
 */
#ifndef RDX_COPIES_H
#define RDX_COPIES_H

#include "producer/emit.h"

/* Stands for "not dropped": a counter that counts no drops. */
#define RDX_COPIES_KEPT RDX_COUNTER_EVENTS

/* Is there room for the block to be held by one more name? RDX_COPIES_KEPT, or why not. The node is
 * settled. */
enum rdx_counter rdx_copies_room(const struct rdx_publisher *p, uint32_t block, uint8_t tier);

/* One more copy of a name, whose node is settled and whose block is placed. `local`: the block's
 * local hash, which an event needs. Returns RDX_COPIES_KEPT, or why there cannot be one. */
enum rdx_counter rdx_copies_add(struct rdx_publisher *p, uint32_t index, uint8_t tier,
				uint64_t local);

/* One copy of a name, which is settled and has one in the tier, is gone. */
void rdx_copies_remove(struct rdx_publisher *p, uint32_t index, uint8_t tier);

#endif
