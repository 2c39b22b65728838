/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stream_oracle.h"

void stream_set_parent(struct stream *stream, uint32_t block, uint32_t parent)
{
	stream->parent[block] = parent;
	stream->child[block] = stream->sibling[block] = STREAM_NONE;
	if (parent == STREAM_NONE)
		return;
	stream->sibling[block] = stream->child[parent];
	stream->child[parent] = block;
}

void stream_hash_blocks(struct stream *stream, const struct rdx_hash_key *key, uint64_t seed)
{
	for (uint32_t i = 0; i < stream->blocks; i++) {
		uint32_t parent = stream->parent[i];

		stream->local[i] = seed * 31 + i;
		rdx_hash_chain(key, parent == STREAM_NONE ? 0 : stream->prefix[parent],
			       &stream->local[i], 1, &stream->prefix[i]);
	}
}

uint32_t stream_children(const struct stream *stream, uint32_t block)
{
	uint32_t count = 0;

	for (uint32_t i = stream->child[block]; i != STREAM_NONE; i = stream->sibling[i])
		count++;
	return count;
}

/* The set of the tiers 0 .. set, as bits. */
static uint8_t tiers_of(uint32_t set)
{
	return (uint8_t)((2 << set) - 1);
}

static int in_set(const struct stream *stream, uint32_t block, uint32_t set)
{
	return block == STREAM_NONE || (stream->held[block] & tiers_of(set)) != 0;
}

uint32_t stream_children_in_set(const struct stream *stream, uint32_t block, uint32_t set)
{
	uint32_t count = 0;

	for (uint32_t i = stream->child[block]; i != STREAM_NONE; i = stream->sibling[i])
		count += (uint32_t)in_set(stream, i, set);
	return count;
}

void stream_hold(struct stream *stream, uint32_t block, uint8_t tier, int held)
{
	uint8_t before = stream->held[block];
	uint8_t after = (uint8_t)(held ? before | 1 << tier : before & ~(1 << tier));

	if (before == after)
		return;
	for (uint32_t set = tier; set < RDX_TIER_COUNT; set++) {
		if (!(before & tiers_of(set)) == !(after & tiers_of(set)))
			continue;
		/* its children have their parent, or not; and it itself */
		stream->orphans[set] +=
			(held ? -1 : 1) * stream_children_in_set(stream, block, set);
		if (!in_set(stream, stream->parent[block], set))
			stream->orphans[set] += held ? 1 : -1;
	}
	stream->count[tier] += held ? 1 : -1;
	stream->held[block] = after;
}

int stream_is_held(const struct stream *stream, uint32_t block, uint8_t tier)
{
	return stream->held[block] >> tier & 1;
}

uint32_t stream_path(const struct stream *stream, uint32_t block, uint32_t *ret_path)
{
	uint32_t depth = 0;

	for (uint32_t i = block; i != STREAM_NONE; i = stream->parent[i])
		depth++;
	for (uint32_t i = depth; i; i--, block = stream->parent[block])
		ret_path[i - 1] = block;
	return depth;
}

uint32_t stream_run(const struct stream *stream, const uint32_t *path, uint32_t blocks,
		    uint32_t set)
{
	uint32_t run = 0;

	while (run < blocks && in_set(stream, path[run], set))
		run++;
	return run;
}

uint8_t stream_orphan_bits(const struct stream *stream)
{
	uint8_t bits = 0;

	for (uint32_t set = 0; set < RDX_TIER_COUNT; set++)
		bits |= (uint8_t)((stream->orphans[set] != 0) << set);
	return bits;
}

uint64_t stream_differences(const struct stream *stream, const struct rdx_holding *holding)
{
	uint64_t differences = 0;

	for (uint32_t i = 0; i < stream->blocks; i++)
		differences += rdx_holding_tiers(holding, stream->prefix[i]) != stream->held[i];
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		differences += holding->count[tier] != stream->count[tier];
	return differences;
}
