/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "shm/tokens.h"
#include "shm/sized.h"

#include <errno.h>

int rdx_tokens_check_keys(const struct rdx_block_key *keys, uint64_t count, uint64_t blocks)
{
	for (uint64_t i = 0; i < count; i++) {
		const struct rdx_block_key *key = &keys[i], *last = i ? key - 1 : NULL;

		if (key->block >= blocks || key->reserved)
			return -EINVAL;
		if (last && (key->block < last->block ||
			     (key->block == last->block && key->key < last->key)))
			return -EINVAL;
	}
	return 0;
}

int rdx_tokens_take(struct rdx_tokens *ret_tokens, const struct rdx_tokens *from,
		    uint32_t block_tokens)
{
	struct rdx_tokens tokens;
	int r = rdx_sized_take(&tokens, sizeof(tokens), from);

	if (r < 0)
		return r;
	if (!tokens.seed)
		tokens.seed = rdx_hash_seed(NULL, NULL);
	if (!tokens.block_tokens)
		tokens.block_tokens = block_tokens;
	if (!tokens.block_tokens || (block_tokens && tokens.block_tokens != block_tokens) ||
	    tokens.overlap > 1)
		return -EINVAL;
	r = rdx_tokens_check_keys(tokens.keys, tokens.key_count, rdx_tokens_blocks(&tokens));
	if (r == 0)
		*ret_tokens = tokens;
	return r;
}

/* Blocks without keys. */
static void hash_plain(const struct rdx_tokens *tokens, uint64_t from, uint64_t to,
		       uint64_t *ret_local)
{
	const uint32_t *ids = tokens->ids + from * tokens->block_tokens;
	uint64_t bytes = (tokens->block_tokens + (uint64_t)tokens->overlap) * sizeof(*ids);

	if (!tokens->overlap) {
		rdx_hash_blocks(tokens->seed, ids, (to - from) * tokens->block_tokens,
				tokens->block_tokens, ret_local);
		return;
	}
	for (uint64_t i = from; i < to; i++, ids += tokens->block_tokens)
		*ret_local++ = XXH3_64bits_withSeed(ids, bytes, tokens->seed);
}

/* A block with keys. Integers are little-endian in memory: asserted in shm/segment_layout.h */
static uint64_t hash_keyed(const struct rdx_tokens *tokens, uint64_t block,
			   const struct rdx_block_key *keys, uint64_t count)
{
	uint64_t words = tokens->block_tokens + (uint64_t)tokens->overlap;
	XXH3_state_t state = {.seed = 0}; /* gcc 12 takes it for uninitialized otherwise */

	XXH3_64bits_reset_withSeed(&state, tokens->seed);
	XXH3_64bits_update(&state, tokens->ids + block * tokens->block_tokens,
			   words * sizeof(*tokens->ids));
	for (uint64_t i = 0; i < count; i++)
		XXH3_64bits_update(&state, &keys[i].key, sizeof(keys[i].key));
	return XXH3_64bits_digest(&state);
}

void rdx_tokens_hash(const struct rdx_tokens *tokens, uint64_t from, uint64_t to, uint64_t *key_at,
		     uint64_t *ret_local)
{
	uint64_t key = *key_at, at = from;

	while (at < to) {
		uint64_t keyed = key < tokens->key_count ? tokens->keys[key].block : to,
			 first = key;

		keyed = keyed < to ? keyed : to;
		hash_plain(tokens, at, keyed, ret_local + (at - from));
		at = keyed;
		if (at == to)
			break;
		while (key < tokens->key_count && tokens->keys[key].block == at)
			key++;
		ret_local[at - from] = hash_keyed(tokens, at, tokens->keys + first, key - first);
		at++;
	}
	*key_at = key;
}
