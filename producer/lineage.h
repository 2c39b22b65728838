/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rank's tree of prefixes: the parent of each block that is known, the tiers that hold it, and
 * how many held blocks lack their parent.
 *
 * A prefix hash has one node. It is found by it: below its parent, as the child that is not filed,
 * or in the table of prefixes. Only in a tree of which a block lacks its parent must the table be
 * asked for each new block.
 *
 * A held block is placed below its parent, which stays as long as it has held children. A node
 * that is held by no name and has held children gives up its own place: it keeps no node above it.
 * So no more nodes are kept than names and held blocks together, and the other ones, which are
 * idle, can be taken from the ends of their branches.
 *
 * A clear is O(1): a tier gets the next generation, and a node of an older one is in it no longer.
 * A node is settled before its tiers are looked at, and by the sweep. After a clear of one tier
 * the private counts, which are changed block by block, lag behind until then: `doomed` of those
 * counted in `held` are not. After a clear of all they begin at 0, and a node from before it,
 * which takes no part in them, only starts anew.
 *
 * Nothing here allocates or is shared but the ledger's words; every call is O(1) unless it says
 * otherwise.
 */
#ifndef RDX_LINEAGE_H
#define RDX_LINEAGE_H

#include "producer/filing.h"
#include "producer/hand.h"
#include "producer/node.h"
#include "shm/ledger.h"

struct rdx_lineage {
	struct rdx_node *nodes;
	struct rdx_filing filing; /* nodes that are filed, by prefix hash */
	struct rdx_hand hand;     /* idle nodes without children, and free ones */
	struct rdx_ledger_record *records;
	uint32_t capacity;
	uint32_t generations;
	uint32_t swept;    /* the next node that the sweep settles */
	uint32_t unswept;  /* so many until all are of these generations */
	uint32_t since;    /* clears of tier 0 since the last of all */
	uint32_t unplaced; /* nodes without a place */
	uint64_t held[RDX_TIER_COUNT];
	uint64_t doomed[RDX_TIER_COUNT];  /* of `held`: cleared, not settled */
	uint64_t orphans[RDX_TIER_COUNT]; /* per set of tiers */
};

/* Bytes of the table for so many nodes. */
uint64_t rdx_lineage_table_bytes(uint32_t capacity);

/* Memory of a lineage: zeroed, each aligned to 64, the caller's to free. For nodes to come it is given
 * later, behind that for the nodes that there are. */
struct rdx_lineage_memory {
	struct rdx_node *nodes;
	void *table; /* rdx_lineage_table_bytes(keys), of which `capacity` may be a quarter more */
	uint32_t keys;
	struct rdx_hand_word *hand;
	uint64_t *some; /* rdx_hand_some_bytes of all nodes that there will be */
};

/* `records`: one a node, of an empty ledger. */
void rdx_lineage_init(struct rdx_lineage *lineage, const struct rdx_lineage_memory *memory,
		      uint32_t capacity, struct rdx_ledger_record *records);

/* There are so many nodes now, more than before, with memory, records and a table for them. As many
 * nodes as are new are settled: no clear's sweep takes longer. */
void rdx_lineage_extend(struct rdx_lineage *lineage, uint32_t capacity);

void rdx_lineage_settle_now(struct rdx_lineage *lineage, uint32_t index);

/* Bring a node, and for an alias its block, to the present generations. */
static inline struct rdx_node *rdx_lineage_settle(struct rdx_lineage *lineage, uint32_t index)
{
	struct rdx_node *node = &lineage->nodes[index];

	if (__builtin_expect(node->generations != lineage->generations, 0))
		rdx_lineage_settle_now(lineage, index);
	return node;
}

/* The node of the block that a name stands for. */
static inline uint32_t rdx_lineage_block(const struct rdx_lineage *lineage, uint32_t index)
{
	const struct rdx_node *node = &lineage->nodes[index];

	return node->state & RDX_NODE_ALIAS ? node->parent : index;
}

static inline uint32_t rdx_lineage_filed_in(const struct rdx_lineage *lineage,
					    const struct rdx_buckets *table, uint64_t prefix)
{
	struct rdx_buckets_walk walk = rdx_buckets_begin(table, prefix);
	uint32_t index;

	do
		index = rdx_buckets_next(table, prefix, &walk);
	while (index != RDX_NODE_NONE && lineage->nodes[index].prefix != prefix);
	return index;
}

