/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker-wide clear: some engines clear all ranks of a worker and report it on one of them.
 *
 *   C1  stamp + 1 (acq_rel) -> stamp seen (acquire): a reader that sees the new stamp, in the file
 *       or in an event, drops what is older
 */
#ifndef RDX_CLEAR_H
#define RDX_CLEAR_H

#include "shm/hook.h"
#include "shm/namespace_layout.h"

/* Raise the stamp and return the new one. */
static inline uint32_t rdx_clear_bump(struct rdx_clear *clear)
{
	/* C1, with rdx_clear_stamp */
	uint64_t before = atomic_fetch_add_explicit(&clear->stamp, 1, memory_order_acq_rel);

	RDX_HOOK(RDX_HOOK_CLEAR_BUMPED);
	return (uint32_t)(before + 1);
}

static inline uint32_t rdx_clear_stamp(const struct rdx_clear *clear)
{
	return (uint32_t)atomic_load_explicit(&clear->stamp, memory_order_acquire); /* C1 */
}

/* Is clear stamp `a` before `b`? They wrap; compare them nowhere else. */
static inline int rdx_clear_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

#endif
