/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes: local hashes name a block's tokens, prefix hashes a whole prefix.
 *
 * All functions here are pure, thread-safe and wait-free.
 */
#ifndef RDX_HASH_H
#define RDX_HASH_H

#include <ringdex/rdx_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The function that rdx_hash_chain computes; stands in every segment and index. */
#define RDX_HASH_SCHEME 2

/* The namespace's key, expanded for the chain. Copy it freely; treat it as opaque. */
struct rdx_hash_key {
	uint64_t chain_mask;
	uint64_t premix_mask;
	uint64_t fingerprint; /* of the key; stands in every segment and index */
};

/*
 * Seed of the local hashes of one (LoRA, salt) namespace: 1337 for the base model
 * without a salt. NULL and "" are the same and add nothing.
 *
 * Source: the scheme of NVIDIA Dynamo's dynamo-kv-router 1.6.1,
 * 1337 + XXH3-64(lora, seed 0) + XXH3-64(salt, seed 1), wrapping.
 */
RDX_API uint64_t rdx_hash_seed(const char *lora, const char *salt);

/*
 * Local hashes of the full blocks in `tokens`: XXH3-64 of each block's token ids as
 * little-endian u32, with `seed` from rdx_hash_seed. Writes
 * token_count / block_tokens hashes and ignores a partial block at the end; returns
 * how many were written. block_tokens must not be 0.
 */
RDX_API uint64_t rdx_hash_blocks(uint64_t seed, const uint32_t *tokens, uint64_t token_count,
				 uint32_t block_tokens, uint64_t *ret_local);

/*
 * What names a block besides its tokens: an image, a video, a prompt embedding, by 64 bits
 * (rdx_hash_identifier).
 */
struct rdx_block_key {
	uint64_t key;
	uint32_t block; /* counted from 0: the first one of the tokens */
	uint32_t reserved;
};

/* Tokens, and what names their blocks besides. */
struct rdx_tokens {
	uint64_t size; /* sizeof(struct rdx_tokens) */
	uint64_t seed; /* of the local hashes: rdx_hash_seed; 0: of neither adapter nor salt */
	const uint32_t *ids;
	uint64_t count;
	const struct rdx_block_key *keys; /* by block, then key; NULL: none */
	uint64_t key_count;
	uint32_t block_tokens; /* tokens per block; 0: those of the index that is asked */
	uint32_t overlap;      /* 1: a block's hash takes the next block's first token too, as of
				  SGLang's EAGLE pairs; 0: it does not */
};

/*
 * The local hashes of all full blocks in `tokens`: (count - overlap) / block_tokens. That of a block
 * with keys is XXH3-64 of its token ids as little-endian u32 and then its keys as little-endian u64,
 * with the seed. Returns how many were written; -EINVAL: block_tokens is 0, overlap above 1, keys are
 * not sorted or of no full block; -E2BIG, -EINVAL of the size.
 *
 * Source: dynamo-kv-router 1.6.1, which appends the sorted hashes of a block's images so.
 */
RDX_API int64_t rdx_hash_tokens(const struct rdx_tokens *tokens, uint64_t *ret_local);

/*
 * The key that an image's or another object's identifier makes: of a text of 16 hexadecimal digits and
 * 48 zeros these digits as a number, which is how Dynamo pads such a key; of any other XXH3-64 of its
 * bytes, seed 0.
 */
RDX_API uint64_t rdx_hash_identifier(const void *bytes, uint64_t count);

/*
 * Prefix hashes of `count` consecutive blocks from their local hashes, the first
 * being the child of `parent` (0: the root). Never writes 0. `ret_prefix` may be
 * `local`. The result never leaves the host: it depends on the namespace's key.
 */
RDX_API void rdx_hash_chain(const struct rdx_hash_key *key, uint64_t parent, const uint64_t *local,
			    uint64_t count, uint64_t *ret_prefix);

/* Expand the RDX_KEY_BYTES bytes of a namespace's key file. */
RDX_API void rdx_hash_key_expand(const uint8_t *bytes, struct rdx_hash_key *ret_key);

#ifdef __cplusplus
}
#endif
#endif
