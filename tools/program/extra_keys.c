/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/extra_keys.h"

#include "tools/program/hex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void extra_keys_free(struct extra_keys *keys)
{
	free(keys->keys);
	free(keys->digests);
	*keys = (struct extra_keys){0};
}

static int add(struct extra_keys *keys, const struct rdx_engine_key *key)
{
	if (keys->count == keys->capacity) {
		uint64_t capacity = keys->capacity ? 2 * keys->capacity : 64;
		struct rdx_engine_key *grown = realloc(keys->keys, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		keys->keys = grown;
		keys->capacity = capacity;
	}
	keys->keys[keys->count++] = *key;
	return 0;
}

static void set_text(struct rdx_engine_key *key, uint8_t kind, struct json_object *text)
{
	key->kind = kind;
	key->bytes = json_object_get_string(text);
	key->byte_count = (uint32_t)json_object_get_string_len(text);
}

/* The digits of {"bin": digits}, NULL where it is none. */
static struct json_object *digits_of(struct json_object *value)
{
	struct json_object *digits;

	if (!json_object_is_type(value, json_type_object) ||
	    json_object_object_length(value) != 1 ||
	    !json_object_object_get_ex(value, "bin", &digits) ||
	    !json_object_is_type(digits, json_type_string) ||
	    json_object_get_string_len(digits) % 2)
		return NULL;
	return digits;
}

/* The identifier in an object of TensorRT-LLM, NULL where it may mean something else. */
static struct json_object *hash_of(struct json_object *value)
{
	struct json_object_iterator at = json_object_iter_begin(value);
	struct json_object_iterator end = json_object_iter_end(value);
	struct json_object *hash = NULL;

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);

		if (strcmp(name, "hash") == 0)
			hash = json_object_iter_peek_value(&at);
		else if (strcmp(name, "start_offset") != 0 && strcmp(name, "type") != 0)
			return NULL;
	}
	return hash && json_object_is_type(hash, json_type_string) ? hash : NULL;
}

/* The identifier in [identifier, offset], or NULL. */
static struct json_object *first_of(struct json_object *value)
{
	struct json_object *first = json_object_array_get_idx(value, 0);

	return json_object_array_length(value) == 2 &&
			       json_object_is_type(first, json_type_string) &&
			       json_object_is_type(json_object_array_get_idx(value, 1),
						   json_type_int)
		       ? first
		       : NULL;
}

/* `end`: where its bytes go, and then the next one's. 0 where it is none. */
static int read_digest(struct rdx_engine_key *key, struct json_object *value, uint8_t **end)
{
	struct json_object *digits = digits_of(value);
	uint32_t bytes = digits ? (uint32_t)json_object_get_string_len(digits) / 2 : 0;

	if (!bytes || !hex_read(json_object_get_string(digits), bytes, *end))
		return 0; /* also of none, for which there need be no memory */
	key->kind = RDX_ENGINE_KEY_DIGEST;
	key->bytes = *end;
	key->byte_count = bytes;
	*end += bytes;
	return 1;
}

static void read_key(struct rdx_engine_key *key, struct json_object *value, int are_objects,
		     uint8_t **digests)
{
	struct json_object *identifier = NULL;

	key->kind = RDX_ENGINE_KEY_OTHER;
	switch (json_object_get_type(value)) {
	case json_type_string:
		set_text(key, are_objects ? RDX_ENGINE_KEY_OBJECT : RDX_ENGINE_KEY_TEXT, value);
		return;
	case json_type_array:
		identifier = first_of(value);
		break;
	case json_type_object:
		if (read_digest(key, value, digests))
			return;
		identifier = hash_of(value);
		break;
	default:
		return;
	}
	if (identifier)
		set_text(key, RDX_ENGINE_KEY_OBJECT, identifier);
}

static uint64_t digest_bytes(struct json_object *list)
{
	uint64_t bytes = 0, blocks = json_object_array_length(list);

	for (uint64_t i = 0; i < blocks; i++) {
		struct json_object *block = json_object_array_get_idx(list, i);

		if (!json_object_is_type(block, json_type_array))
			continue;
		for (uint64_t at = 0; at < json_object_array_length(block); at++) {
			struct json_object *digits =
				digits_of(json_object_array_get_idx(block, at));

			bytes += digits ? (uint64_t)json_object_get_string_len(digits) / 2 : 0;
		}
	}
	return bytes;
}

static int reserve_digests(struct extra_keys *keys, uint64_t bytes)
{
	uint8_t *grown;

	if (bytes <= keys->digest_capacity)
		return 0;
	grown = realloc(keys->digests, bytes);
	if (!grown)
		return -ENOMEM;
	keys->digests = grown;
	keys->digest_capacity = bytes;
	return 0;
}

static int read_block(struct extra_keys *keys, struct json_object *block, uint32_t at,
		      int are_objects, uint8_t **digests)
{
	struct rdx_engine_key key = {.kind = RDX_ENGINE_KEY_OTHER, .at = at};
	int is_list = json_object_is_type(block, json_type_array), r = 0;

	if (!block)
		return 0;
	if (!is_list)
		return add(keys, &key);
	for (uint64_t i = 0; r == 0 && i < json_object_array_length(block); i++) {
		key = (struct rdx_engine_key){.at = at};
		read_key(&key, json_object_array_get_idx(block, i), are_objects, digests);
		r = add(keys, &key);
	}
	return r;
}

int extra_keys_read(struct extra_keys *keys, struct json_object *list, int are_objects)
{
	uint64_t blocks = list ? json_object_array_length(list) : 0;
	uint8_t *digests;
	int r;

	keys->count = 0;
	if (blocks > UINT32_MAX)
		return -E2BIG;
	r = blocks ? reserve_digests(keys, digest_bytes(list)) : 0;
	digests = keys->digests;
	for (uint64_t i = 0; r == 0 && i < blocks; i++)
		r = read_block(keys, json_object_array_get_idx(list, i), (uint32_t)i, are_objects,
			       &digests);
	return r;
}

int extra_keys_add_token(struct extra_keys *keys, struct json_object *text, uint32_t index)
{
	struct rdx_engine_key key = {.at = index};

	set_text(&key, RDX_ENGINE_KEY_TOKEN, text);
	return add(keys, &key);
}
