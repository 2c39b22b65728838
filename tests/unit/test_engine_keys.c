/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: extra keys of events: which text is an adapter or a salt, what names a block besides
 * its tokens, where understanding ends; pairs and texts as tokens; what stands in the index of it.
 */
#include "tests/engine_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct rdx_engine_key key(uint8_t kind, uint32_t at, const char *text)
{
	return (struct rdx_engine_key){
		.bytes = text,
		.byte_count = (uint32_t)strlen(text),
		.at = at,
		.kind = kind,
	};
}

static struct rdx_engine_event with_keys(struct rdx_engine_event event,
					 const struct rdx_engine_key *keys, uint64_t count)
{
	event.flags |= RDX_ENGINE_KEYS;
	event.key_blocks = event.count;
	event.keys = keys;
	event.key_count = count;
	return event;
}

/* What rdx_engine_keys makes of it. */
static struct rdx_engine_identity read_keys(const struct rdx_engine_event *event,
					    struct rdx_block_key *ret_keys)
{
	struct rdx_engine_identity identity = {.size = sizeof(identity)};

	assert_int_equal(rdx_engine_keys(event, ret_keys, event->key_count, &identity), 0);
	return identity;
}

static void texts_by_their_place(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event = engine_store(rig, 0, 1, 3);
	const struct rdx_engine_key lora_and_salt[] = {key(RDX_ENGINE_KEY_TEXT, 0, "a"),
						       key(RDX_ENGINE_KEY_TEXT, 0, "s"),
						       key(RDX_ENGINE_KEY_TEXT, 1, "a")};
	const struct rdx_engine_key tagged[] = {key(RDX_ENGINE_KEY_TEXT, 0, "dynamo-cache-salt:s"),
						key(RDX_ENGINE_KEY_TEXT, 2, "dynamo-cache-salt:s")};
	const struct rdx_engine_key twice[] = {key(RDX_ENGINE_KEY_TEXT, 0, "s"),
					       key(RDX_ENGINE_KEY_TEXT, 1, "s")};
	const struct rdx_engine_key later[] = {key(RDX_ENGINE_KEY_TEXT, 1, "s")};
	struct rdx_engine_identity identity;
	struct rdx_block_key keys[4];

	event.lora_name = "a";
	event = with_keys(event, lora_and_salt, 3);
	identity = read_keys(&event, keys);
	assert_string_equal(identity.salt, "s");
	assert_true(identity.blocks == UINT64_MAX);
	assert_int_equal(identity.key_count, 0);
	assert_int_equal(identity.contradicts, 0);
	/* without a name it is the first text that is the salt, and there is one too many */
	event.lora_name = "";
	assert_int_equal(read_keys(&event, keys).contradicts, 1);
	event.lora_name = "a";
	/* below a parent only what says that it is one */
	event.parent = rig->names;
	identity = read_keys(&event, keys);
	assert_null(identity.salt);
	assert_int_equal(identity.blocks, 0);
	event = with_keys(event, tagged, 2);
	identity = read_keys(&event, keys);
	assert_string_equal(identity.salt, "s");
	assert_true(identity.blocks == UINT64_MAX);
	event.cache_salt = "t";
	assert_int_equal(read_keys(&event, keys).contradicts, 1);
	event.cache_salt = "s";
	assert_int_equal(read_keys(&event, keys).contradicts, 0);
	/* a block further on has no salt of its own */
	event = with_keys(engine_store(rig, 0, 1, 3), tagged + 1, 1);
	assert_int_equal(read_keys(&event, keys).blocks, 2);
	event = with_keys(engine_store(rig, 0, 1, 3), later, 1);
	identity = read_keys(&event, keys);
	assert_null(identity.salt);
	assert_int_equal(identity.blocks, 1);
	/* not even the text that is the salt */
	event = with_keys(engine_store(rig, 0, 1, 3), twice, 2);
	identity = read_keys(&event, keys);
	assert_string_equal(identity.salt, "s");
	assert_int_equal(identity.blocks, 1);
}

