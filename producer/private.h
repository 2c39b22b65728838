/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publisher's private memory: one arena, reserved and touched when it opens, and again, larger, when
 * it grows.
 */
#ifndef RDX_PRIVATE_H
#define RDX_PRIVATE_H

#include "producer/publisher_state.h"

/* Address space for the private state of so many names, of a publisher whose ring and `pending` are
 * known. -ENOMEM, -errno of madvise(2). */
int rdx_private_reserve(struct rdx_arena *ret_arena, const struct rdx_publisher *p, uint32_t names,
			const uint64_t *tier_blocks);

/* Touch every page: no page fault in a publish call later. -ENOMEM */
int rdx_private_touch(const struct rdx_arena *arena);

void rdx_private_free(struct rdx_arena *arena);

/* Lay out the state in `p->arena`, for `p->tier_blocks` and the claimed segment's records. `key`: 2
 * random words. */
void rdx_private_start(struct rdx_publisher *p, const uint64_t *key);

/* The segment and `p->tier_blocks` are larger: go on, with all that is known, in this arena, which is
 * touched. No clear is being swept. The old arena is freed. */
void rdx_private_move(struct rdx_publisher *p, const struct rdx_arena *arena);

#endif
