/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of buckets that grows in steps: one for more keys comes beside it, and what it holds is moved
 * index by index. Meanwhile an index tells which of the two its entry is in, and a key is looked for in
 * both, first where most soon are.
 */
#ifndef RDX_FILING_H
#define RDX_FILING_H

#include "producer/buckets.h"

struct rdx_filing {
	struct rdx_buckets table;
	struct rdx_buckets before; /* while `left`: of the indexes from `moved` on, so many */
	uint32_t moved;
	uint32_t left;
};

static inline void rdx_filing_init(struct rdx_filing *filing, void *memory, uint32_t keys)
{
	*filing = (struct rdx_filing){.left = 0};
	rdx_buckets_init(&filing->table, memory, keys);
}

/* Go on in a table for more keys, than `indexes` too, which all indexes so far are below. All that there
 * were before are moved to the table that there is. `memory`: as of rdx_filing_init, and what the table
 * is in now stays until nothing is left. */
static inline void rdx_filing_extend(struct rdx_filing *filing, void *memory, uint32_t keys,
				     uint32_t indexes)
{
	filing->before = filing->table;
	rdx_buckets_init(&filing->table, memory, keys);
	filing->moved = 0;
	filing->left = indexes;
}

static inline struct rdx_buckets *rdx_filing_of(struct rdx_filing *filing, uint32_t index)
{
	/* below `moved` the difference is large */
	return __builtin_expect(index - filing->moved < filing->left, 0) ? &filing->before
									 : &filing->table;
}

static inline void rdx_filing_insert(struct rdx_filing *filing, uint64_t hash, uint32_t index)
{
	rdx_buckets_insert(rdx_filing_of(filing, index), hash, index);
}

static inline void rdx_filing_remove(struct rdx_filing *filing, uint64_t hash, uint32_t index)
{
	rdx_buckets_remove(rdx_filing_of(filing, index), hash, index);
}

/* The next index is moved; `is_filed`: it has an entry. */
static inline void rdx_filing_move(struct rdx_filing *filing, int is_filed, uint64_t hash)
{
	uint32_t index = filing->moved++;

	filing->left--;
	if (!is_filed)
		return;
	rdx_buckets_remove(&filing->before, hash, index);
	rdx_buckets_insert(&filing->table, hash, index);
}

RDX_PREFETCHES void rdx_filing_prefetch(const struct rdx_filing *filing, uint64_t hash)
{
	rdx_buckets_prefetch(&filing->table, hash);
	if (__builtin_expect(filing->left != 0, 0))
		rdx_buckets_prefetch(&filing->before, hash);
}

#endif
