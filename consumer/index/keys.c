/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/index/keys.h"
#include "shm/prefetch.h"

#include <errno.h>
#include <stdlib.h>

#define LOCAL_AHEAD 96 /* local hashes on their way to the cache while those before are chained */
#define LINE_HASHES 8

static void begin(struct rdx_keys *keys, uint32_t count)
{
	keys->count = count;
	keys->made = 0;
	keys->local = NULL;
	keys->tokens = NULL;
}

void rdx_keys_prefix(struct rdx_keys *keys, const uint64_t *prefix, uint32_t count)
{
	begin(keys, count);
	keys->made = count;
	keys->prefix = prefix;
}

static int begin_scratch(struct rdx_keys *keys, uint32_t count)
{
	if (count > keys->scratch_count) {
		uint64_t *grown = realloc(keys->scratch, count * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		keys->scratch = grown;
		keys->scratch_count = count;
	}
	begin(keys, count);
	keys->prefix = keys->scratch;
	return 0;
}

int rdx_keys_local(struct rdx_keys *keys, const struct rdx_hash_key *hash_key,
		   const uint64_t *local, uint32_t count)
{
	int r = begin_scratch(keys, count);

	if (r < 0)
		return r;
	keys->hash_key = hash_key;
	keys->local = local;
	return 0;
}

int rdx_keys_tokens(struct rdx_keys *keys, const struct rdx_hash_key *hash_key, uint64_t seed,
		    const uint32_t *tokens, uint64_t token_count, uint32_t block_tokens)
{
	uint64_t count = token_count / block_tokens;
	int r = count > UINT32_MAX ? -EINVAL : begin_scratch(keys, (uint32_t)count);

	if (r < 0)
		return r;
	keys->hash_key = hash_key;
	keys->tokens = tokens;
	keys->seed = seed;
	keys->block_tokens = block_tokens;
	return 0;
}

void rdx_keys_free(struct rdx_keys *keys)
{
	free(keys->scratch);
	*keys = (struct rdx_keys){.prefix = NULL};
}

static void fetch_local(const struct rdx_keys *keys, uint32_t end)
{
	uint64_t from = keys->made ? (uint64_t)keys->made + LOCAL_AHEAD : 0;
	uint64_t to = (uint64_t)end + LOCAL_AHEAD;

	for (; from < to && from < keys->count; from += LINE_HASHES)
		rdx_prefetch_read(keys->local + from);
}

void rdx_keys_more(struct rdx_keys *keys, uint32_t end)
{
	uint32_t made = keys->made, more = end - made;
	uint64_t *prefix = keys->scratch + made;
	const uint64_t *local = prefix;

	if (keys->local) {
		fetch_local(keys, end);
		local = keys->local + made;
	} else {
		rdx_hash_blocks(keys->seed, keys->tokens + (uint64_t)made * keys->block_tokens,
				(uint64_t)more * keys->block_tokens, keys->block_tokens, prefix);
	}
	rdx_hash_chain(keys->hash_key, made ? prefix[-1] : 0, local, more, prefix);
	keys->made = end;
}
