/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local hashes of tokens, in pieces: a publisher hashes a chunk at a time, a lookup as far as it comes.
 */
#ifndef RDX_TOKENS_H
#define RDX_TOKENS_H

#include <ringdex/rdx_hash.h>

/* Take what a caller gives, with defaults in place: `block_tokens` where it gives none, else it must
 * give the same. -EINVAL, -E2BIG. */
int rdx_tokens_take(struct rdx_tokens *ret_tokens, const struct rdx_tokens *from,
		    uint32_t block_tokens);

/* Are the keys of a call with so many blocks sorted, and each of one of them? -EINVAL: not. */
int rdx_tokens_check_keys(const struct rdx_block_key *keys, uint64_t count, uint64_t blocks);

/* How many blocks they make. */
static inline uint64_t rdx_tokens_blocks(const struct rdx_tokens *tokens)
{
	return tokens->count < tokens->overlap
		       ? 0
		       : (tokens->count - tokens->overlap) / tokens->block_tokens;
}

/* The local hashes of the blocks from .. to - 1. `key_at`: how many keys are of blocks before, from
 * one call to the next. */
void rdx_tokens_hash(const struct rdx_tokens *tokens, uint64_t from, uint64_t to, uint64_t *key_at,
		     uint64_t *ret_local);

#endif
