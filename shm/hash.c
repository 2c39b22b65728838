/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "shm/tokens.h"

#include <assert.h>
#include <string.h>

#define SEED_BASE UINT64_C(1337) /* of NVIDIA Dynamo's local hashes */

#define PADDED_DIGITS 64 /* of a key that is written as a digest */
#define KEY_DIGITS    16

uint64_t rdx_hash_seed(const char *lora, const char *salt)
{
	uint64_t seed = SEED_BASE;

	if (lora && *lora)
		seed += XXH3_64bits_withSeed(lora, strlen(lora), 0);
	if (salt && *salt)
		seed += XXH3_64bits_withSeed(salt, strlen(salt), 1);
	return seed;
}

/* Inlined where the size is a constant: XXH3 then has no branches on it. */
__attribute__((always_inline)) static inline void hash_each(uint64_t seed, const uint32_t *tokens,
							    uint64_t blocks, uint32_t block_tokens,
							    uint64_t *ret_local)
{
	/* tokens are little-endian in memory: asserted in shm/segment_layout.h */
	for (uint64_t i = 0; i < blocks; i++)
		ret_local[i] = XXH3_64bits_withSeed(tokens + i * block_tokens,
						    block_tokens * sizeof(*tokens), seed);
}

uint64_t rdx_hash_blocks(uint64_t seed, const uint32_t *tokens, uint64_t token_count,
			 uint32_t block_tokens, uint64_t *ret_local)
{
	uint64_t blocks = token_count / block_tokens;

	switch (block_tokens) {
	case 16:
		hash_each(seed, tokens, blocks, 16, ret_local);
		break;
	case 32:
		hash_each(seed, tokens, blocks, 32, ret_local);
		break;
	default:
		hash_each(seed, tokens, blocks, block_tokens, ret_local);
	}
	return blocks;
}

int64_t rdx_hash_tokens(const struct rdx_tokens *from, uint64_t *ret_local)
{
	struct rdx_tokens tokens;
	uint64_t key_at = 0;
	int r = rdx_tokens_take(&tokens, from, 0);

	if (r < 0)
		return r;
	rdx_tokens_hash(&tokens, 0, rdx_tokens_blocks(&tokens), &key_at, ret_local);
	return (int64_t)rdx_tokens_blocks(&tokens);
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' - 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 16 digits and 48 zeros: 1, and the number that the digits are. */
static int is_padded(const uint8_t *text, uint64_t count, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (count != PADDED_DIGITS)
		return 0;
	for (int i = 0; i < PADDED_DIGITS; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0 || (i >= KEY_DIGITS && digit))
			return 0;
		if (i < KEY_DIGITS)
			number = number << 4 | (uint64_t)digit;
	}
	*ret_number = number;
	return 1;
}

uint64_t rdx_hash_identifier(const void *bytes, uint64_t count)
{
	uint64_t number;

	return is_padded(bytes, count, &number) ? number : XXH3_64bits(bytes, count);
}

/* Spread a local hash over 64 bits under the key. Not in the chain's latency: the next block's can be
 * computed while this one's link is. But each operation takes room from it: a second multiplication
 * costs a fifth. */
static uint64_t premix(uint64_t local, uint64_t mask)
{
	uint64_t x = local ^ mask;

	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	return x ^ x >> 32;
}

__extension__ typedef unsigned __int128 product_t;

/* Its own inverse. */
static uint64_t fold(uint64_t x)
{
	return x ^ x >> 33;
}

/*
 * The chain. A link is the folded 128-bit product of the state and the block's premixed hash. Adding
 * the premixed hash keeps a product that happens to be 0 from forgetting the block. A prefix hash is
 * the state, masked and folded once more, as a state's lowest bits follow those of the one before.
 *
 * A lookup waits for the chain, and in its latency are only the product and its folding, since the
 * state is carried and not the prefix hash; a parent's is folded back. A prefix hash of 0 is a branch
 * that is never taken instead of a conditional move.
 */
void rdx_hash_chain(const struct rdx_hash_key *key, uint64_t parent, const uint64_t *local,
		    uint64_t count, uint64_t *ret_prefix)
{
	const uint64_t mask = key->chain_mask, premix_mask = key->premix_mask;
	uint64_t state = fold(parent) ^ mask;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t mixed = premix(local[i], premix_mask);
		product_t product = (product_t)state * (mixed | 1);

		state = ((uint64_t)product + mixed) ^ (uint64_t)(product >> 64);
		ret_prefix[i] = fold(state ^ mask);
		if (__builtin_expect(state == mask, 0)) { /* that would be a prefix hash of 0 */
			ret_prefix[i] = 1;
			state = 1 ^ mask;
		}
	}
}

void rdx_hash_key_expand(const uint8_t *bytes, struct rdx_hash_key *ret_key)
{
	static const char domain[] = "ringdex namespace key fingerprint 1";
	uint8_t buffer[RDX_KEY_BYTES + sizeof(domain)];

	memcpy(&ret_key->chain_mask, bytes, 8);
	memcpy(&ret_key->premix_mask, bytes + 8, 8);
	memcpy(buffer, bytes, RDX_KEY_BYTES);
	memcpy(buffer + RDX_KEY_BYTES, domain, sizeof(domain));
	ret_key->fingerprint = XXH3_64bits(buffer, sizeof(buffer));
}
