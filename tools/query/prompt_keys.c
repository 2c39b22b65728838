/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/query/prompt_keys.h"

#include "shm/tokens.h"
#include "tools/program/figures.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

void prompt_keys_free(struct prompt_keys *keys)
{
	extra_keys_free(&keys->given);
	free(keys->blocks);
	*keys = (struct prompt_keys){0};
}

int prompt_keys_read(struct prompt_keys *keys, struct json_object *list, int are_objects)
{
	keys->has_list = list != NULL;
	keys->list_blocks = list ? json_object_array_length(list) : 0;
	return extra_keys_read(&keys->given, list, are_objects);
}

/* The list has an entry for each full block, and perhaps one for the tokens behind them, the keys of
 * which are left out. */
static int cut_list(struct prompt_keys *keys, const struct rdx_tokens *tokens, uint64_t blocks,
		    struct json_line_fault *ret_fault)
{
	uint32_t block_tokens = tokens->block_tokens;
	uint64_t most = (tokens->count + block_tokens - 1) / block_tokens, kept = 0;
	struct extra_keys *given = &keys->given;

	if (keys->has_list && (keys->list_blocks < blocks || keys->list_blocks > most))
		return json_line_fault(ret_fault,
				       "there are keys for %" PRIu64
				       " block%s, the tokens make %" PRIu64 " block%s of %" PRIu32
				       ": give an entry for each, null where there is none",
				       keys->list_blocks, figures_plural(keys->list_blocks), blocks,
				       figures_plural(blocks), block_tokens);
	for (uint64_t i = 0; i < given->count; i++) {
		struct rdx_engine_key key = given->keys[i];
		uint64_t block = key.kind == RDX_ENGINE_KEY_TOKEN ? key.at / block_tokens : key.at;

		if (block < blocks)
			given->keys[kept++] = key;
	}
	given->count = kept;
	return 0;
}

/* What the keys say, as keys of an event that stores these blocks from the root on. */
static int understand(struct prompt_keys *keys, const struct rdx_engine_event *event,
		      struct rdx_engine_identity *ret_identity)
{
	if (keys->capacity < event->key_count) {
		struct rdx_block_key *blocks =
			reallocarray(keys->blocks, event->key_count, sizeof(*blocks));

		if (!blocks)
			return -ENOMEM;
		keys->blocks = blocks;
		keys->capacity = event->key_count;
	}
	*ret_identity = (struct rdx_engine_identity){.size = sizeof(*ret_identity)};
	return rdx_engine_keys(event, keys->blocks, keys->capacity, ret_identity);
}

static int check_identity(const struct rdx_engine_identity *identity, uint64_t blocks,
			  struct json_line_fault *ret_fault)
{
	if (identity->contradicts)
		return json_line_fault(ret_fault,
				       "two different cache salts: give one; an adapter's name is "
				       "lora_name");
	if (identity->blocks < blocks)
		return json_line_fault(ret_fault,
				       "the keys of block %" PRIu64
				       ", counted from 0, are not understood: give an image as "
				       "[identifier, offset], an adapter as lora_name, a salt as "
				       "cache_salt",
				       identity->blocks);
	return 0;
}

int prompt_keys_name(struct prompt_keys *keys, const char *lora, const char *salt,
		     const char *fallback, struct rdx_tokens *tokens,
		     struct json_line_fault *ret_fault)
{
	uint64_t blocks = rdx_tokens_blocks(tokens);
	struct rdx_engine_identity identity;
	int r = cut_list(keys, tokens, blocks, ret_fault);

	if (r == 0) {
		const struct rdx_engine_event event = {
			.size = sizeof(event),
			.lora_name = lora,
			.cache_salt = salt,
			.tokens = tokens->ids,
			.token_count = tokens->count,
			.keys = keys->given.keys,
			.key_count = keys->given.count,
			.key_blocks = blocks,
			.count = (uint32_t)blocks,
			.block_tokens = tokens->block_tokens,
			.flags = keys->has_list ? RDX_ENGINE_KEYS : 0,
		};

		r = understand(keys, &event, &identity);
	}
	if (r == 0)
		r = check_identity(&identity, blocks, ret_fault);
	if (r < 0)
		return r;
	salt = identity.salt || salt ? identity.salt : fallback;
	tokens->seed = rdx_hash_seed(lora, salt);
	tokens->keys = keys->blocks;
	tokens->key_count = identity.key_count;
	return 0;
}
