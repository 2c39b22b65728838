/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of private memory: a block that the publisher knows, in the tree of prefixes, with one of
 * the engine's names for it. A second name of a block is a node too, an alias, which has a name
 * and its copies only. A node's number is that of its ledger record.
 *
 * Fields are whole words: loading a word of which a part was just stored waits until all earlier
 * stores have reached the cache.
 */
#ifndef RDX_NODE_H
#define RDX_NODE_H

#include <assert.h>
#include <ringdex/rdx_types.h>
#include <stdint.h>

#define RDX_NODE_NONE         UINT32_MAX
#define RDX_NODE_ROOT         UINT32_MAX /* as a parent: the block starts a prompt */
#define RDX_NODE_CHILDREN_MAX ((1u << 24) - 1)
#define RDX_NODE_DEPTH_MAX    ((1u << 24) - 1)
#define RDX_NODE_HOLDERS_MAX  255
#define RDX_NODE_COPIES_MAX   UINT16_MAX
#define RDX_NODE_COPIES_BITS  16

struct rdx_node {
	uint64_t name;     /* of 8 bytes, or a hash of 32 */
	uint64_t prefix;   /* prefix hash */
	uint32_t parent;   /* node; of an alias that of its block; not placed: where it last was */
	uint32_t first;    /* a child that is not filed, or RDX_NODE_NONE */
	uint32_t children; /* nodes placed below it, held or not, its aliases, and who keeps it */
	uint32_t state;    /* RDX_NODE_... below, depth above */
	uint64_t copies;   /* of the name, RDX_NODE_COPIES_BITS a tier */
	uint32_t held[RDX_TIER_COUNT]; /* children whose nearest tier this is, 24 bits, and above,
					  8 bits, names that hold the block in it */
	uint32_t generations;          /* of the tiers when it was settled */
	uint32_t kind;                 /* RDX_NODE_KIND_..., namespace above */
};
static_assert(sizeof(struct rdx_node) == 64, "one line a node");

/* State. */
#define RDX_NODE_TIERS       0xfu  /* bit a tier that holds the block; of an alias 0 */
#define RDX_NODE_FILED       0x10u /* in the table of prefixes */
#define RDX_NODE_PLACED      0x20u /* a child of its parent, or a root */
#define RDX_NODE_BRANCHED    0x40u /* children of it are filed, or were */
#define RDX_NODE_ALIAS       0x80u
#define RDX_NODE_KNOWN       (RDX_NODE_FILED | RDX_NODE_PLACED | RDX_NODE_ALIAS) /* one of them */
#define RDX_NODE_DEPTH_SHIFT 8

/* Kind: what besides its bytes makes a name, and the namespace (namespaces.h). */
#define RDX_NODE_KIND_GROUP   0xffu  /* cache group */
#define RDX_NODE_KIND_LONG    0x100u /* of 32 bytes */
#define RDX_NODE_KIND_NAMED   0x200u
#define RDX_NODE_KIND_NAME    0x3ffu
#define RDX_NODE_KIND_DOUBTED 0x400u /* it came with other content while it was held */
#define RDX_NODE_SPACE_SHIFT  11

#define RDX_NODE_LOW_SHIFT 24
#define RDX_NODE_LOW_MASK  ((1u << RDX_NODE_LOW_SHIFT) - 1)
#define RDX_NODE_ONE_CHILD 1u
#define RDX_NODE_ONE_NAME  (1u << RDX_NODE_LOW_SHIFT)

static inline uint32_t rdx_node_depth(const struct rdx_node *node)
{
	return node->state >> RDX_NODE_DEPTH_SHIFT;
}

static inline uint8_t rdx_node_tiers(const struct rdx_node *node)
{
	return node->state & RDX_NODE_TIERS;
}

/* Names that hold the block in the tier. */
static inline uint32_t rdx_node_holders(const struct rdx_node *node, int tier)
{
	return node->held[tier] >> RDX_NODE_LOW_SHIFT;
}

static inline uint32_t rdx_node_copies(const struct rdx_node *node, int tier)
{
	return node->copies >> RDX_NODE_COPIES_BITS * tier & RDX_NODE_COPIES_MAX;
}

static inline uint64_t rdx_node_one_copy(int tier)
{
	return UINT64_C(1) << RDX_NODE_COPIES_BITS * tier;
}

/* The nearest tier that holds the block, RDX_TIER_COUNT for none: it is in this set of tiers and in
 * all wider ones. */
static inline int rdx_node_nearest(const struct rdx_node *node)
{
	return __builtin_ctz(rdx_node_tiers(node) | 1u << RDX_TIER_COUNT);
}

static inline int rdx_node_has_held_children(const struct rdx_node *node)
{
	return ((node->held[0] | node->held[1] | node->held[2] | node->held[3]) &
		RDX_NODE_LOW_MASK) != 0;
}

/* Neither held nor above a held block; of an alias, without copies. */
static inline int rdx_node_is_idle(const struct rdx_node *node)
{
	if (node->state & RDX_NODE_ALIAS)
		return node->copies == 0;
	return !rdx_node_tiers(node) && !rdx_node_has_held_children(node);
}

#endif
