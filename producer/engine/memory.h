/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the engine's side: no page fault in a call later.
 */
#ifndef RDX_ENGINE_MEMORY_H
#define RDX_ENGINE_MEMORY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RDX_ENGINE_MEMORY_ALIGN 64

/* Zeros, in whole lines, written here. After calloc a compiler would drop the writing. NULL: none. */
static inline void *rdx_engine_memory_make(uint64_t bytes)
{
	uint64_t lines = (bytes + RDX_ENGINE_MEMORY_ALIGN - 1) / RDX_ENGINE_MEMORY_ALIGN;
	void *memory = aligned_alloc(RDX_ENGINE_MEMORY_ALIGN, lines * RDX_ENGINE_MEMORY_ALIGN);

	if (memory)
		memset(memory, 0, lines * RDX_ENGINE_MEMORY_ALIGN);
	return memory;
}

#endif
