/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prefix hashes of a request, made as far as they are asked for: a lookup that ends early hashes
 * little, one that is tried again hashes nothing again.
 */
#ifndef RDX_KEYS_H
#define RDX_KEYS_H

#include <ringdex/rdx_hash.h>

/* {0}: no request yet. */
struct rdx_keys {
	const uint64_t *prefix; /* those below `made` */
	uint32_t count;         /* blocks of the request */
	uint32_t made;
	/* what the others are made of: local hashes, else tokens */
	const struct rdx_hash_key *hash_key;
	const uint64_t *local;
	struct rdx_tokens tokens;
	uint64_t key_at;   /* of the tokens' keys */
	uint64_t *scratch; /* stays from request to request */
	uint64_t scratch_count;
};

/* A request, by what is known of it, which must stay until the last prefix hash is made. -ENOMEM,
 * -EINVAL: more than 2^32 - 1 blocks, or as for rdx_hash_tokens. */
void rdx_keys_prefix(struct rdx_keys *keys, const uint64_t *prefix, uint32_t count);
int rdx_keys_local(struct rdx_keys *keys, const struct rdx_hash_key *hash_key,
		   const uint64_t *local, uint32_t count);
int rdx_keys_tokens(struct rdx_keys *keys, const struct rdx_hash_key *hash_key,
		    const struct rdx_tokens *tokens, uint32_t block_tokens);
void rdx_keys_free(struct rdx_keys *keys);

void rdx_keys_more(struct rdx_keys *keys, uint32_t end);

/* The prefix hashes below `end`, which is at most `count`. */
static inline void rdx_keys_make(struct rdx_keys *keys, uint32_t end)
{
	if (end > keys->made)
		rdx_keys_more(keys, end);
}

#endif
