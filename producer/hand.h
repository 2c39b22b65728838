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

/* Of 64 nodes, a bit each. */
struct rdx_hand_word {
	uint64_t offered;
	uint64_t fresh; /* given up since the hand came by */
};

struct rdx_hand {
	struct rdx_hand_word *word;
	uint64_t *some; /* bit a word: what it offers is not 0 */
	uint32_t nodes;
	uint32_t words;
	uint32_t at; /* word; the hand is before its bits in `ahead` */
	uint64_t ahead;
};

/* Bytes of the words for so many nodes, and of what is above them. */
uint64_t rdx_hand_bytes(uint32_t nodes);
uint64_t rdx_hand_some_bytes(uint32_t nodes);

/* Of no nodes yet. Memory: zeroed, the caller's to free, `some` for all nodes that there will be. */
void rdx_hand_init(struct rdx_hand *hand, struct rdx_hand_word *word, uint64_t *some);

/* There are so many nodes now, more than before, and memory for their words. The new ones are offered,
 * and the hand goes to them: nothing is forgotten while there is something free. */
void rdx_hand_extend(struct rdx_hand *hand, uint32_t nodes);

/* A node may be taken; `fresh` 1: the hand passes it by once. Offering twice is allowed. */
static inline void rdx_hand_offer(struct rdx_hand *hand, uint32_t node, int fresh)
{
	uint32_t at = node / 64;

	hand->word[at].offered |= UINT64_C(1) << node % 64;
	hand->word[at].fresh |= (uint64_t)fresh << node % 64;
	hand->some[at / 64] |= UINT64_C(1) << at % 64;
}

/* It may not be. */
static inline void rdx_hand_keep(struct rdx_hand *hand, uint32_t node)
{
	uint32_t at = node / 64;

	hand->word[at].offered &= ~(UINT64_C(1) << node % 64);
	if (!hand->word[at].offered)
		hand->some[at / 64] &= ~(UINT64_C(1) << at % 64);
}

static inline int rdx_hand_offers(const struct rdx_hand *hand, uint32_t node)
{
	return hand->word[node / 64].offered >> node % 64 & 1;
}

/* Go on to a word with a node to take: that node, no longer offered; RDX_HAND_NONE: there is none. */
uint32_t rdx_hand_turn(struct rdx_hand *hand);

static inline uint32_t rdx_hand_take(struct rdx_hand *hand)
{
	const struct rdx_hand_word *word = &hand->word[hand->at];
	uint64_t here = word->offered & ~word->fresh & hand->ahead;
	uint32_t node;

	if (!here)
		return rdx_hand_turn(hand);
	node = hand->at * 64 + (uint32_t)__builtin_ctzll(here);
	hand->ahead = ~UINT64_C(1) << node % 64;
	rdx_hand_keep(hand, node);
	return node;
}

#endif
