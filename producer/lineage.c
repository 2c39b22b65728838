/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/lineage.h"

#include <errno.h>

/* A life is 8 bits: nodes must be swept before it comes round. */
#define LIVES_MAX 250

static uint64_t capacity_for(uint32_t names)
{
	return 2 * (uint64_t)names + RDX_LINEAGE_SPARE;
}

uint64_t rdx_lineage_bytes(uint32_t names)
{
	return capacity_for(names) *
	       (sizeof(struct rdx_node) + RDX_SLOTS_PER_KEY * sizeof(uint64_t));
}

void rdx_lineage_init(struct rdx_lineage *lineage, void *memory, uint32_t names)
{
	uint64_t capacity = capacity_for(names);

	*lineage = (struct rdx_lineage){
		.nodes = memory,
		.capacity = (uint32_t)capacity,
		.free_head = RDX_NODE_NONE,
	};
	lineage->table.slot = (uint64_t *)(lineage->nodes + capacity);
	lineage->table.count = RDX_SLOTS_PER_KEY * capacity;
}

static uint32_t take_node(struct rdx_lineage *lineage)
{
	uint32_t index = lineage->free_head;

	if (index != RDX_NODE_NONE)
		lineage->free_head = lineage->nodes[index].parent;
	else if (lineage->fresh < lineage->capacity)
		index = lineage->fresh++;
	if (index != RDX_NODE_NONE)
		lineage->count++;
	return index;
}

static void free_node(struct rdx_lineage *lineage, uint32_t index)
{
	struct rdx_node *node = &lineage->nodes[index];

	rdx_slots_remove(&lineage->table, rdx_lineage_tag(node->prefix), index);
	node->parent = lineage->free_head;
	lineage->free_head = index;
	lineage->count--;
}

/* One child less. A node without names has let go of its parent already. */
static void release_child(struct rdx_lineage *lineage, uint32_t index)
{
	struct rdx_node *node;

	if (index == RDX_NODE_ROOT)
		return;
	node = &lineage->nodes[index];
	if (--node->children == 0 && node->names == 0)
		free_node(lineage, index);
}

void rdx_lineage_keep(struct rdx_lineage *lineage, uint32_t index)
{
	if (index != RDX_NODE_ROOT)
		lineage->nodes[index].children++;
}

void rdx_lineage_unkeep(struct rdx_lineage *lineage, uint32_t index)
{
	release_child(lineage, index);
}

static int make_node(struct rdx_lineage *lineage, uint64_t prefix, uint64_t local, uint32_t parent,
		     uint32_t *ret_index)
{
	uint32_t index = take_node(lineage);
	struct rdx_node *node;

	if (index == RDX_NODE_NONE)
		return -ENOSPC;
	node = &lineage->nodes[index];
	*node = (struct rdx_node){
		.prefix = prefix,
		.local = local,
		.depth = parent == RDX_NODE_ROOT ? 0 : lineage->nodes[parent].depth + 1u,
		.life = lineage->life,
	};
	rdx_slots_insert(&lineage->table, rdx_lineage_tag(prefix), index);
	*ret_index = index;
	return 0;
}

static int may_have_child(const struct rdx_lineage *lineage, uint32_t index)
{
	return index == RDX_NODE_ROOT ||
	       (lineage->nodes[index].children < RDX_NODE_CHILDREN_MAX &&
		lineage->nodes[index].depth < RDX_NODE_DEPTH_MAX);
}

int rdx_lineage_name(struct rdx_lineage *lineage, uint64_t prefix, uint64_t local, uint32_t parent,
		     uint32_t *ret_index)
{
	uint32_t index = rdx_lineage_find(lineage, prefix);
	struct rdx_node *node;
	int r;

	if (index != RDX_NODE_NONE) {
		node = &lineage->nodes[index];
		if (node->local != local || (node->names && node->parent != parent))
			return -EEXIST;
		if (node->names) {
			node->names++;
			*ret_index = index;
			return 0;
		}
	}
	if (!may_have_child(lineage, parent))
		return -ENOSPC;
	if (index == RDX_NODE_NONE) {
		r = make_node(lineage, prefix, local, parent, &index);
		if (r < 0)
			return r;
	}
	/* a node that had lost its last name has let go of its parent: same for both */
	lineage->nodes[index].names = 1;
	lineage->nodes[index].parent = parent;
	rdx_lineage_keep(lineage, parent);
	*ret_index = index;
	return 0;
}

