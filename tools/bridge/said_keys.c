/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/said_keys.h"

#include "tools/bridge/said_text.h"

#include <string.h>

static struct rdx_engine_key *add(struct said *said, uint32_t at)
{
	uint64_t count = said->event.key_count++;
	struct rdx_engine_key *keys =
		vector_reserve(&said->keys, (count + 1) * sizeof(struct rdx_engine_key));

	keys[count] = (struct rdx_engine_key){.at = at, .kind = RDX_ENGINE_KEY_OTHER};
	return &keys[count];
}

static void set_text(struct said *said, struct rdx_engine_key *key, uint8_t kind,
		     const msgpack_object *text)
{
	key->kind = kind;
	key->byte_count = text->via.str.size;
	key->bytes = said_text_copy(said, text);
}

static int is_text(const msgpack_object *value)
{
	return value->type == MSGPACK_OBJECT_STR;
}

static int is_integer(const msgpack_object *value)
{
	return value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
	       value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
}

/* The identifier in [identifier, offset], or NULL. */
static const msgpack_object *first_of(const msgpack_object *value)
{
	const msgpack_object *at = value->via.array.ptr;

	return value->via.array.size == 2 && is_text(&at[0]) && is_integer(&at[1]) ? at : NULL;
}

/* The identifier in a map of TensorRT-LLM, NULL where it may mean something else. */
static const msgpack_object *hash_of(const msgpack_object *value)
{
	const msgpack_object *hash = NULL;

	for (uint32_t i = 0; i < value->via.map.size; i++) {
		const msgpack_object_kv *at = &value->via.map.ptr[i];

		if (said_text_is(&at->key, "hash") && !hash)
			hash = &at->val;
		else if (!said_text_is(&at->key, "start_offset") && !said_text_is(&at->key, "type"))
			return NULL;
	}
	return hash && is_text(hash) ? hash : NULL;
}

static void read_key(struct said *said, uint32_t at, const msgpack_object *value, int are_objects)
{
	struct rdx_engine_key *key = add(said, at);
	const msgpack_object *identifier = NULL;

	switch (value->type) {
	case MSGPACK_OBJECT_STR:
		set_text(said, key, are_objects ? RDX_ENGINE_KEY_OBJECT : RDX_ENGINE_KEY_TEXT,
			 value);
		return;
	case MSGPACK_OBJECT_BIN:
		key->kind = RDX_ENGINE_KEY_DIGEST;
		key->bytes = value->via.bin.ptr;
		key->byte_count = value->via.bin.size;
		return;
	case MSGPACK_OBJECT_ARRAY:
		identifier = first_of(value);
		break;
	case MSGPACK_OBJECT_MAP:
		identifier = hash_of(value);
		break;
	default:
		return;
	}
	if (identifier)
		set_text(said, key, RDX_ENGINE_KEY_OBJECT, identifier);
}

static void read_block(struct said *said, uint32_t at, const msgpack_object *block, int are_objects)
{
	if (block->type == MSGPACK_OBJECT_NIL)
		return;
	if (block->type != MSGPACK_OBJECT_ARRAY) {
		add(said, at);
		return;
	}
	for (uint32_t i = 0; i < block->via.array.size; i++)
		read_key(said, at, &block->via.array.ptr[i], are_objects);
}

/* Is there a key in the list? */
static int says_something(const msgpack_object *list)
{
	for (uint32_t i = 0; list && i < list->via.array.size; i++) {
		if (list->via.array.ptr[i].type != MSGPACK_OBJECT_NIL)
			return 1;
	}
	return 0;
}

enum fault said_keys_read(struct said *said, const msgpack_object *extra, const msgpack_object *mm)
{
	int are_objects;
	const msgpack_object *list;

	if ((extra && extra->type != MSGPACK_OBJECT_ARRAY) ||
	    (mm && mm->type != MSGPACK_OBJECT_ARRAY))
		return FAULT_LIST;
	if (!extra && !mm)
		return FAULT_NONE;
	are_objects = says_something(mm);
	if (are_objects && says_something(extra))
		return FAULT_KEY_LISTS;
	list = are_objects || !extra ? mm : extra;
	said->event.flags |= RDX_ENGINE_KEYS;
	said->event.key_blocks = list->via.array.size;
	for (uint32_t i = 0; i < list->via.array.size; i++)
		read_block(said, i, &list->via.array.ptr[i], are_objects);
	return FAULT_NONE;
}

static int read_id(const msgpack_object *value, uint32_t *ret_id)
{
	if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 > UINT32_MAX)
		return 0;
	*ret_id = (uint32_t)value->via.u64;
	return 1;
}

static int read_pair(const msgpack_object *value, uint32_t *ret_ids)
{
	return value->type == MSGPACK_OBJECT_ARRAY && value->via.array.size == 2 &&
	       read_id(&value->via.array.ptr[0], ret_ids) &&
	       read_id(&value->via.array.ptr[1], ret_ids + 1);
}

/* A token that is a text is a key of its block, too. */
static int read_token(struct said *said, uint32_t at, const msgpack_object *value, uint32_t *ret_id)
{
	if (read_id(value, ret_id))
		return 1;
	if (!is_text(value) || !value->via.str.size)
		return 0;
	*ret_id = rdx_engine_token(value->via.str.ptr, value->via.str.size);
	set_text(said, add(said, at), RDX_ENGINE_KEY_TOKEN, value);
	return 1;
}

enum fault said_keys_read_tokens(struct said *said, const msgpack_object *tokens)
{
	const msgpack_object *at;
	uint32_t count, pairs, *ids;

	if (!tokens)
		return FAULT_NONE;
	if (tokens->type != MSGPACK_OBJECT_ARRAY)
		return FAULT_LIST;
	at = tokens->via.array.ptr;
	count = tokens->via.array.size;
	pairs = count && at[0].type == MSGPACK_OBJECT_ARRAY;
	ids = vector_reserve(&said->tokens, ((uint64_t)count << pairs) * sizeof(*ids));
	for (uint32_t i = 0; i < count; i++) {
		if (!(pairs ? read_pair(&at[i], &ids[2 * (uint64_t)i])
			    : read_token(said, i, &at[i], &ids[i])))
			return FAULT_TOKEN;
	}
	said->event.tokens = ids;
	said->event.token_count = count;
	said->event.flags |= pairs ? RDX_ENGINE_PAIRS : 0;
	return FAULT_NONE;
}
