/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/hand.h"

#include <string.h>

static uint32_t words_for(uint32_t nodes)
{
	return (uint32_t)(((uint64_t)nodes + 63) / 64);
}

static uint32_t words_above(uint32_t words)
{
	return (words + 63) / 64;
}

uint64_t rdx_hand_bytes(uint32_t nodes)
{
	uint64_t words = words_for(nodes);

	return (2 * words + words_above((uint32_t)words)) * sizeof(uint64_t);
}

void rdx_hand_init(struct rdx_hand *hand, void *memory, uint32_t nodes)
{
	uint32_t words = words_for(nodes);

	*hand = (struct rdx_hand){.offered = memory, .words = words, .ahead = UINT64_MAX};
	hand->fresh = hand->offered + words;
	hand->some = hand->fresh + words;
	for (uint32_t word = 0; word < words; word++) {
		hand->offered[word] = UINT64_MAX;
		hand->some[word / 64] |= UINT64_C(1) << word % 64;
	}
	if (nodes % 64)
		hand->offered[words - 1] = (UINT64_C(1) << nodes % 64) - 1;
}

void rdx_hand_copy(struct rdx_hand *hand, const struct rdx_hand *from, uint32_t nodes)
{
	uint32_t last = from->words - 1;
	uint64_t beyond = nodes % 64 ? hand->offered[last] & ~UINT64_C(0) << nodes % 64 : 0;

	memcpy(hand->offered, from->offered, from->words * sizeof(uint64_t));
	hand->offered[last] |= beyond;
	memcpy(hand->fresh, from->fresh, from->words * sizeof(uint64_t));
	for (uint32_t word = 0; word < from->words; word++) {
		if (!hand->offered[word])
			hand->some[word / 64] &= ~(UINT64_C(1) << word % 64);
	}
	hand->at = from->at;
	hand->ahead = from->ahead;
}

/* The first word after `at` in which a node is offered, going round; `at` itself comes last. */
static uint32_t next_word(const struct rdx_hand *hand, uint32_t at)
{
	uint32_t aboves = words_above(hand->words), above = at / 64;
	uint64_t some = at % 64 == 63 ? 0 : hand->some[above] & (~UINT64_C(0) << (at % 64 + 1));

	for (uint32_t i = 0; i <= aboves; i++) {
		if (some)
			return above * 64 + (uint32_t)__builtin_ctzll(some);
		above = above + 1 == aboves ? 0 : above + 1;
		some = hand->some[above];
	}
	return RDX_HAND_NONE;
}

uint32_t rdx_hand_turn(struct rdx_hand *hand)
{
	for (uint32_t passes = 0;; passes++) {
		uint32_t next = next_word(hand, hand->at);

		if (next == RDX_HAND_NONE)
			return RDX_HAND_NONE;
		hand->fresh[hand->at] = 0;
		hand->at = next;
		hand->ahead = UINT64_MAX;
		if (passes == RDX_HAND_PASSES)
			hand->fresh[next] = 0;
		if (hand->offered[next] & ~hand->fresh[next])
			return rdx_hand_take(hand);
	}
}
