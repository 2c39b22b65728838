/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores: runs of blocks with their content, and copies of blocks that are known by name.
 */
#ifndef RDX_STORE_H
#define RDX_STORE_H

#include "producer/copies.h"

/* Names looked up together: enough to hide the latency of memory, few enough for the stack. */
#define RDX_STORE_CHUNK 64

/* Store what a valid call gives. */
void rdx_store(struct rdx_publisher *p, const struct rdx_stored *stored);

/* A name may stand for other content by now: if it is not held, it stands for nothing; else that is
 * doubted until it is gone, if it is `doubted`. */
void rdx_store_forget(struct rdx_publisher *p, const struct rdx_name_key *key, int doubted);

static inline const uint8_t *rdx_store_name_at(const void *names, uint32_t i, uint8_t bytes)
{
	return (const uint8_t *)names + (uint64_t)i * bytes;
}

/* Prefetch the ring slots of an event of so many blocks. */
RDX_PREFETCHES void rdx_store_prefetch_slots(const struct rdx_publisher *p, uint32_t blocks)
{
	const struct rdx_ring *ring = &p->owner.ring;
	uint64_t end = p->position + (p->pending.count + blocks) / RDX_PAYLOAD_WORDS + 1;

	for (uint64_t at = p->position; at < end; at++)
		__builtin_prefetch(&ring->slots[at & ring->mask], 1);
}

/* Prefetch a node that is probably a name's, and its ledger record. */
RDX_PREFETCHES void rdx_store_prefetch(const struct rdx_publisher *p, uint32_t index)
{
	__builtin_prefetch(&p->lineage.nodes[index], 1);
	__builtin_prefetch(&p->lineage.records[index], 1);
}

#endif
