/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publisher's private memory. What grows with the names has addresses for names_max of them, and never
 * moves; but the tables, which are made anew beside those in use.
 */
#ifndef RDX_PRIVATE_H
#define RDX_PRIVATE_H

#include "producer/publisher_state.h"

/* Addresses for the private state of `names` to p->names_max names, which becomes `names` where there are
 * none for more. Ring and `pending` of the publisher are known. -ENOMEM, -errno of madvise(2). */
int rdx_private_reserve(struct rdx_publisher *p, uint32_t names);

/* Touch all that so many names need: no page fault in a publish call later. -ENOMEM */
int rdx_private_touch(struct rdx_publisher *p, uint32_t names);

void rdx_private_free(struct rdx_publisher *p);

/* Nothing is in it any more: as touched, with room for what there is. */
void rdx_private_wipe(struct rdx_publisher *p);

/* Lay out the state, in touched memory, for the claimed segment's records. `key`: 2 random words. */
void rdx_private_start(struct rdx_publisher *p, const uint64_t *key);

/* Memory for so many names, somewhat more than there are; their nodes are not in use yet. -ENOMEM: all is
 * as it was. */
int rdx_private_extend(struct rdx_publisher *p, uint32_t names);

/* The same for some more namespaces, which may be used then. -ENOMEM, also at RDX_NAMESPACES_MAX. */
int rdx_private_extend_spaces(struct rdx_publisher *p);

/* Free a piece of the tables from which all is moved, if there are some. */
void rdx_private_shrink(struct rdx_publisher *p);

void rdx_private_move_now(struct rdx_publisher *p, uint32_t count);

/* Move the entries of up to `count` names to the new tables, if there are some. */
static inline void rdx_private_move(struct rdx_publisher *p, uint64_t count)
{
	uint32_t left = p->names.filing.left;

	if (__builtin_expect(left != 0, 0))
		rdx_private_move_now(p, count < left ? (uint32_t)count : left);
}

#endif
