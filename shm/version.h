/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions of the mask words make what a reader concludes from several words true of one moment.
 *
 * Ordinary bits of the table change freely. What makes a reader's conclusions from them wrong is
 * changed only between rdx_version_open and rdx_version_close of the mask word: which columns are
 * visible, of which ranks, which sets may have orphans; and under mask word 0 also which ranks
 * there are and their epochs.
 *
 *   V1  version + 1 (relaxed), release fence, changes, and everything after them
 *       -> any of it seen, acquire fence, version: a reader that saw an effect of the
 *       change, or of what the change allowed, sees another version
 *   V2  changes, version + 1 (release) -> version (acquire), changes: a reader that saw
 *       the version sees the changes and every bit written before them
 */
#ifndef RDX_VERSION_H
#define RDX_VERSION_H

#include "shm/hook.h"
#include "shm/index_layout.h"
#include "shm/words.h"

/* The writer's: columns of a mask word are about to change. Does not nest. */
static inline void rdx_version_open(struct rdx_index_live *live, uint32_t word)
{
	_Atomic uint64_t *version = &live->version[word].value;

	/* relaxed: V1's fence orders it before the changes */
	atomic_store_explicit(version, atomic_load_explicit(version, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	RDX_HOOK(RDX_HOOK_COLUMN_OPENED);
	rdx_fence_release(); /* V1, with rdx_version_same */
}

static inline void rdx_version_close(struct rdx_index_live *live, uint32_t word)
{
	_Atomic uint64_t *version = &live->version[word].value;

	RDX_HOOK(RDX_HOOK_COLUMN_CHANGED);
	atomic_store_explicit(version, atomic_load_explicit(version, memory_order_relaxed) + 1,
			      memory_order_release); /* V2, with rdx_version_load */
	RDX_HOOK(RDX_HOOK_COLUMN_CLOSED);
}

/* The reader's: versions of the first `words` mask words. Returns 0 if one of them is being
 * changed. */
static inline int rdx_version_load(const struct rdx_index_live *live, uint32_t words,
				   uint64_t *ret_versions)
{
	uint64_t odd = 0;

	for (uint32_t word = 0; word < words; word++) {
		ret_versions[word] = atomic_load_explicit(&live->version[word].value,
							  memory_order_acquire); /* V2 */
		odd |= ret_versions[word];
	}
	RDX_HOOK(RDX_HOOK_LOOKUP_VERSIONS);
	return !(odd & 1);
}

/* Did nothing change since rdx_version_load? Call it after the last word was read. */
static inline int rdx_version_same(const struct rdx_index_live *live, uint32_t words,
				   const uint64_t *versions)
{
	uint64_t changed = 0;

	rdx_fence_acquire(); /* V1, with rdx_version_open; E4, with rdx_entry_settle */
	for (uint32_t word = 0; word < words; word++)
		changed |= rdx_word_load(&live->version[word].value) ^ versions[word];
	return !changed;
}

#endif
