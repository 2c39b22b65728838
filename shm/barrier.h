/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The barrier index: which slot holds the newest all-tier Cleared. Everything before it
 * is dead, and recovery neither reads nor copies it.
 *
 *   B1  Cleared published -> barrier (release): a reader that loads the barrier (acquire) finds the
 *       slot it names published, or overwritten
 */
#ifndef RDX_BARRIER_H
#define RDX_BARRIER_H

#include "shm/event.h"

static inline void rdx_barrier_name(struct rdx_segment_live *live, uint64_t position)
{
	atomic_store_explicit(&live->barrier, position + 1, memory_order_release); /* B1 */
	RDX_HOOK(RDX_HOOK_BARRIER_NAMED);
}

/* 1 + position of the newest all-tier Cleared, 0 for none. Check the slot before you trust it. */
static inline uint64_t rdx_barrier_load(const struct rdx_segment_live *live)
{
	return atomic_load_explicit(&live->barrier, memory_order_acquire); /* B1 */
}

#endif
