/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/lineage.h"

#include <errno.h>

/* A life is 8 bits: nodes must be swept before it wraps. */
#define LIVES_MAX 250

#define BUCKETS_PER_NODE 2

static uint64_t capacity_for(uint32_t names)
{
	return 2 * (uint64_t)names + RDX_LINEAGE_SPARE;
}

uint64_t rdx_lineage_bytes(uint32_t names)
{
	return capacity_for(names) *
	       (sizeof(struct rdx_node) + BUCKETS_PER_NODE * sizeof(uint64_t));
}

void rdx_lineage_init(struct rdx_lineage *lineage, void *memory, uint32_t names)
{
	uint64_t capacity = capacity_for(names);

	*lineage = (struct rdx_lineage){
		.nodes = memory,
		.capacity = (uint32_t)capacity,
		.free_head = RDX_NODE_NONE,
	};
	lineage->table.bucket = (uint64_t *)(lineage->nodes + capacity);
	lineage->table.count = BUCKETS_PER_NODE * capacity;
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

	rdx_buckets_remove(&lineage->table, rdx_lineage_tag(node->prefix), index);
	node->parent = lineage->free_head;
	lineage->free_head = index;
	assert(lineage->count > 0);
	lineage->count--;
}

/* One child less. A node without names has dropped its parent already. */
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

/* `at`: where to file it. */
static int make_node(struct rdx_lineage *lineage, uint64_t prefix, uint64_t local, uint32_t parent,
		     uint64_t at, uint32_t *ret_index)
{
	uint32_t depth =
		parent == RDX_NODE_ROOT ? 0 : rdx_lineage_depth(&lineage->nodes[parent]) + 1;
	uint32_t index = take_node(lineage);
	struct rdx_node *node;

	if (index == RDX_NODE_NONE)
		return -ENOSPC;
	node = &lineage->nodes[index];
	*node = (struct rdx_node){
		.prefix = prefix,
		.local = local,
		.depth_life = depth | (uint32_t)lineage->life << RDX_NODE_SHIFT,
	};
	rdx_buckets_insert(&lineage->table, at, rdx_lineage_tag(prefix), index);
	*ret_index = index;
	return 0;
}

static int may_have_child(const struct rdx_lineage *lineage, uint32_t index)
{
	return index == RDX_NODE_ROOT ||
	       (lineage->nodes[index].children < RDX_NODE_CHILDREN_MAX &&
		rdx_lineage_depth(&lineage->nodes[index]) < RDX_NODE_DEPTH_MAX);
}

int rdx_lineage_name(struct rdx_lineage *lineage, uint64_t prefix, uint64_t local, uint32_t parent,
		     uint32_t *ret_index)
{
	uint64_t at;
	uint32_t index = rdx_lineage_find(lineage, prefix, &at);
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
		r = make_node(lineage, prefix, local, parent, at, &index);
		if (r < 0)
			return r;
	}
	/* a node that had lost its last name has dropped its parent: same for both */
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

void rdx_lineage_count_orphans(struct rdx_lineage *lineage, const struct rdx_node *node, int from,
			       int to, int comes)
{
	uint64_t sign = comes ? 1 : UINT64_MAX;
	uint64_t children = 0; /* held in the set */
	int parent_in = 0;

	if (node->parent != RDX_NODE_ROOT)
		parent_in = rdx_lineage_nearest(&lineage->nodes[node->parent]);
	for (int set = 0; set < to; set++) {
		children += node->held[set] & RDX_NODE_LOW_MASK;
		if (set >= from)
			lineage->orphans[set] += sign * ((set < parent_in) - children);
	}
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
