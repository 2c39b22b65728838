/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What names the blocks of a prompt besides its tokens: read from JSON, understood as keys of events are,
 * and made keys of its blocks.
 */
#ifndef QUERY_PROMPT_KEYS_H
#define QUERY_PROMPT_KEYS_H

#include "tools/program/extra_keys.h"
#include "tools/program/json_line.h"

#include <ringdex/rdx_hash.h>

/* Kept from one prompt to the next. {0}. */
struct prompt_keys {
	struct extra_keys given;
	uint64_t list_blocks; /* of a list of extra keys */
	int has_list;
	struct rdx_block_key *blocks;
	uint64_t capacity;
};

void prompt_keys_free(struct prompt_keys *keys);

/*
 * Read the extra_keys, or where `are_objects` the mm_keys, of a prompt, in place of those before; `list`
 * NULL: it has none. Texts stay the list's. -ENOMEM; -E2BIG: the list has 2^32 entries.
 */
int prompt_keys_read(struct prompt_keys *keys, struct json_object *list, int are_objects);

/*
 * Fill seed and keys of `tokens`, of which all else is set, block_tokens too. `salt` NULL: not said, and
 * `fallback` holds unless the keys say one. The keys stay those of `keys`. -ENOMEM; -EBADMSG with
 * `ret_fault` filled: keys that are not understood, or contradict each other.
 */
int prompt_keys_name(struct prompt_keys *keys, const char *lora, const char *salt,
		     const char *fallback, struct rdx_tokens *tokens,
		     struct json_line_fault *ret_fault);

#endif