/* The node with the prefix hash, or RDX_NODE_NONE; filed ones only. */
static inline uint32_t rdx_lineage_filed(const struct rdx_lineage *lineage, uint64_t prefix)
{
	uint32_t index = rdx_lineage_filed_in(lineage, &lineage->filing.table, prefix);

	if (index == RDX_NODE_NONE && __builtin_expect(lineage->filing.left != 0, 0))
		index = rdx_lineage_filed_in(lineage, &lineage->filing.before, prefix);
	return index;
}

/* The node of the block with this prefix hash below `parent`, a node or RDX_NODE_ROOT; or
 * RDX_NODE_NONE. */
static inline uint32_t rdx_lineage_find(const struct rdx_lineage *lineage, uint32_t parent,
					uint64_t prefix)
{
	if (parent != RDX_NODE_ROOT) {
		const struct rdx_node *above = &lineage->nodes[parent];

		if (above->first != RDX_NODE_NONE && lineage->nodes[above->first].prefix == prefix)
			return above->first;
		if (!lineage->unplaced && !(above->state & RDX_NODE_BRANCHED))
			return RDX_NODE_NONE;
	}
	return rdx_lineage_filed(lineage, prefix);
}

/* Can a block be made or placed below it? Not if it has the most children, or is the deepest. */
static inline int rdx_lineage_may_have_child(const struct rdx_lineage *lineage, uint32_t parent)
{
	return parent == RDX_NODE_ROOT ||
	       (lineage->nodes[parent].children < RDX_NODE_CHILDREN_MAX &&
		rdx_node_depth(&lineage->nodes[parent]) < RDX_NODE_DEPTH_MAX);
}

/* Place a node below `parent`, a known node that may have a child, or RDX_NODE_ROOT. */
void rdx_lineage_place(struct rdx_lineage *lineage, uint32_t index, uint32_t parent);

/* A node that was taken becomes the block with this prefix hash below `parent`, as above. It is idle
 * and has no name, and is not offered: hold it, or offer it. */
void rdx_lineage_make(struct rdx_lineage *lineage, uint32_t index, uint64_t prefix,
		      uint32_t parent);

/* The same without a place: its parent is not known. */
void rdx_lineage_make_apart(struct rdx_lineage *lineage, uint32_t index, uint64_t prefix,
			    uint32_t depth);

/* A node that was taken becomes a second name of a block. */
void rdx_lineage_make_alias(struct rdx_lineage *lineage, uint32_t index, uint32_t block);

/* Keep a known node, whatever happens to it, and let it go again. RDX_NODE_ROOT is allowed. */
static inline void rdx_lineage_keep(struct rdx_lineage *lineage, uint32_t index)
{
	if (index == RDX_NODE_ROOT)
		return;
	if (lineage->nodes[index].children++ == 0)
		rdx_hand_keep(&lineage->hand, index);
}

/* Offer a node to the hand if nothing needs it; `fresh` as for rdx_hand_offer. */
static inline void rdx_lineage_rest(struct rdx_lineage *lineage, uint32_t index, int fresh)
{
	const struct rdx_node *node = &lineage->nodes[index];

	if (node->children == 0 && rdx_node_is_idle(node))
		rdx_hand_offer(&lineage->hand, index, fresh);
}

static inline void rdx_lineage_unkeep(struct rdx_lineage *lineage, uint32_t index)
{
	if (index == RDX_NODE_ROOT)
		return;
	lineage->nodes[index].children--;
	rdx_lineage_rest(lineage, index, 0);
}

/* Take a node that is not offered out of the tree, where it is idle and has no children. Its name,
 * if it has one, is still filed. Returns its parent where that is now such a node, not offered;
 * else RDX_NODE_NONE. */
uint32_t rdx_lineage_unhook(struct rdx_lineage *lineage, uint32_t index);

/* Take up to `count` nodes as above; returns how many. Whole branches from their ends on. If there is
 * none, and a clear's sweep is under way, it goes on until there is one. */
uint32_t rdx_lineage_take(struct rdx_lineage *lineage, uint32_t *ret_nodes, uint32_t count);

/* Count the orphans of the sets from .. to - 1 when the block enters them (1) or leaves them (0):
 * itself and its children. Only called where either can change. */
void rdx_lineage_count_orphans(struct rdx_lineage *lineage, const struct rdx_node *node, int from,
			       int to, int comes);

