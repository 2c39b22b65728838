/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which nodes may be taken for something new, and which of them next: a hand goes round (CLOCK), and
 * passes by once where a node was given up since it last came. A bit a node, and above them a bit a
 * word that has any: no call looks at more than RDX_HAND_PASSES words that it then passes by, and
 * one word above for each 4,096 nodes.
 */
#ifndef RDX_HAND_H
#define RDX_HAND_H

#include <stdint.h>

#define RDX_HAND_NONE   UINT32_MAX
#define RDX_HAND_PASSES 64

struct rdx_hand {
	uint64_t *offered; /* bit a node */
	uint64_t *fresh;   /* bit a node: given up since the hand came by */
	uint64_t *some;    /* bit a word of `offered`: it is not 0 */
	uint32_t words;
	uint32_t at; /* word; the hand is before its bits in `ahead` */
	uint64_t ahead;
};

uint64_t rdx_hand_bytes(uint32_t nodes);

/* `memory`: zeroed, the caller's to free. All nodes are offered. */
void rdx_hand_init(struct rdx_hand *hand, void *memory, uint32_t nodes);

/* Just made for more than `nodes` nodes: what is offered of these, and where the hand is, as `from` has
 * it. */
void rdx_hand_copy(struct rdx_hand *hand, const struct rdx_hand *from, uint32_t nodes);

/* A node may be taken; `fresh` 1: the hand passes it by once. Offering twice is allowed. */
static inline void rdx_hand_offer(struct rdx_hand *hand, uint32_t node, int fresh)
{
	uint32_t word = node / 64;

	hand->offered[word] |= UINT64_C(1) << node % 64;
	hand->fresh[word] |= (uint64_t)fresh << node % 64;
	hand->some[word / 64] |= UINT64_C(1) << word % 64;
}

/* It may not be. */
static inline void rdx_hand_keep(struct rdx_hand *hand, uint32_t node)
{
	uint32_t word = node / 64;

	hand->offered[word] &= ~(UINT64_C(1) << node % 64);
	if (!hand->offered[word])
		hand->some[word / 64] &= ~(UINT64_C(1) << word % 64);
}

static inline int rdx_hand_offers(const struct rdx_hand *hand, uint32_t node)
{
	return hand->offered[node / 64] >> node % 64 & 1;
}

/* Go on to a word with a node to take: that node, no longer offered; RDX_HAND_NONE: there is none. */
uint32_t rdx_hand_turn(struct rdx_hand *hand);

static inline uint32_t rdx_hand_take(struct rdx_hand *hand)
{
	uint64_t here = hand->offered[hand->at] & ~hand->fresh[hand->at] & hand->ahead;
	uint32_t node;

	if (!here)
		return rdx_hand_turn(hand);
	node = hand->at * 64 + (uint32_t)__builtin_ctzll(here);
	hand->ahead = ~UINT64_C(1) << node % 64;
	rdx_hand_keep(hand, node);
	return node;
}

#endif
