/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token ids of a request trace.
 *
 * A trace names each 512 tokens of a prompt by a hash id and keeps the text to itself.
 * Every process that replays it must put the same tokens in its place: the mock engine
 * that computes the blocks (producer/) and the router that asks who holds them
 * (consumer/). That is why this stands here, the only folder both may include. Pure,
 * no state; described in docs/trace-format.md, not part of any shared layout.
 */
#ifndef RDX_TRACE_TOKENS_H
#define RDX_TRACE_TOKENS_H

#include <stdint.h>

#define RDX_TRACE_SPAN_TOKENS UINT32_C(512)
#define RDX_TRACE_VOCABULARY  UINT32_C(131072) /* token ids are below; a power of two */

#define RDX_TRACE_GOLDEN UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / golden ratio */
#define RDX_TRACE_OUTPUT UINT64_C(0x6f75747075742121) /* sets outputs apart from prompts */

static inline uint64_t rdx_trace_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return x;
}

/* `count` tokens of stream `stream` from position `first` on. */
static inline void rdx_trace_stream(uint64_t stream, uint32_t first, uint32_t count,
				    uint32_t *ret_tokens)
{
	uint64_t start = rdx_trace_mix(stream + RDX_TRACE_GOLDEN);

	for (uint32_t i = 0; i < count; i++) {
		uint64_t x = start + (uint64_t)(first + i) * RDX_TRACE_GOLDEN;

		ret_tokens[i] = (uint32_t)(rdx_trace_mix(x) & (RDX_TRACE_VOCABULARY - 1));
	}
}

/* Tokens first .. first + count - 1 of the span that `hash_id` names; first + count is at
 * most RDX_TRACE_SPAN_TOKENS. */
static inline void rdx_trace_tokens(uint64_t hash_id, uint32_t first, uint32_t count,
				    uint32_t *ret_tokens)
{
	rdx_trace_stream(hash_id, first, count, ret_tokens);
}

/*
 * All tokens of a prompt: `hash_ids` has one id per started span, so
 * (input_length + 511) / 512 of them. Writes input_length tokens.
 */
static inline void rdx_trace_prompt(const uint64_t *hash_ids, uint32_t input_length,
				    uint32_t *ret_tokens)
{
	for (uint32_t at = 0; at < input_length; at += RDX_TRACE_SPAN_TOKENS) {
		uint32_t left = input_length - at;

		rdx_trace_tokens(hash_ids[at / RDX_TRACE_SPAN_TOKENS], 0,
				 left < RDX_TRACE_SPAN_TOKENS ? left : RDX_TRACE_SPAN_TOKENS,
				 ret_tokens + at);
	}
}

/*
 * Tokens that an engine answers to the prompt whose last span is `last_hash_id`: the same
 * prompt always gets the same answer (greedy sampling). Any `count`.
 */
static inline void rdx_trace_answer(uint64_t last_hash_id, uint32_t count, uint32_t *ret_tokens)
{
	rdx_trace_stream(rdx_trace_mix(last_hash_id ^ RDX_TRACE_OUTPUT), 0, count, ret_tokens);
}

#endif