static void objects_are_sorted_keys(void **state)
{
	static const char digest[] = "\0\1\2";
	static const char wide[] =
		"00000000000000ff000000000000000000000000000000000000000000000000";
	struct engine_rig *rig = *state;
	struct rdx_engine_event event = engine_store(rig, 0, 1, 3);
	struct rdx_engine_key given[] = {
		key(RDX_ENGINE_KEY_OBJECT, 0, "image-b"),
		key(RDX_ENGINE_KEY_OBJECT, 0, "image-a"),
		key(RDX_ENGINE_KEY_OBJECT, 2, wide),
		key(RDX_ENGINE_KEY_OBJECT, 2, wide),
		{.bytes = digest, .byte_count = 3, .at = 2, .kind = RDX_ENGINE_KEY_DIGEST},
		key(RDX_ENGINE_KEY_TOKEN, 5, "cat"),
		key(RDX_ENGINE_KEY_TOKEN, 11, "cat")};
	uint64_t a = rdx_hash_identifier("image-a", 7), b = rdx_hash_identifier("image-b", 7);
	struct rdx_engine_identity identity = {.size = sizeof(identity)};
	struct rdx_block_key keys[7];

	event = with_keys(event, given, 7);
	identity = read_keys(&event, keys);
	assert_true(identity.blocks == UINT64_MAX);
	assert_int_equal(identity.key_count, 7);
	assert_true(keys[0].key == (a < b ? a : b) && keys[1].key == (a < b ? b : a));
	assert_int_equal(keys[1].block, 0);
	assert_int_equal(keys[2].block, 1);
	assert_true(keys[2].key == rdx_hash_identifier("cat", 3));
	assert_true(rdx_engine_token("cat", 3) == (uint32_t)keys[2].key);
	/* none is dropped for being equal */
	assert_true(keys[3].key == 0xff && keys[4].key == 0xff);
	for (int i = 3; i < 7; i++)
		assert_int_equal(keys[i].block, 2);
	assert_true(keys[4].key <= keys[5].key && keys[5].key <= keys[6].key);
	assert_int_equal(rdx_engine_keys(&event, keys, 6, &identity), -ENOSPC);
	given[2].kind = RDX_ENGINE_KEY_OTHER;
	identity = read_keys(&event, keys);
	assert_int_equal(identity.blocks, 2);
	assert_int_equal(identity.key_count, 3);
}

static void keys_out_of_order(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event = engine_store(rig, 0, 1, 3);
	struct rdx_engine_identity identity = {.size = sizeof(identity)};
	struct rdx_engine_key given[] = {key(RDX_ENGINE_KEY_OBJECT, 1, "b"),
					 key(RDX_ENGINE_KEY_OBJECT, 0, "a")};
	struct rdx_block_key keys[2];

	event = with_keys(event, given, 2);
	assert_int_equal(rdx_engine_keys(&event, keys, 2, &identity), -EINVAL);
	given[1].at = 3;
	assert_int_equal(rdx_engine_keys(&event, keys, 2, &identity), -EINVAL);
	given[0].kind = RDX_ENGINE_KEY_TOKEN;
	given[1].at = 1;
	assert_int_equal(rdx_engine_keys(&event, keys, 2, &identity), -EINVAL);
	given[1].kind = RDX_ENGINE_KEY_TOKEN;
	assert_int_equal(rdx_engine_keys(&event, keys, 2, &identity), 0);
	event.block_tokens = 0;
	assert_int_equal(rdx_engine_keys(&event, keys, 2, &identity), -EINVAL);
	event.block_tokens = PUBLISHER_TOKENS;
	given[1].at = 3 * PUBLISHER_TOKENS;
	assert_int_equal(rdx_engine_keys(&event, keys, 2, &identity), -EINVAL);
}

/* The event that was published last stored these local hashes. */
static void expect_locals(struct engine_rig *rig, const uint64_t *locals, uint32_t count)
{
	publisher_expect_event(rig->f, RDX_EVENT_STORED, RDX_TIER_DEVICE, count);
	assert_memory_equal(rig->f->hashes, locals, count * sizeof(*locals));
}

