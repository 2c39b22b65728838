/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/hand.h"

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
	return words_for(nodes) * (uint64_t)sizeof(struct rdx_hand_word);
}

uint64_t rdx_hand_some_bytes(uint32_t nodes)
{
	return words_above(words_for(nodes)) * (uint64_t)sizeof(uint64_t);
}

void rdx_hand_init(struct rdx_hand *hand, struct rdx_hand_word *word, uint64_t *some)
{
	*hand = (struct rdx_hand){.word = word, .some = some};
}

void rdx_hand_extend(struct rdx_hand *hand, uint32_t nodes)
{
	uint32_t at = hand->nodes / 64, words = words_for(nodes);
	uint64_t bits = ~UINT64_C(0) << hand->nodes % 64;

	if (hand->nodes)
		hand->word[hand->at].fresh = 0; /* passed by */
	hand->at = at;
	hand->ahead = UINT64_MAX;
	for (; at < words; at++, bits = UINT64_MAX) {
		if (at == words - 1 && nodes % 64)
			bits &= (UINT64_C(1) << nodes % 64) - 1;
		hand->word[at].offered |= bits;
		hand->some[at / 64] |= UINT64_C(1) << at % 64;
	}
	hand->nodes = nodes;
	hand->words = words;
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
		hand->word[hand->at].fresh = 0;
		hand->at = next;
		hand->ahead = UINT64_MAX;
		if (passes == RDX_HAND_PASSES)
			hand->word[next].fresh = 0;
		if (hand->word[next].offered & ~hand->word[next].fresh)
			return rdx_hand_take(hand);
	}
}
