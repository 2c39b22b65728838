/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bell: sleeping without losing a wakeup, and no system call while nobody sleeps.
 *
 *   consumer  w = rdx_bell_arm ; look at all rings again ; wait while word == w
 *   producer  publish ; if (rdx_bell_ring) wake all
 *
 *   S1  flag := 1, seq_cst fence, look at the rings  x  publish, seq_cst fence, look at
 *       the flag: at least one of the two sees the other
 *   S2  flag := 0, word + 1 (release) -> word (acquire): a consumer that sees the new
 *       word and arms again is not cleared by the ring before
 *
 * The producer clears the flag, never the consumer: with two sleepers any other order loses a
 * wakeup. Sleep with a timeout anyway: a producer may die before it rings.
 */
#ifndef RDX_BELL_H
#define RDX_BELL_H

#include "shm/hook.h"
#include "shm/namespace_layout.h"
#include "shm/words.h"

/* Returns the word to wait on while it stays the same. Look at all rings after this. */
static inline uint32_t rdx_bell_arm(struct rdx_bell *bell)
{
	uint32_t word = atomic_load_explicit(&bell->word, memory_order_acquire); /* S2 */

	RDX_HOOK(RDX_HOOK_BELL_ARMING);
	atomic_store_explicit(&bell->flag, 1, memory_order_relaxed);
	rdx_fence_seq_cst(); /* S1, with rdx_bell_ring */
	return word;
}

/* After publishing: 1 if all waiters on bell->word must be woken. */
static inline int rdx_bell_ring(struct rdx_bell *bell)
{
	rdx_fence_seq_cst(); /* S1, with rdx_bell_arm */
	RDX_HOOK(RDX_HOOK_BELL_CHECK);
	if (!atomic_load_explicit(&bell->flag, memory_order_relaxed))
		return 0;
	atomic_store_explicit(&bell->flag, 0, memory_order_relaxed);
	RDX_HOOK(RDX_HOOK_BELL_CLEARED);
	atomic_fetch_add_explicit(&bell->word, 1, memory_order_release); /* S2 */
	RDX_HOOK(RDX_HOOK_BELL_RUNG);
	return 1;
}

#endif