/* A store with keys in the index: what stands there is what a request with them asks for. */
static void keys_are_in_the_blocks(void **state)
{
	struct engine_rig *rig = *state;
	const struct rdx_engine_key given[] = {key(RDX_ENGINE_KEY_TEXT, 0, "tenant"),
					       key(RDX_ENGINE_KEY_OBJECT, 1, "image")};
	struct rdx_engine_event event;
	struct rdx_tokens request;
	struct rdx_block_key keys[2];
	uint64_t locals[3];

	engine_open(rig);
	event = with_keys(engine_store(rig, 0, 1, 3), given, 2);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 3, 0);
	request = (struct rdx_tokens){
		.size = sizeof(request),
		.seed = rdx_hash_seed(NULL, "tenant"),
		.ids = rig->tokens,
		.count = event.token_count,
		.keys = keys,
		.key_count = read_keys(&event, keys).key_count,
		.block_tokens = PUBLISHER_TOKENS,
	};
	assert_int_equal(request.key_count, 1);
	assert_int_equal(rdx_hash_tokens(&request, locals), 3);
	expect_locals(rig, locals, 3);
	request.key_count = 0;
	assert_int_equal(rdx_hash_tokens(&request, locals), 3);
	assert_true(locals[0] == rig->f->hashes[0] && locals[1] != rig->f->hashes[1] &&
		    locals[2] == rig->f->hashes[2]);
}

/* What comes before is stored, the rest is missing until it is gone. */
static void not_understood_from_a_block_on(void **state)
{
	struct engine_rig *rig = *state;
	const struct rdx_engine_key given[] = {key(RDX_ENGINE_KEY_OBJECT, 0, "image"),
					       key(RDX_ENGINE_KEY_TEXT, 2, "what")};
	struct rdx_engine_event event;

	engine_open(rig);
	event = with_keys(engine_store(rig, 0, 1, 4), given, 2);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_LACKING);
	assert_int_equal(engine_stats(rig).unknown_keys, 1);
	event = engine_remove(rig, 3, 2);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	/* names only: what they stand for is known */
	event = with_keys(engine_store(rig, 0, 1, 2), given + 1, 1);
	event.token_count = 0;
	event.medium = "CPU";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_HOST, 2, 0);
}

/* As many keys as no buffer holds at once, and one more in a block than may be. */
static void many_keys(void **state)
{
	enum { BLOCKS = 40, KEYS = RDX_ENGINE_BLOCK_KEYS_MAX };
	static struct rdx_engine_key given[BLOCKS * KEYS + 1];
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	for (uint32_t i = 0; i < BLOCKS * KEYS; i++)
		given[i] = key(RDX_ENGINE_KEY_OBJECT, i / KEYS, "image");
	event = with_keys(engine_store(rig, 0, 1, BLOCKS), given, BLOCKS * KEYS);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, BLOCKS, 0);
	engine_clear(rig);
	given[BLOCKS * KEYS] = given[BLOCKS * KEYS - 1];
	event.key_count++;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, BLOCKS - 1, RDX_INEXACT_LACKING);
}

static void contradictions(void **state)
{
	struct engine_rig *rig = *state;
	const struct rdx_engine_key given[] = {key(RDX_ENGINE_KEY_TEXT, 0, "s")};
	struct rdx_engine_event event;
	uint64_t locals[2] = {1, 2};

	engine_open(rig);
	event = engine_store(rig, 0, 1, 2);
	event.flags |= RDX_ENGINE_KEYS; /* an empty list says nothing */
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	engine_clear(rig);
	event = with_keys(engine_store(rig, 0, 1, 2), given, 1);
	event.key_blocks = 3;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	event.key_blocks = 2;
	event.cache_salt = "t";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	event = engine_store(rig, 0, 1, 2);
	event.local_hashes = locals;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	assert_int_equal(engine_stats(rig).contradictions, 3);
	/* each was one more copy */
	event = engine_remove(rig, 1, 2);
	for (int i = 0; i < 3; i++)
		engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
}

