/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of names: the first one of a name holds its block, the last one that goes lets it go; the
 * first holder of a block and the last one are events. Those that have no place in the tree lie in
 * `lacking`, until they are gone or a store finds them a place.
 */
#ifndef RDX_COPIES_H
#define RDX_COPIES_H

#include "producer/emit.h"

/* Stands for "not dropped": a counter that counts no drops. */
#define RDX_COPIES_KEPT RDX_COUNTER_EVENTS

/* Is there room for the block to be held by one more name? RDX_COPIES_KEPT, or why not. The node is
 * settled. If need be there is more then. */
enum rdx_counter rdx_copies_room(struct rdx_publisher *p, uint32_t block, uint8_t tier);

/* One more copy of a name, whose node is settled and whose block is placed. `local`: the block's
 * local hash, which an event needs. Returns RDX_COPIES_KEPT, or why there cannot be one. */
enum rdx_counter rdx_copies_add(struct rdx_publisher *p, uint32_t index, uint8_t tier,
				uint64_t local);

/* One copy of a name, which is settled and has one in the tier, is gone. */
void rdx_copies_remove(struct rdx_publisher *p, uint32_t index, uint8_t tier);

/*
 * One more copy of a name cannot be represented. `index`: its node, or RDX_NODE_NONE. `doubted`: it
 * may stand for something else than before, in every tier that holds it; nothing is stored below it or
 * by it alone any more until it is stored anew. The rank is LACKING, or UNKNOWN, until these copies
 * are gone.
 */
void rdx_copies_lack(struct rdx_publisher *p, const struct rdx_name_key *key, uint32_t index,
		     uint8_t tier, int doubted);

/* What the name, which is settled, stands for is doubted so, in every tier that holds it. */
void rdx_copies_doubt(struct rdx_publisher *p, const struct rdx_name_key *key, uint32_t index);

/* One copy of a name is gone. RDX_TIER_OTHER is allowed. Returns 0 if there was none. */
int rdx_copies_take(struct rdx_publisher *p, const struct rdx_name_key *key, uint32_t index,
		    uint8_t tier);

/* So many copies of a name are left, as above. */
int rdx_copies_leave(struct rdx_publisher *p, const struct rdx_name_key *key, uint32_t index,
		     uint8_t tier, uint32_t left);

#endif
