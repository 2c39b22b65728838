/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The version of an index makes what a reader concludes from several words true of one moment.
 *
 * Cells of the table change freely. What makes a reader's conclusions from them wrong is changed
 * only between rdx_version_open and rdx_version_close: which ranks there are, their epochs and
 * states, which columns are visible, and which sets of tiers may have orphans.
 *
 *   V1  version + 1 (relaxed), release fence, changes, and everything after them
 *       -> any of it seen, acquire fence, version: a reader that saw an effect of the
 *       change, or of what the change allowed, sees another version
 *   V2  changes, version + 1 (release) -> version (acquire), changes: a reader that saw
 *       the version sees the changes and every cell written before them
 */
#ifndef RDX_VERSION_H
#define RDX_VERSION_H

#include "shm/hook.h"
#include "shm/index_layout.h"
#include "shm/words.h"

/* The writer's: something that readers conclude from is about to change. Does not nest. */
static inline void rdx_version_open(struct rdx_index_live *live)
{
	/* relaxed: V1's fence orders it before the changes */
	rdx_word_store(&live->version, rdx_word_load(&live->version) + 1);
	RDX_HOOK(RDX_HOOK_COLUMN_OPENED);
	rdx_fence_release(); /* V1, with rdx_version_same */
}

static inline void rdx_version_close(struct rdx_index_live *live)
{
	uint64_t version = rdx_word_load(&live->version);

	RDX_HOOK(RDX_HOOK_COLUMN_CHANGED);
	/* V2, with rdx_version_load */
	atomic_store_explicit(&live->version, version + 1, memory_order_release);
	RDX_HOOK(RDX_HOOK_COLUMN_CLOSED);
}

/* The reader's: odd while something changes. */
static inline uint64_t rdx_version_load(const struct rdx_index_live *live)
{
	uint64_t version = atomic_load_explicit(&live->version, memory_order_acquire); /* V2 */

	RDX_HOOK(RDX_HOOK_LOOKUP_VERSIONS);
	return version;
}

/* Did nothing change since `version` was loaded? Call it after the last word was read. */
static inline int rdx_version_same(const struct rdx_index_live *live, uint64_t version)
{
	rdx_fence_acquire(); /* V1, with rdx_version_open; E4, with rdx_entry_settle */
	return !(version & 1) && rdx_word_load(&live->version) == version;
}

#endif
