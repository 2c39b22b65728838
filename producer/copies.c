/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/copies.h"

enum rdx_counter rdx_copies_room(const struct rdx_publisher *p, uint32_t block, uint8_t tier)
{
	uint32_t holders = rdx_node_holders(&p->lineage.nodes[block], tier);

	if (holders == RDX_NODE_HOLDERS_MAX)
		return RDX_COUNTER_MAP_FULL;
	if (!holders && rdx_lineage_held(&p->lineage, tier) == p->tier_blocks[tier])
		return RDX_COUNTER_LEDGER_FULL;
	return RDX_COPIES_KEPT;
}

/* One more name holds the block in the tier. */
static enum rdx_counter hold_block(struct rdx_publisher *p, uint32_t block, uint8_t tier,
				   uint64_t local)
{
	enum rdx_counter cause = rdx_copies_room(p, block, tier);

	if (cause != RDX_COPIES_KEPT)
		return cause;
	if (rdx_node_holders(&p->lineage.nodes[block], tier)) {
		rdx_lineage_hold(&p->lineage, block, tier);
		return RDX_COPIES_KEPT;
	}
	rdx_emit_before_stored(p, tier, block);
	rdx_lineage_hold(&p->lineage, block, tier);
	rdx_emit_stored(p, tier, block, local);
	return RDX_COPIES_KEPT;
}

/* The name was stored where it has a copy already. */
static void repeat(struct rdx_publisher *p, struct rdx_node *node, uint8_t tier)
{
	int most = rdx_node_copies(node, tier) == RDX_NODE_COPIES_MAX;

	rdx_publisher_count(p, RDX_COUNTER_REPEATS, 1);
	if (p->report_mode == RDX_REPORT_PRESENCE)
		return;
	if (p->report_mode == RDX_REPORT_MIXED || most)
		rdx_publisher_mark_inexact(p, (uint8_t)(1 << tier));
	if (!most)
		node->copies += rdx_node_one_copy(tier);
}

enum rdx_counter rdx_copies_add(struct rdx_publisher *p, uint32_t index, uint8_t tier,
				uint64_t local)
{
	struct rdx_node *node = &p->lineage.nodes[index];
	enum rdx_counter cause;

	if (rdx_node_copies(node, tier)) {
		repeat(p, node, tier);
		return RDX_COPIES_KEPT;
	}
	cause = hold_block(p, rdx_lineage_block(&p->lineage, index), tier, local);
	if (cause != RDX_COPIES_KEPT)
		return cause;
	if (node->state & RDX_NODE_ALIAS && !node->copies && !node->children)
		rdx_hand_keep(&p->lineage.hand, index);
	node->copies += rdx_node_one_copy(tier);
	return RDX_COPIES_KEPT;
}

void rdx_copies_remove(struct rdx_publisher *p, uint32_t index, uint8_t tier)
{
	struct rdx_lineage *lineage = &p->lineage;
	struct rdx_node *node = &lineage->nodes[index];
	uint32_t block = rdx_lineage_block(lineage, index);
	int is_last;

	node->copies -= rdx_node_one_copy(tier);
	if (rdx_node_copies(node, tier))
		return;
	is_last = rdx_node_holders(&lineage->nodes[block], tier) == 1;
	if (is_last)
		rdx_emit_before_removed(p, tier, rdx_node_depth(&lineage->nodes[block]));
	rdx_lineage_drop(lineage, block, tier);
	if (is_last)
		rdx_emit_removed(p, tier, block);
	if (node->state & RDX_NODE_ALIAS)
		rdx_lineage_rest(lineage, index, 1);
}
