/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/property/publisher_tree.h"

#include <stdlib.h>
#include <string.h>

struct count {
	uint32_t children;
	uint32_t held[RDX_TIER_COUNT]; /* by nearest tier */
	uint32_t holders[RDX_TIER_COUNT];
};

static int is_known(const struct rdx_node *node)
{
	return (node->state & RDX_NODE_KNOWN) != 0;
}

/* Its tiers count: it is of the life that the counts are of. */
static int counts(const struct rdx_lineage *lineage, const struct rdx_node *node)
{
	uint32_t age = ((lineage->generations & 0xff) + 255 - (node->generations & 0xff)) % 255;

	return age <= lineage->since;
}

/* The copies that its block's holders are counted of: of no void generation. */
static int copy_counts(const struct rdx_lineage *lineage, const struct rdx_node *node, int tier)
{
	const struct rdx_node *block =
		node->state & RDX_NODE_ALIAS ? &lineage->nodes[node->parent] : node;

	return rdx_node_copies(node, tier) && counts(lineage, node) &&
	       !((node->generations ^ block->generations) >> 8 * tier & 0xff);
}

static void count_node(const struct rdx_lineage *lineage, uint32_t index, struct count *count)
{
	const struct rdx_node *node = &lineage->nodes[index];
	int nearest = rdx_node_nearest(node);

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		count[rdx_lineage_block(lineage, index)].holders[tier] +=
			copy_counts(lineage, node, tier);
	if (node->parent == RDX_NODE_ROOT || !(node->state & (RDX_NODE_PLACED | RDX_NODE_ALIAS)))
		return;
	count[node->parent].children++;
	if (nearest < RDX_TIER_COUNT && counts(lineage, node))
		count[node->parent].held[nearest]++;
}

static const char *check_tree_node(const struct rdx_lineage *lineage, uint32_t index,
				   const struct count *count)
{
	const struct rdx_node *node = &lineage->nodes[index];
	int placed = (node->state & RDX_NODE_PLACED) != 0;
	int filed = (node->state & RDX_NODE_FILED) != 0;
	int held = 0;

	for (int tier = 0; tier < RDX_TIER_COUNT && counts(lineage, node); tier++) {
		held |= rdx_node_holders(node, tier) != 0;
		if ((node->held[tier] & RDX_NODE_LOW_MASK) != count->held[tier])
			return "held children are counted wrong";
		if (rdx_node_holders(node, tier) != count->holders[tier])
			return "holders are counted wrong";
		if ((rdx_node_holders(node, tier) != 0) != (node->state >> tier & 1))
			return "the bit of a tier is not that of its holders";
	}
	if (held && !placed)
		return "a held node has no place";
	if (!held && counts(lineage, node) && rdx_node_has_held_children(node) && placed &&
	    node->parent != RDX_NODE_ROOT)
		return "a node above held blocks that is not held keeps its place";
	if (!filed && (!placed || node->parent == RDX_NODE_ROOT ||
		       lineage->nodes[node->parent].first != index))
		return "a node cannot be found by its prefix hash";
	if (filed && rdx_lineage_filed(lineage, node->prefix) != index)
		return "a filed node is not found, or another one with its prefix hash";
	if (placed && node->parent != RDX_NODE_ROOT && filed &&
	    !(lineage->nodes[node->parent].state & RDX_NODE_BRANCHED))
		return "a parent does not know of a filed child";
	return NULL;
}

static const char *check_node(const struct rdx_lineage *lineage, uint32_t index,
			      const struct count *count)
{
	const struct rdx_node *node = &lineage->nodes[index];
	int takeable = !is_known(node) || (node->children == 0 && rdx_node_is_idle(node));

	if (takeable != rdx_hand_offers(&lineage->hand, index))
		return "what may be taken is not offered, or the other way round";
	if (!is_known(node))
		return node->kind ? "a free node has a name" : NULL;
	if (node->children != count->children)
		return "children are counted wrong";
	if (node->parent != RDX_NODE_ROOT && node->state & (RDX_NODE_PLACED | RDX_NODE_ALIAS) &&
	    !is_known(&lineage->nodes[node->parent]))
		return "a node is below a free one";
	return node->state & RDX_NODE_ALIAS ? NULL : check_tree_node(lineage, index, count);
}

const char *publisher_tree_check(const struct rdx_lineage *lineage, const struct rdx_names *names)
{
	struct count *count = calloc(lineage->capacity, sizeof(*count));
	const char *broken = count ? NULL : "no memory";
	uint32_t known = 0, unplaced = 0;

	for (uint32_t i = 0; i < lineage->capacity && !broken; i++) {
		const struct rdx_node *node = &lineage->nodes[i];

		known += (node->kind & RDX_NODE_KIND_NAMED) != 0;
		unplaced += is_known(node) && !(node->state & (RDX_NODE_PLACED | RDX_NODE_ALIAS));
		if (is_known(node))
			count_node(lineage, i, count);
	}
	for (uint32_t i = 0; i < lineage->capacity && !broken; i++)
		broken = check_node(lineage, i, &count[i]);
	free(count);
	if (!broken && (known != names->count || unplaced != lineage->unplaced))
		broken = "names, or nodes without a place, are counted wrong";
	return broken;
}

uint32_t publisher_tree_takeable(const struct rdx_lineage *lineage)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < lineage->capacity; i++)
		count += (uint32_t)rdx_hand_offers(&lineage->hand, i);
	return count;
}
