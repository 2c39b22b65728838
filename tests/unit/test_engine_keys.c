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

/* The event that was published last stored these local hashes. */
static void expect_locals(struct engine_rig *rig, const uint64_t *locals, uint32_t count)
{
	publisher_expect_event(rig->f, RDX_EVENT_STORED, RDX_TIER_DEVICE, count);
	assert_memory_equal(rig->f->hashes, locals, count * sizeof(*locals));
}

/* Which texts are an adapter or a salt, and whose salt a block is then under. */
static void texts_by_their_place(void **state)
{
	struct engine_rig *rig = *state;
	const struct rdx_engine_key both[] = {key(RDX_ENGINE_KEY_TEXT, 0, "a"),
					      key(RDX_ENGINE_KEY_TEXT, 0, "s"),
					      key(RDX_ENGINE_KEY_TEXT, 1, "a")};
	const struct rdx_engine_key twice[] = {key(RDX_ENGINE_KEY_TEXT, 0, "s"),
					       key(RDX_ENGINE_KEY_TEXT, 1, "s")};
	const struct rdx_engine_key tagged[] = {key(RDX_ENGINE_KEY_TEXT, 0, "dynamo-cache-salt:s"),
						key(RDX_ENGINE_KEY_TEXT, 1, "dynamo-cache-salt:s")};
	struct rdx_engine_event event;
	uint64_t locals[2];

	engine_open(rig);
	event = with_keys(engine_store(rig, 0, 1, 2), both, 3);
	event.lora_name = "a";
	engine_publish(rig, &event);
	rdx_hash_blocks(rdx_hash_seed("a", "s"), rig->tokens, 2 * PUBLISHER_TOKENS,
			PUBLISHER_TOKENS, locals);
	expect_locals(rig, locals, 2);
	event = with_keys(engine_store(rig, 2, 11, 2), tagged, 2);
	engine_publish(rig, &event);
	rdx_hash_blocks(rdx_hash_seed("a", "s"), rig->tokens, 2 * PUBLISHER_TOKENS,
			PUBLISHER_TOKENS, locals);
	expect_locals(rig, locals, 2);
	engine_expect(rig, RDX_TIER_DEVICE, 4, 0);
	/* a block further on has no salt of its own, and a bare text below a parent is none */
	event = with_keys(engine_store(rig, 0, 21, 2), tagged + 1, 1);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 5, RDX_INEXACT_LACKING);
	engine_clear(rig);
	event = with_keys(engine_store(rig, 0, 1, 2), both + 1, 1);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	event = with_keys(engine_store(rig, 2, 3, 2), both + 1, 1);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_LACKING);
	/* not even the text that is the salt */
	engine_clear(rig);
	event = with_keys(engine_store(rig, 0, 1, 2), twice, 2);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 1, RDX_INEXACT_LACKING);
	assert_int_equal(engine_stats(rig).unknown_keys, 3);
}

static void keys_out_of_order(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;
	struct rdx_engine_key given[] = {key(RDX_ENGINE_KEY_OBJECT, 1, "b"),
					 key(RDX_ENGINE_KEY_OBJECT, 0, "a")};

	engine_open(rig);
	event = with_keys(engine_store(rig, 0, 1, 3), given, 2);
	assert_int_equal(rdx_engine_publish(rig->engine, &event), -EINVAL);
	given[1].at = 3;
	assert_int_equal(rdx_engine_publish(rig->engine, &event), -EINVAL);
	given[0].kind = RDX_ENGINE_KEY_TOKEN;
	given[1].at = 1;
	assert_int_equal(rdx_engine_publish(rig->engine, &event), -EINVAL);
	given[1].kind = RDX_ENGINE_KEY_TOKEN;
	given[1].at = 3 * PUBLISHER_TOKENS;
	assert_int_equal(rdx_engine_publish(rig->engine, &event), -EINVAL);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
}

/* What comes before is stored, the rest is missing until it is gone. */
static void not_understood_from_a_block_on(void **state)
{
	struct engine_rig *rig = *state;
	const struct rdx_engine_key given[] = {key(RDX_ENGINE_KEY_OBJECT, 2, "image"),
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

static void contradictions(void **state)
{
	struct engine_rig *rig = *state;
	const struct rdx_engine_key given[] = {key(RDX_ENGINE_KEY_TEXT, 0, "s")};
	struct rdx_engine_event event;
	uint64_t locals[2] = {1, 2};

	engine_open(rig);
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
		ENGINE_TEST(keys_out_of_order),
		ENGINE_TEST(not_understood_from_a_block_on),
		ENGINE_TEST(contradictions),
		ENGINE_TEST(adapters),
		ENGINE_TEST(other_sizes),
		ENGINE_TEST(zero_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
