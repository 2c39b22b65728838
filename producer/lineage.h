/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rank's tree of prefixes: the parent of each block, the tiers that hold it, and how many held
 * blocks lack their parent.
 *
 * A node is one prefix hash. It lives while a name or a child refers to it. A node without a name
 * drops its own parent: it is kept only so that its children find it if it comes back. So there are
 * never more than twice as many nodes as names, and forgetting a name frees two nodes at most.
 *
 * A clear of everything is O(1): it raises `life`, and a node of an older life holds nothing. The
 * node is settled when it is next touched, or by the sweep.
 *
 * Nothing here allocates or is shared; every call is O(1) unless it says otherwise.
 */
#ifndef RDX_LINEAGE_H
#define RDX_LINEAGE_H

#include <assert.h>
#include <ringdex/rdx_types.h>
#include <stddef.h>

#include "producer/buckets.h"

#define RDX_NODE_NONE         RDX_BUCKETS_NONE
#define RDX_NODE_ROOT         RDX_BUCKETS_NONE /* as a parent: the block starts a prompt */
#define RDX_NODE_CHILDREN_MAX ((1u << 24) - 1)
#define RDX_NODE_DEPTH_MAX    ((1u << 24) - 1)
#define RDX_NODE_HOLDERS_MAX  255

/* A node that a caller keeps during a call counts one more child. */
#define RDX_LINEAGE_SPARE 4

struct rdx_node {
	uint64_t prefix;
	uint64_t local;
	uint32_t parent;                 /* node, or RDX_NODE_ROOT */
	uint32_t names;                  /* that refer to it, held or remembered */
	uint32_t children;               /* nodes that refer to it, held or not */
	uint32_t depth_life;             /* 24 bits, and 8 bits above */
	uint32_t held[RDX_TIER_COUNT];   /* children whose nearest tier this is, 24 bits, and
					  above, 8 bits, names that hold the block in it */
	uint32_t ledger[RDX_TIER_COUNT]; /* word, where held */
};
static_assert(sizeof(struct rdx_node) == 64, "one line a node");

/* Always whole words: loading a word of which one byte was just stored waits until all earlier
 * stores have reached the cache. */
#define RDX_NODE_SHIFT     24
#define RDX_NODE_LOW_MASK  ((1u << RDX_NODE_SHIFT) - 1)
#define RDX_NODE_ONE_CHILD 1u
#define RDX_NODE_ONE_NAME  (1u << RDX_NODE_SHIFT)

struct rdx_lineage {
	struct rdx_node *nodes;
	struct rdx_buckets table;
	uint32_t capacity;
	uint32_t fresh;     /* nodes at or above were never used */
	uint32_t free_head; /* chained through `parent` */
	uint32_t count;     /* now in use */
	uint32_t swept;     /* nodes below are of this life */
	uint32_t lives;     /* started since the last complete sweep */
	uint8_t life;
	uint64_t held[RDX_TIER_COUNT];
	uint64_t orphans[RDX_TIER_COUNT]; /* per set of tiers */
};

/* Bytes that rdx_lineage_init needs for at most `names` names. */
uint64_t rdx_lineage_bytes(uint32_t names);

/* `memory`: zeroed, aligned to 64, the caller's to free. */
void rdx_lineage_init(struct rdx_lineage *lineage, void *memory, uint32_t names);

static inline uint32_t rdx_lineage_depth(const struct rdx_node *node)
{
	return node->depth_life & RDX_NODE_LOW_MASK;
}

static inline uint32_t rdx_lineage_holders(const struct rdx_node *node, int tier)
{
	return node->held[tier] >> RDX_NODE_SHIFT;
}

/* Bring a node into the present life before its counts are read. */
static inline struct rdx_node *rdx_lineage_settle(struct rdx_lineage *lineage, uint32_t index)
{
	struct rdx_node *node = &lineage->nodes[index];

	if (node->depth_life >> RDX_NODE_SHIFT != lineage->life) {
		for (int i = 0; i < RDX_TIER_COUNT; i++)
			node->held[i] = 0;
		node->depth_life = rdx_lineage_depth(node) | (uint32_t)lineage->life
								     << RDX_NODE_SHIFT;
	}
	return node;
}

static inline uint32_t rdx_lineage_tag(uint64_t prefix)
{
	return (uint32_t)(prefix >> 32); /* uniform already */
}

