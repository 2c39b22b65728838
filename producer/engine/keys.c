/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/engine/keys.h"

#include "shm/sized.h"

/* Before a salt that says what it is: so Dynamo writes it. */
static const char tag[] = "dynamo-cache-salt:";
#define TAG_BYTES (sizeof(tag) - 1)

static uint64_t block_of(const struct rdx_engine_key_reader *reader,
			 const struct rdx_engine_key *key)
{
	return key->kind == RDX_ENGINE_KEY_TOKEN ? key->at / reader->block_tokens : key->at;
}

static const char *text_or_none(const char *text)
{
	return text && *text ? text : NULL;
}

static int is_adapter(const struct rdx_engine_event *event, const struct rdx_engine_key *key)
{
	const char *name = text_or_none(event->lora_name);

	return name && strlen(name) == key->byte_count &&
	       memcmp(name, key->bytes, key->byte_count) == 0;
}

/* The salt in a text, NULL where it is none: `bare`, it may go without the tag. */
static const char *salt_in(const struct rdx_engine_key *key, int bare)
{
	const char *text = key->bytes;

	if (key->byte_count == 0 || memchr(text, 0, key->byte_count))
		return NULL;
	if (key->byte_count > TAG_BYTES && memcmp(text, tag, TAG_BYTES) == 0)
		return text + TAG_BYTES;
	return bare ? text : NULL;
}

/* The salt is that of the event and of the first block's keys, which must agree. */
static void read_salt(struct rdx_engine_key_reader *reader)
{
	const struct rdx_engine_event *event = reader->event;

	reader->salt = text_or_none(event->cache_salt);
	for (uint64_t i = 0; i < reader->tokens_begin && event->keys[i].at == 0; i++) {
		const struct rdx_engine_key *key = &event->keys[i];
		const char *salt;

		if (key->kind != RDX_ENGINE_KEY_TEXT || (i == 0 && is_adapter(event, key)))
			continue;
		salt = salt_in(key, !event->parent);
		if (salt && reader->salt && strcmp(salt, reader->salt) != 0)
			reader->contradicts = 1;
		else if (salt)
			reader->salt = salt;
	}
}

/* Is the key behind the one before it, and of a block that there is? */
static int is_in_order(const struct rdx_engine_event *event, uint64_t i)
{
	const struct rdx_engine_key *key = &event->keys[i];
	int is_token = key->kind == RDX_ENGINE_KEY_TOKEN;
	uint64_t blocks = event->flags & RDX_ENGINE_KEYS ? event->key_blocks : event->count;

	if (key->at >= (is_token ? event->token_count : blocks))
		return 0;
	if (i == 0 || (is_token && key[-1].kind != RDX_ENGINE_KEY_TOKEN))
		return 1;
	return is_token == (key[-1].kind == RDX_ENGINE_KEY_TOKEN) && key[-1].at <= key->at;
}

int rdx_engine_keys_begin(struct rdx_engine_key_reader *ret_reader,
			  const struct rdx_engine_event *event, uint32_t block_tokens)
{
	struct rdx_engine_key_reader reader = {.event = event, .block_tokens = block_tokens};

	for (uint64_t i = 0; i < event->key_count; i++) {
		if (!is_in_order(event, i))
			return -EINVAL;
		if (event->keys[i].kind != RDX_ENGINE_KEY_TOKEN)
			reader.tokens_begin = i + 1;
	}
	reader.next_token = reader.tokens_begin;
	if (reader.tokens_begin < event->key_count && !block_tokens)
		return -EINVAL;
	reader.contradicts = event->flags & RDX_ENGINE_KEYS && event->key_blocks &&
			     event->key_blocks != event->count; /* an empty list says nothing */
	read_salt(&reader);
	*ret_reader = reader;
	return 0;
}

uint64_t rdx_engine_keys_block(const struct rdx_engine_key_reader *reader)
{
	const struct rdx_engine_event *event = reader->event;
	uint64_t block = UINT64_MAX, other;

	if (reader->next < reader->tokens_begin)
		block = event->keys[reader->next].at;
	if (reader->next_token < event->key_count) {
		other = block_of(reader, &event->keys[reader->next_token]);
		block = other < block ? other : block;
	}
	return block;
}

