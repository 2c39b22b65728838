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

/* Collect the block: its first holder came and it gets a ledger word, or its last one went and the
 * word is given back. */
static inline void rdx_emit_stored(struct rdx_publisher *p, uint8_t tier, uint32_t index)
{
	const struct rdx_node *node = &p->lineage.nodes[index];
	struct rdx_pending *pending = &p->pending;

	if (pending->count == 0) {
		pending->kind = RDX_EVENT_STORED;
		pending->tier = tier;
		pending->first_block = rdx_lineage_depth(node);
		pending->parent =
			node->parent == RDX_NODE_ROOT ? 0 : p->lineage.nodes[node->parent].prefix;
	}
	pending->hashes[pending->count] = node->local;
	pending->prefixes[pending->count] = node->prefix;
	pending->words[pending->count] = node->ledger[tier];
	pending->count++;
	pending->last = index;
}

static inline void rdx_emit_removed(struct rdx_publisher *p, uint8_t tier, uint64_t prefix,
				    uint32_t depth, uint32_t word)
{
	struct rdx_pending *pending = &p->pending;

	pending->kind = RDX_EVENT_REMOVED;
	pending->tier = tier;
	pending->hashes[pending->count] = prefix;
	pending->words[pending->count] = word;
	pending->count++;
	pending->last_depth = depth;
}

/* Publish Cleared. The private state is cleared already; the ledger is cleared here. */
void rdx_emit_cleared(struct rdx_publisher *p, uint8_t scope);

/* End of a call: publish what is collected, report INEXACT if no event did, store the segment's
 * counters, ring the bell. `tail` is the position at the call's start. */
void rdx_emit_finish(struct rdx_publisher *p, uint64_t tail);

/* The counters that mirror state, and the flags. */
void rdx_emit_counters(struct rdx_publisher *p);

#endif
