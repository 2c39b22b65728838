/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which table of an index is the current one.
 *
 *   G1  lines of the new table, generation (release) -> generation (acquire), lines: a reader that
 *       sees the new number sees the whole table
 *   G2  generation (release), then a column becomes visible in the new table only and the version
 *       is raised (V2) -> version (acquire), then generation: a reader that sees the column sees a
 *       table that has it. So a reader loads the version first, and the pulses too (P1): one that
 *       sees an event of the new table sees its number
 *   G4  generation, then a lease, which the kernel grants if nobody has the old table open -> open,
 *       then generation: a reader that still sees the old number is counted before the lease is
 *       requested, so what it mapped is not truncated (both system calls order memory)
 *   G5  number of an old table (release), then its memory is freed, by a system call -> a page without
 *       memory, which reads as zeros, acquire fence, number: a reader that met a freed page sees the
 *       number after its probes, and believes none of them. The kernel takes the page from all
 *       mappings before it frees it, so who reads zeros does so after that
 *
 * After the switch the old table does not change: a reader that began before it answers as of the
 * switch, or, after seconds, begins again (G5). The successor of a dead writer makes a new control
 * file of the same name and marks the old one:
 *
 *   G3  new file renamed into place, superseded (release) -> superseded (acquire), open by name: a
 *       reader that sees the mark finds the successor, even if it found none a moment before
 */
#ifndef RDX_GENERATION_H
#define RDX_GENERATION_H

#include "shm/hook.h"
#include "shm/index_layout.h"
#include "shm/words.h"

static inline void rdx_generation_name(struct rdx_index_live *live, uint64_t generation)
{
	RDX_HOOK(RDX_HOOK_GENERATION_BUILT);
	atomic_store_explicit(&live->generation, generation, memory_order_release); /* G1, G2 */
	RDX_HOOK(RDX_HOOK_GENERATION_NAMED);
}

static inline uint64_t rdx_generation_current(const struct rdx_index_live *live)
{
	uint64_t generation =
		atomic_load_explicit(&live->generation, memory_order_acquire); /* G1, G2 */

	RDX_HOOK(RDX_HOOK_LOOKUP_GENERATION);
	return generation;
}

/* The number of a table that is being built, so that readers map it ahead; 0: none is. It orders
 * nothing: who finds no file of that name maps the table after the switch. */
static inline void rdx_generation_announce(struct rdx_index_live *live, uint64_t generation)
{
	rdx_word_store(&live->next, generation);
	RDX_HOOK(RDX_HOOK_GENERATION_ANNOUNCED);
}

static inline uint64_t rdx_generation_next(const struct rdx_index_live *live)
{
	return rdx_word_load(&live->next);
}

/* Before the memory of tables up to this number is freed, whoever has them mapped. */
static inline void rdx_generation_free(struct rdx_index_live *live, uint64_t generation)
{
	atomic_store_explicit(&live->freed, generation, memory_order_release); /* G5 */
}

/* After the probes: did they see a table that had its memory? */
static inline int rdx_generation_kept(const struct rdx_index_live *live, uint64_t generation)
{
	rdx_fence_acquire(); /* G5, with rdx_generation_free */
	return rdx_word_load(&live->freed) < generation;
}

static inline void rdx_generation_supersede(struct rdx_index_live *live)
{
	atomic_store_explicit(&live->superseded, 1, memory_order_release); /* G3 */
}

static inline int rdx_generation_superseded(const struct rdx_index_live *live)
{
	return atomic_load_explicit(&live->superseded, memory_order_acquire) != 0; /* G3 */
}

#endif