static void adapters(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;
	uint64_t locals[2];

	engine_open(rig);
	event = engine_store(rig, 0, 1, 2);
	event.flags = RDX_ENGINE_LORA_ID;
	event.lora_name = "a";
	engine_publish(rig, &event);
	rdx_hash_blocks(rdx_hash_seed("a", NULL), rig->tokens, 2 * PUBLISHER_TOKENS,
			PUBLISHER_TOKENS, locals);
	expect_locals(rig, locals, 2);
	event = engine_store(rig, 0, 11, 2);
	event.flags = RDX_ENGINE_LORA_ID;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_LACKING);
	assert_int_equal(engine_stats(rig).nameless_adapters, 1);
	event = engine_remove(rig, 11, 2);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
}

/* [1, 2], [2, 3], ... as SGLang writes them. */
static void pairs(void **state)
{
	enum { BLOCKS = 3, COUNT = BLOCKS * PUBLISHER_TOKENS };
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;
	uint32_t ids[COUNT + 1];
	uint64_t locals[BLOCKS];
	struct rdx_tokens request = {
		.size = sizeof(request),
		.seed = rdx_hash_seed(NULL, NULL),
		.ids = ids,
		.count = COUNT + 1,
		.block_tokens = PUBLISHER_TOKENS,
		.overlap = 1,
	};

	engine_open(rig);
	event = engine_store(rig, 0, 1, BLOCKS);
	event.flags = RDX_ENGINE_PAIRS;
	for (uint32_t i = 0; i <= COUNT; i++)
		ids[i] = i + 1;
	for (uint32_t i = 0; i < COUNT; i++) {
		rig->tokens[2 * i] = ids[i];
		rig->tokens[2 * i + 1] = ids[i + 1];
	}
	engine_publish(rig, &event);
	assert_int_equal(rdx_hash_tokens(&request, locals), BLOCKS);
	expect_locals(rig, locals, BLOCKS);
	engine_clear(rig);
	/* through the smallest buffer that a block fits into */
	rig->engine->tokens_capacity = 2 * PUBLISHER_TOKENS;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, BLOCKS, 0);
	rig->f->position = rig->f->p->position;
	rig->tokens[3]++;
	event.names = memcpy(rig->names, (const uint64_t[]){11, 12, 13}, BLOCKS * 8);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, BLOCKS, RDX_INEXACT_LACKING);
	assert_int_equal(engine_stats(rig).contradictions, 1);
}

/* Of another block size, or not as many tokens: the publisher says so. */
static void other_sizes(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	event = engine_store(rig, 0, 1, 2);
	event.block_tokens = 2;
	event.token_count = 4;
	engine_publish(rig, &event);
	assert_int_equal(publisher_stats(rig->f->p).other_block_size, 2);
	event.flags = RDX_ENGINE_PAIRS;
	engine_publish(rig, &event);
	event.block_tokens = PUBLISHER_TOKENS;
	event.token_count = 7;
	event.flags = 0;
	engine_publish(rig, &event);
	assert_int_equal(publisher_stats(rig->f->p).mismatched, 2);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
}

static void zero_parent(void **state)
{
	static const uint64_t zero;
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	event = engine_store(rig, 0, 1, 2);
	event.parent = &zero;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	rig->options.zero_is_root = 1;
	engine_reopen(rig);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENGINE_TEST(texts_by_their_place),
		ENGINE_TEST(objects_are_sorted_keys),
		ENGINE_TEST(keys_out_of_order),
		ENGINE_TEST(keys_are_in_the_blocks),
		ENGINE_TEST(not_understood_from_a_block_on),
		ENGINE_TEST(many_keys),
		ENGINE_TEST(contradictions),
		ENGINE_TEST(adapters),
		ENGINE_TEST(pairs),
		ENGINE_TEST(other_sizes),
		ENGINE_TEST(zero_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