/* The node of a prefix hash, or RDX_NODE_NONE and the free bucket for it. */
static inline uint32_t rdx_lineage_find(const struct rdx_lineage *lineage, uint64_t prefix,
					uint64_t *ret_at)
{
	uint32_t tag = rdx_lineage_tag(prefix);
	uint32_t index;

	*ret_at = rdx_buckets_home(&lineage->table, tag);
	do
		index = rdx_buckets_walk(&lineage->table, tag, ret_at);
	while (index != RDX_NODE_NONE && lineage->nodes[index].prefix != prefix);
	return index;
}

/* The nearest tier that holds the block, RDX_TIER_COUNT for none: it is in this set of
 * tiers and in all wider ones. The node is settled. */
static inline int rdx_lineage_nearest(const struct rdx_node *node)
{
	static_assert(RDX_TIER_COUNT == 4, "one line a tier");
	return rdx_lineage_holders(node, 0)   ? 0
	       : rdx_lineage_holders(node, 1) ? 1
	       : rdx_lineage_holders(node, 2) ? 2
	       : rdx_lineage_holders(node, 3) ? 3
					      : RDX_TIER_COUNT;
}

static inline int rdx_lineage_has_held_children(const struct rdx_node *node)
{
	return ((node->held[0] | node->held[1] | node->held[2] | node->held[3]) &
		RDX_NODE_LOW_MASK) != 0;
}

/*
 * One more name for the block `local` under `parent`, whose prefix hash is `prefix`.
 * The parent is a named or kept node, or RDX_NODE_ROOT.
 *
 *   -EEXIST  the prefix hash stands for other content: a collision
 *   -ENOSPC  no room: too deep, or too many nodes or children
 */
int rdx_lineage_name(struct rdx_lineage *lineage, uint64_t prefix, uint64_t local, uint32_t parent,
		     uint32_t *ret_index);

/* One name less. The name holds the block in no tier. */
void rdx_lineage_unname(struct rdx_lineage *lineage, uint32_t index);

/* Keep a node although its last name may go, and drop it again. RDX_NODE_ROOT is allowed. */
void rdx_lineage_keep(struct rdx_lineage *lineage, uint32_t index);
void rdx_lineage_unkeep(struct rdx_lineage *lineage, uint32_t index);

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
		parent = rdx_lineage_settle(lineage, node->parent);
		if (before < RDX_TIER_COUNT)
			parent->held[before] -= RDX_NODE_ONE_CHILD;
		if (now < RDX_TIER_COUNT)
			parent->held[now] += RDX_NODE_ONE_CHILD;
	}
	if (rdx_lineage_has_held_children(node) || (parent && rdx_lineage_nearest(parent) > from))
		rdx_lineage_count_orphans(lineage, node, from, now < before ? before : now,
					  now < before);
}

/* One more name holds the block in the tier (at most RDX_NODE_HOLDERS_MAX; the caller checks): 1 if
 * it is the first. */
static inline int rdx_lineage_hold(struct rdx_lineage *lineage, uint32_t index, uint8_t tier)
{
	struct rdx_node *node = rdx_lineage_settle(lineage, index);
	int before = rdx_lineage_nearest(node);

	node->held[tier] += RDX_NODE_ONE_NAME;
	if (rdx_lineage_holders(node, tier) > 1)
		return 0;
	lineage->held[tier]++;
	if (tier < before)
		rdx_lineage_move(lineage, node, before, tier);
	return 1;
}

/* One name less holds it: 1 if it was the last. */
static inline int rdx_lineage_drop(struct rdx_lineage *lineage, uint32_t index, uint8_t tier)
{
	struct rdx_node *node = rdx_lineage_settle(lineage, index);
	int before = rdx_lineage_nearest(node);

	assert(rdx_lineage_holders(node, tier) > 0 && lineage->held[tier] > 0);
	node->held[tier] -= RDX_NODE_ONE_NAME;
	if (rdx_lineage_holders(node, tier))
		return 0;
	lineage->held[tier]--;
	if (tier == before)
		rdx_lineage_move(lineage, node, before, rdx_lineage_nearest(node));
	return 1;
}

/* Nothing is held any more. O(1), except each 250th call without a sweep in between. */
void rdx_lineage_clear(struct rdx_lineage *lineage);

/* Settle up to `count` more nodes; nothing to do once all are. */
void rdx_lineage_sweep(struct rdx_lineage *lineage, uint32_t count);

/* Bit s: set s has orphans. */
static inline uint8_t rdx_lineage_orphan_bits(const struct rdx_lineage *lineage)
{
	uint8_t bits = 0;

	for (int set = 0; set < RDX_TIER_COUNT; set++)
		bits |= (uint8_t)((lineage->orphans[set] != 0) << set);
	return bits;
}

#endif
