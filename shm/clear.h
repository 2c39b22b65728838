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

/* Is clear stamp `a` before `b`? They wrap; compare them nowhere else. */
static inline int rdx_clear_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/* Raise the stamp and return the new one. */
static inline uint32_t rdx_clear_bump(struct rdx_clear *clear)
{
	/* C1, with rdx_clear_stamp */
	uint64_t before = atomic_fetch_add_explicit(&clear->stamp, 1, memory_order_acq_rel);

	RDX_HOOK(RDX_HOOK_CLEAR_BUMPED);
	return (uint32_t)(before + 1);
}

/* As many clears as another copy of the file has seen, whoever else makes up for them. */
static inline void rdx_clear_raise(struct rdx_clear *clear, uint32_t stamp)
{
	uint64_t now = atomic_load_explicit(&clear->stamp, memory_order_relaxed);

	while (rdx_clear_before((uint32_t)now, stamp) && /* C1, with rdx_clear_stamp */
	       !atomic_compare_exchange_weak_explicit(&clear->stamp, &now, stamp,
						      memory_order_acq_rel, memory_order_relaxed))
		;
}

static inline uint32_t rdx_clear_stamp(const struct rdx_clear *clear)
{
	return (uint32_t)atomic_load_explicit(&clear->stamp, memory_order_acquire); /* C1 */
}

#endif
