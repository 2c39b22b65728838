/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mappings that the SIGBUS guard looks after (guard.c).
 *
 * Its handler may run on any thread at any instruction, so they are kept in a fixed array of atomics.
 * An entry's use count is raised when the entry is complete and before it is erased: between two looks
 * at the same odd count it belonged to one mapping. All accesses are seq_cst: the handler waits for
 * nobody, and a fault need not be fast.
 *
 * Mappings with the same group fall together. They are guarded, let go and accessed by one thread, so that
 * none of them changes while its handler runs.
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
	_Atomic(const void *) group; /* NULL: it falls alone */
	_Atomic(struct rdx_mapping *) mapping;
};

/* An entry as it was at one instant. */
struct rdx_guarded_seen {
	struct rdx_mapping *mapping;
	uintptr_t base;
	uint64_t bytes;
	const void *group;
};

struct rdx_guarded_all {
	struct rdx_guarded *entry;
	uint32_t max;
	_Atomic uint32_t end; /* entries ever used */
};

/* -ENOSPC. */
static inline int rdx_guarded_add(struct rdx_guarded_all *all, struct rdx_mapping *mapping,
				  const void *group)
{
	for (uint32_t i = 0; i < all->max; i++) {
		struct rdx_mapping *none = NULL;
		struct rdx_guarded *entry = &all->entry[i];
		uint32_t end = atomic_load(&all->end);

		if (!atomic_compare_exchange_strong(&entry->mapping, &none, mapping))
			continue;
		atomic_store(&entry->bytes, mapping->bytes);
		atomic_store(&entry->base, (uintptr_t)mapping->base);
		atomic_store(&entry->group, group);
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

/* 1; 0 if it is not in use, or changes meanwhile: then it is not the one that faulted, which stays
 * guarded until the access is over. */
static inline int rdx_guarded_look(const struct rdx_guarded *entry,
				   struct rdx_guarded_seen *ret_seen)
{
	uint64_t use = atomic_load(&entry->use);

	if (!(use & 1))
		return 0;
	ret_seen->base = atomic_load(&entry->base);
	RDX_HOOK(RDX_HOOK_GUARD_BASE);
	ret_seen->bytes = atomic_load(&entry->bytes);
	ret_seen->group = atomic_load(&entry->group);
	ret_seen->mapping = atomic_load(&entry->mapping);
	return atomic_load(&entry->use) == use;
}

/* What is guarded where `address` lies: 1, or 0. */
static inline int rdx_guarded_find(const struct rdx_guarded_all *all, uintptr_t address,
				   struct rdx_guarded_seen *ret_seen)
{
	uint32_t end = atomic_load(&all->end);

	for (uint32_t i = 0; i < end; i++) {
		if (rdx_guarded_look(&all->entry[i], ret_seen) && address >= ret_seen->base &&
		    address - ret_seen->base < ret_seen->bytes)
			return 1;
	}
	return 0;
}

#endif
