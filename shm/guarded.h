/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mappings that the SIGBUS guard looks after (guard.c).
 *
 * Its handler may run on any thread at any instruction, so they are kept in a fixed array of atomics.
 * An entry's use count is raised when the entry is complete and before it is erased: between two looks
 * at the same odd count it belonged to one mapping. All accesses are seq_cst: the handler waits for
 * nobody, and a fault need not be fast.
 */
#ifndef RDX_GUARDED_H
#define RDX_GUARDED_H

#include "shm/hook.h"
#include "shm/mapping.h"

#include <errno.h>
#include <stddef.h>

struct rdx_guarded {
	_Atomic uint64_t use; /* odd: in use */
	_Atomic uintptr_t base;
	_Atomic uint64_t bytes;
	_Atomic(struct rdx_mapping *) mapping;
};

struct rdx_guarded_all {
	struct rdx_guarded *entry;
	uint32_t max;
	_Atomic uint32_t end; /* entries ever used */
};

/* -ENOSPC. */
static inline int rdx_guarded_add(struct rdx_guarded_all *all, struct rdx_mapping *mapping)
{
	for (uint32_t i = 0; i < all->max; i++) {
		struct rdx_mapping *none = NULL;
		struct rdx_guarded *entry = &all->entry[i];
		uint32_t end = atomic_load(&all->end);

		if (!atomic_compare_exchange_strong(&entry->mapping, &none, mapping))
			continue;
		atomic_store(&entry->bytes, mapping->bytes);
		atomic_store(&entry->base, (uintptr_t)mapping->base);
		atomic_fetch_add(&entry->use, 1);
		while (end < i + 1 && !atomic_compare_exchange_weak(&all->end, &end, i + 1))
			;
		return 0;
	}
	return -ENOSPC;
}

static inline void rdx_guarded_remove(struct rdx_guarded_all *all,
				      const struct rdx_mapping *mapping)
{
	uint32_t end = atomic_load(&all->end);

	for (uint32_t i = 0; i < end; i++) {
		if (atomic_load(&all->entry[i].mapping) != mapping)
			continue;
		atomic_fetch_add(&all->entry[i].use, 1);
		atomic_store(&all->entry[i].mapping, NULL);
		return;
	}
}

/* An entry's mapping, if `address` lies in it. An entry that changes meanwhile is not the one that
 * faulted: that mapping stays guarded until the access is over. */
static inline struct rdx_mapping *rdx_guarded_in(const struct rdx_guarded *entry, uintptr_t address,
						 uintptr_t *ret_base, uint64_t *ret_bytes)
{
	uint64_t use = atomic_load(&entry->use), bytes;
	struct rdx_mapping *mapping;
	uintptr_t base;

	if (!(use & 1))
		return NULL;
	base = atomic_load(&entry->base);
	RDX_HOOK(RDX_HOOK_GUARD_BASE);
	bytes = atomic_load(&entry->bytes);
	mapping = atomic_load(&entry->mapping);
	if (atomic_load(&entry->use) != use || address < base || address - base >= bytes)
		return NULL;
	*ret_base = base;
	*ret_bytes = bytes;
	return mapping;
}

/* The mapping that `address` lies in, and where that is; NULL. */
static inline struct rdx_mapping *rdx_guarded_find(const struct rdx_guarded_all *all,
						   uintptr_t address, uintptr_t *ret_base,
						   uint64_t *ret_bytes)
{
	uint32_t end = atomic_load(&all->end);
	struct rdx_mapping *mapping = NULL;

	for (uint32_t i = 0; i < end && !mapping; i++)
		mapping = rdx_guarded_in(&all->entry[i], address, ret_base, ret_bytes);
	return mapping;
}

#endif
