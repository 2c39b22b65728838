/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/index/keys.h"
#include "shm/prefetch.h"
#include "shm/tokens.h"

#include <errno.h>
#include <stdlib.h>

#define LOCAL_AHEAD 96 /* local hashes on their way to the cache while those before are chained */
#define LINE_HASHES 8

static void begin(struct rdx_keys *keys, uint32_t count)
{
	keys->count = count;
	keys->made = 0;
	keys->local = NULL;
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

int rdx_keys_tokens(struct rdx_keys *keys, const struct rdx_hash_key *hash_key,
		    const struct rdx_tokens *from, uint32_t block_tokens)
{
	struct rdx_tokens tokens;
	int r = rdx_tokens_take(&tokens, from, block_tokens);
	uint64_t count = r < 0 ? 0 : rdx_tokens_blocks(&tokens);

	if (r == 0)
		r = count > UINT32_MAX ? -EINVAL : begin_scratch(keys, (uint32_t)count);
	if (r < 0)
		return r;
	keys->hash_key = hash_key;
	keys->tokens = tokens;
	keys->key_at = 0;
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
		rdx_tokens_hash(&keys->tokens, made, end, &keys->key_at, prefix);
	}
	rdx_hash_chain(keys->hash_key, made ? prefix[-1] : 0, local, more, prefix);
	keys->made = end;
}