/* Does a text, the first of its block or not, say what is known anyway? */
static int text_is_known(const struct rdx_engine_key_reader *reader,
			 const struct rdx_engine_key *key, int is_first)
{
	const char *salt;

	if (is_first && is_adapter(reader->event, key))
		return 1;
	salt = salt_in(key, key->at == 0 && !reader->event->parent);
	return salt && reader->salt && strcmp(salt, reader->salt) == 0;
}

/* 1: `ret_key` is the key of its block; 0: it says nothing more; -EBADMSG. */
static int read_key(const struct rdx_engine_key_reader *reader, const struct rdx_engine_key *key,
		    int is_first, uint64_t *ret_key)
{
	switch (key->kind) {
	case RDX_ENGINE_KEY_TEXT:
		return text_is_known(reader, key, is_first) ? 0 : -EBADMSG;
	case RDX_ENGINE_KEY_OBJECT:
	case RDX_ENGINE_KEY_DIGEST:
	case RDX_ENGINE_KEY_TOKEN:
		if (key->byte_count == 0)
			return -EBADMSG;
		*ret_key = rdx_hash_identifier(key->bytes, key->byte_count);
		return 1;
	default:
		return -EBADMSG;
	}
}

static void insert_sorted(struct rdx_block_key *keys, uint32_t count, uint64_t block, uint64_t key)
{
	uint32_t at = count;

	for (; at > 0 && keys[at - 1].key > key; at--)
		keys[at] = keys[at - 1];
	keys[at] = (struct rdx_block_key){.key = key, .block = (uint32_t)block};
}

/* The keys from `*at` on that are of the block, added to the `count` that there are. */
static int read_some(const struct rdx_engine_key_reader *reader, uint64_t block, uint64_t *at,
		     uint64_t end, struct rdx_block_key *ret_keys, uint32_t count)
{
	const struct rdx_engine_key *keys = reader->event->keys;
	uint64_t first = *at;

	for (; *at < end && block_of(reader, &keys[*at]) == block; (*at)++) {
		uint64_t value;
		int r = read_key(reader, &keys[*at], *at == first, &value);

		if (r < 0 || (r && count == RDX_ENGINE_BLOCK_KEYS_MAX))
			return -EBADMSG;
		if (r)
			insert_sorted(ret_keys, count++, block, value);
	}
	return (int)count;
}

int rdx_engine_keys_read(struct rdx_engine_key_reader *reader, struct rdx_block_key *ret_keys)
{
	uint64_t block = rdx_engine_keys_block(reader), next = reader->next,
		 next_token = reader->next_token;
	int r = read_some(reader, block, &next, reader->tokens_begin, ret_keys, 0);

	if (r >= 0)
		r = read_some(reader, block, &next_token, reader->event->key_count, ret_keys,
			      (uint32_t)r);
	if (r < 0)
		return r;
	reader->next = next;
	reader->next_token = next_token;
	return r;
}

int rdx_engine_keys(const struct rdx_engine_event *given, struct rdx_block_key *ret_keys,
		    uint64_t capacity, struct rdx_engine_identity *ret_identity)
{
	struct rdx_engine_identity identity = {.blocks = UINT64_MAX};
	struct rdx_block_key keys[RDX_ENGINE_BLOCK_KEYS_MAX];
	struct rdx_engine_key_reader reader;
	struct rdx_engine_event event;
	uint64_t block;
	int r = rdx_sized_take(&event, sizeof(event), given);

	if (r == 0)
		r = rdx_sized_check(ret_identity);
	if (r == 0)
		r = capacity < event.key_count ? -ENOSPC : 0;
	if (r == 0)
		r = rdx_engine_keys_begin(&reader, &event, event.block_tokens);
	if (r < 0)
		return r;
	while ((block = rdx_engine_keys_block(&reader)) != UINT64_MAX) {
		r = rdx_engine_keys_read(&reader, keys);
		if (r < 0) {
			identity.blocks = block;
			break;
		}
		memcpy(ret_keys + identity.key_count, keys, (size_t)r * sizeof(*keys));
		identity.key_count += (uint64_t)r;
	}
	identity.salt = reader.salt;
	identity.contradicts = (uint32_t)reader.contradicts;
	rdx_sized_give(ret_identity, &identity, sizeof(identity));
	return 0;
}

uint32_t rdx_engine_token(const void *text, uint64_t bytes)
{
	return (uint32_t)rdx_hash_identifier(text, bytes);
}
