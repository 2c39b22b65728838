/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transitions into events: blocks that become held or stop being held are collected, and
 * published as few events.
 */
#ifndef RDX_EMIT_H
#define RDX_EMIT_H

#include "producer/publisher_state.h"

/* Publish what is collected. */
void rdx_emit_flush(struct rdx_publisher *p);

/*
 * Before a block becomes held (its node: `index`) or stops being held (of `depth`):
 * publish what is collected if the block cannot go into the same event, since the
 * event's orphan bits are those of the moment after it.
 */
static inline void rdx_emit_before_stored(struct rdx_publisher *p, uint8_t tier, uint32_t index)
{
	const struct rdx_pending *pending = &p->pending;

	if (pending->count == 0)
		return;
	if (pending->kind == RDX_EVENT_STORED && pending->tier == tier &&
	    pending->count < pending->stored_max && pending->last == p->lineage.nodes[index].parent)
		return;
	rdx_emit_flush(p);
}

static inline void rdx_emit_before_removed(struct rdx_publisher *p, uint8_t tier, uint32_t depth)
{
	const struct rdx_pending *pending = &p->pending;

	if (pending->count == 0)
		return;
	/* children before parents: a deeper block might be a child of one listed already */
	if (pending->kind == RDX_EVENT_REMOVED && pending->tier == tier &&
	    pending->count < pending->removed_max && depth <= pending->last_depth)
		return;
	rdx_emit_flush(p);
}

static inline void rdx_emit_collect(struct rdx_publisher *p, uint32_t index, uint64_t hash)
{
	const struct rdx_node *node = &p->lineage.nodes[index];
	struct rdx_pending *pending = &p->pending;

	pending->hashes[pending->count] = hash;
	pending->words[pending->count] =
		rdx_ledger_word(node->prefix, rdx_node_tiers(node), p->lineage.generations);
	pending->records[pending->count] = index;
	pending->count++;
}

/* Collect the block, which is held in the tier now, or is not any more. */
static inline void rdx_emit_stored(struct rdx_publisher *p, uint8_t tier, uint32_t index,
				   uint64_t local)
{
	const struct rdx_node *node = &p->lineage.nodes[index];
	struct rdx_pending *pending = &p->pending;

	if (pending->count == 0) {
		pending->kind = RDX_EVENT_STORED;
		pending->tier = tier;
		pending->first_block = rdx_node_depth(node);
		pending->parent =
			node->parent == RDX_NODE_ROOT ? 0 : p->lineage.nodes[node->parent].prefix;
	}
	rdx_emit_collect(p, index, local);
	pending->last = index;
}

static inline void rdx_emit_removed(struct rdx_publisher *p, uint8_t tier, uint32_t index)
{
	const struct rdx_node *node = &p->lineage.nodes[index];
	struct rdx_pending *pending = &p->pending;

	pending->kind = RDX_EVENT_REMOVED;
	pending->tier = tier;
	rdx_emit_collect(p, index, node->prefix);
	pending->last_depth = rdx_node_depth(node);
}

/* Publish Cleared. The private state is cleared already, and gives the ledger its generations. */
void rdx_emit_cleared(struct rdx_publisher *p, uint8_t scope);

/* End of a call: publish what is collected, say what the rank is worth if no event did, store the
 * segment's counters, ring the bell or, in a batch, note that it is due. `tail` is the position at the
 * call's start. */
void rdx_emit_finish(struct rdx_publisher *p, uint64_t tail);

/* Wake who sleeps. There is a bell. */
void rdx_emit_ring(struct rdx_publisher *p);

/* The counters that mirror state, and the flags. */
void rdx_emit_counters(struct rdx_publisher *p);

#endif