/* The block's nearest tier was `before` and is `now`. */
static inline void rdx_lineage_move(struct rdx_lineage *lineage, const struct rdx_node *node,
				    int before, int now)
{
	struct rdx_node *parent = NULL;
	int from = now < before ? now : before;

	if (node->parent != RDX_NODE_ROOT) {
		parent = &lineage->nodes[node->parent];
		if (before < RDX_TIER_COUNT)
			parent->held[before] -= RDX_NODE_ONE_CHILD;
		if (now < RDX_TIER_COUNT)
			parent->held[now] += RDX_NODE_ONE_CHILD;
	}
	if (rdx_node_has_held_children(node) || (parent && rdx_node_nearest(parent) > from))
		rdx_lineage_count_orphans(lineage, node, from, now < before ? before : now,
					  now < before);
}

/* A placed node gives up its place; roots keep theirs. */
void rdx_lineage_unplace(struct rdx_lineage *lineage, uint32_t index);

/* The placed node is about to be held: it leaves the hand, and its parent, if that is idle, its own
 * place. */
static inline void rdx_lineage_rouse(struct rdx_lineage *lineage, uint32_t index)
{
	const struct rdx_node *node = &lineage->nodes[index];

	if (node->children == 0)
		rdx_hand_keep(&lineage->hand, index);
	if (node->parent != RDX_NODE_ROOT &&
	    rdx_node_is_idle(rdx_lineage_settle(lineage, node->parent)))
		rdx_lineage_unplace(lineage, node->parent);
}

/* The node is held no longer. */
void rdx_lineage_lose(struct rdx_lineage *lineage, uint32_t index);

/* One more name holds the block in the tier (at most RDX_NODE_HOLDERS_MAX; the caller checks). The
 * node is settled, and placed. */
static inline void rdx_lineage_hold(struct rdx_lineage *lineage, uint32_t index, uint8_t tier)
{
	struct rdx_node *node = &lineage->nodes[index];
	int before = rdx_node_nearest(node);

	assert(node->state & RDX_NODE_PLACED && node->generations == lineage->generations);
	if (before == RDX_TIER_COUNT)
		rdx_lineage_rouse(lineage, index);
	node->held[tier] += RDX_NODE_ONE_NAME;
	if (node->state >> tier & 1)
		return;
	node->state |= 1u << tier;
	lineage->held[tier]++;
	if (tier < before)
		rdx_lineage_move(lineage, node, before, tier);
}

/* One name less holds it. The node is settled. */
static inline void rdx_lineage_drop(struct rdx_lineage *lineage, uint32_t index, uint8_t tier)
{
	struct rdx_node *node = &lineage->nodes[index];
	int before = rdx_node_nearest(node);

	assert(rdx_node_holders(node, tier) > 0 && lineage->held[tier] > 0);
	node->held[tier] -= RDX_NODE_ONE_NAME;
	if (rdx_node_holders(node, tier))
		return;
	node->state &= ~(1u << tier);
	lineage->held[tier]--;
	if (tier == before)
		rdx_lineage_move(lineage, node, before, rdx_node_nearest(node));
	if (!rdx_node_tiers(node))
		rdx_lineage_lose(lineage, index);
}

/* The scope, a tier or RDX_SCOPE_ALL, is empty. O(1) but for the first 1/200 of the nodes, where the
 * sweep of the clear before is still under way: a generation must not come round. */
void rdx_lineage_clear(struct rdx_lineage *lineage, uint8_t scope);

void rdx_lineage_sweep_now(struct rdx_lineage *lineage, uint32_t count);

/* Settle up to `count` more nodes; nothing to do once all are. */
static inline void rdx_lineage_sweep(struct rdx_lineage *lineage, uint32_t count)
{
	if (__builtin_expect(lineage->unswept != 0, 0))
		rdx_lineage_sweep_now(lineage, count);
}

/* Blocks held in the tier. */
static inline uint64_t rdx_lineage_held(const struct rdx_lineage *lineage, int tier)
{
	return lineage->held[tier] - lineage->doomed[tier];
}

/* Bit s: set s may have orphans. It has some, or had before a clear of one of its tiers and not all
 * of that is settled. */
static inline uint8_t rdx_lineage_orphan_bits(const struct rdx_lineage *lineage)
{
	uint64_t unsure = 0;
	uint8_t bits = 0;

	for (int set = 0; set < RDX_TIER_COUNT; set++) {
		unsure |= lineage->doomed[set];
		bits |= (uint8_t)(((lineage->orphans[set] | unsure) != 0) << set);
	}
	return bits;
}

#endif