void rdx_lineage_unname(struct rdx_lineage *lineage, uint32_t index)
{
	struct rdx_node *node = &lineage->nodes[index];
	uint32_t parent = node->parent;

	if (--node->names)
		return;
	node->parent = RDX_NODE_ROOT;
	if (node->children == 0)
		free_node(lineage, index);
	release_child(lineage, parent);
}

/* The nearest tier that holds the block, RDX_TIER_COUNT for none: it is in this set and
 * all wider ones. */
static int nearest(const struct rdx_node *node)
{
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (node->held[tier].holders)
			return tier;
	}
	return RDX_TIER_COUNT;
}

/* The block came into the sets from .. to - 1. */
static void enter_sets(struct rdx_lineage *lineage, const struct rdx_node *node, int from, int to)
{
	struct rdx_node *parent;
	int parent_in;

	for (int set = from; set < to; set++)
		lineage->orphans[set] -= node->held[set].children;
	if (node->parent == RDX_NODE_ROOT)
		return;
	parent = rdx_lineage_settle(lineage, node->parent);
	parent_in = nearest(parent);
	for (int set = from; set < to; set++) {
		parent->held[set].children++;
		lineage->orphans[set] += set < parent_in;
	}
}

/* The block left the sets from .. to - 1. */
static void leave_sets(struct rdx_lineage *lineage, const struct rdx_node *node, int from, int to)
{
	struct rdx_node *parent;
	int parent_in;

	for (int set = from; set < to; set++)
		lineage->orphans[set] += node->held[set].children;
	if (node->parent == RDX_NODE_ROOT)
		return;
	parent = rdx_lineage_settle(lineage, node->parent);
	parent_in = nearest(parent);
	for (int set = from; set < to; set++) {
		parent->held[set].children--;
		lineage->orphans[set] -= set < parent_in;
	}
}

int rdx_lineage_hold(struct rdx_lineage *lineage, uint32_t index, uint8_t tier)
{
	struct rdx_node *node = rdx_lineage_settle(lineage, index);
	int before = nearest(node);

	if (node->held[tier].holders++)
		return 0;
	lineage->held[tier]++;
	if (tier < before)
		enter_sets(lineage, node, tier, before);
	return 1;
}

int rdx_lineage_drop(struct rdx_lineage *lineage, uint32_t index, uint8_t tier)
{
	struct rdx_node *node = rdx_lineage_settle(lineage, index);
	int before = nearest(node);

	if (--node->held[tier].holders)
		return 0;
	lineage->held[tier]--;
	if (tier == before)
		leave_sets(lineage, node, tier, nearest(node));
	return 1;
}

void rdx_lineage_clear(struct rdx_lineage *lineage)
{
	if (lineage->lives == LIVES_MAX)
		rdx_lineage_sweep(lineage, UINT32_MAX);
	lineage->life++;
	lineage->lives++;
	lineage->swept = 0;
	for (int i = 0; i < RDX_TIER_COUNT; i++)
		lineage->held[i] = lineage->orphans[i] = 0;
}

void rdx_lineage_sweep(struct rdx_lineage *lineage, uint32_t count)
{
	if (!lineage->lives)
		return;
	for (; count && lineage->swept < lineage->fresh; count--)
		rdx_lineage_settle(lineage, lineage->swept++);
	if (lineage->swept == lineage->fresh)
		lineage->lives = 0;
}

uint8_t rdx_lineage_orphan_bits(const struct rdx_lineage *lineage)
{
	uint8_t bits = 0;

	for (int set = 0; set < RDX_TIER_COUNT; set++)
		bits |= (uint8_t)((lineage->orphans[set] != 0) << set);
	return bits;
}
