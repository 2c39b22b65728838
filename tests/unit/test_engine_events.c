/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the translator's words for events, media, owners and fields: what is known is
 * published, what is harmless is left out and counted, what is not understood makes the rank
 * INEXACT, in the way that is right for it.
 */
#include "tests/engine_rig.h"

#include <errno.h>

/* Both kinds of names for events, in any case; media of section 6 of each engine. */
static void known_words(void **state)
{
	static const struct {
		const char *medium;
		uint8_t tier;
	} media[] = {
		{NULL, RDX_TIER_DEVICE},        {"GPU", RDX_TIER_DEVICE},
		{"DEVICE", RDX_TIER_DEVICE},    {"CPU", RDX_TIER_HOST},
		{"cpu_pinned", RDX_TIER_HOST},  {"CPU_TIER1", RDX_TIER_HOST},
		{"host_pinned", RDX_TIER_HOST}, {"DISK", RDX_TIER_DISK},
		{"CPU_TIER2", RDX_TIER_DISK},   {"NVMe", RDX_TIER_DISK},
		{"STORAGE", RDX_TIER_DISK},     {"EXTERNAL", RDX_TIER_EXTERNAL},
		{"NETWORK", RDX_TIER_EXTERNAL}, {"REMOTE", RDX_TIER_EXTERNAL},
		{"SHARED", RDX_TIER_EXTERNAL},
	};
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		rig->f->options.tier_blocks[tier] = PUBLISHER_BLOCKS;
	engine_open(rig);
	for (size_t i = 0; i < sizeof(media) / sizeof(*media); i++) {
		event = engine_store(rig, 0, 1, 3);
		event.type = i % 2 ? "STORED" : "BlockStored";
		event.medium = media[i].medium;
		engine_publish(rig, &event);
		engine_expect(rig, media[i].tier, 3, 0);
		event = engine_remove(rig, 3, 1);
		event.type = i % 2 ? "removed" : "BlockRemoved";
		event.medium = media[i].medium;
		engine_publish(rig, &event);
		engine_expect(rig, media[i].tier, 2, 0);
		event = engine_event(i % 2 ? "cleared" : "AllBlocksCleared");
		event.medium = media[i].medium;
		engine_publish(rig, &event);
		engine_expect(rig, media[i].tier, 0, 0);
	}
	event = engine_event("inexact");
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);
}

/* An event that nobody knows may have done anything. */
static void unknown_events(void **state)
{
	static const struct rdx_engine_word types[] = {
		{"BlockMoved", RDX_ENGINE_LEFT_OUT}, {"BlockAdded", RDX_EVENT_STORED}, {0}};
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	event = engine_event("BlockMoved");
	engine_publish(rig, &event);
	assert_int_equal(engine_stats(rig).unknown_types, 1);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);

	rig->options.on_unknown = RDX_ENGINE_UNKNOWN_SKIP;
	engine_reopen(rig);
	engine_publish(rig, &event);
	assert_int_equal(engine_stats(rig).unknown_types, 1);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);

	rig->options.on_unknown = RDX_ENGINE_UNKNOWN_INEXACT;
	rig->options.types = types;
	engine_reopen(rig);
	engine_publish(rig, &event);
	assert_int_equal(engine_stats(rig).unknown_types, 0);
	assert_int_equal(engine_stats(rig).left_out, 1);
	event = engine_store(rig, 0, 1, 2);
	event.type = "blockadded";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
}

/* Blocks in a medium that nobody knows are missing until they are gone; what else is done there may
 * be anything. */
static void unknown_media(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	event = engine_store(rig, 0, 1, 2);
	event.medium = "TAPE";
	engine_publish(rig, &event);
	assert_int_equal(engine_stats(rig).unknown_media, 1);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	event = engine_remove(rig, 1, 2);
	event.medium = "tape";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);
	engine_clear(rig);
	event = engine_event("AllBlocksCleared");
	event.medium = "tape";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);
	engine_clear(rig);
	event = engine_store(rig, 0, 1, 2);
	event.medium = "all";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	assert_int_equal(engine_stats(rig).unknown_media, 5);

	rig->options.on_unknown = RDX_ENGINE_UNKNOWN_SKIP;
	engine_reopen(rig);
	event.medium = "tape";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	assert_int_equal(engine_stats(rig).unknown_media, 1);
}

static void media_by_option(void **state)
{
	static const struct rdx_engine_word media[] = {
		{"tape", RDX_TIER_HOST}, {"shared", RDX_ENGINE_LEFT_OUT}, {0}};
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	rig->options.media = media;
	engine_open(rig);
	event = engine_store(rig, 0, 1, 2);
	event.medium = "TAPE";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_HOST, 2, 0);
	event.medium = "SHARED";
	engine_publish(rig, &event);
	event = engine_event("AllBlocksCleared");
	event.medium = "SHARED";
	engine_publish(rig, &event);
	assert_int_equal(engine_stats(rig).left_out, 2);
	engine_expect(rig, RDX_TIER_HOST, 2, 0);
}

/* What is another's is nothing of this rank, whatever it does. */
static void others_blocks(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	event = engine_store(rig, 0, 1, 2);
	event.locality = "LOCAL";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	event = engine_remove(rig, 1, 2);
	event.locality = "REMOTE";
	engine_publish(rig, &event);
	event.locality = NULL;
	event.ownership = "pool-3";
	engine_publish(rig, &event);
	event = engine_event("AllBlocksCleared");
	event.ownership = "";
	engine_publish(rig, &event);
	assert_int_equal(engine_stats(rig).other_owners, 3);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
}

static void unknown_fields(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	event = engine_store(rig, 0, 1, 2);
	event.unknown_fields = 2;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	event = engine_remove(rig, 1, 2);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	/* the names are gone; what else, nobody knows */
	event = engine_store(rig, 0, 1, 2);
	engine_publish(rig, &event);
	event = engine_remove(rig, 2, 1);
	event.unknown_fields = 1;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 1, RDX_INEXACT_UNKNOWN);
	/* it may be a clear of something only */
	event = engine_event("AllBlocksCleared");
	event.unknown_fields = 1;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 1, RDX_INEXACT_UNKNOWN);
	assert_int_equal(engine_stats(rig).unknown_fields, 3);

	rig->options.on_unknown = RDX_ENGINE_UNKNOWN_SKIP;
	engine_reopen(rig);
	event = engine_store(rig, 0, 1, 2);
	event.unknown_fields = 1;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	assert_int_equal(engine_stats(rig).unknown_fields, 1);
}

static void fields_have_reasons(void **state)
{
	static const char *const mine[] = {"trace_id", NULL};
	struct engine_rig *rig = *state;

	rig->options.harmless_fields = mine;
	engine_open(rig);
	assert_int_equal(rdx_engine_field(rig->engine, "block_hashes"), RDX_ENGINE_FIELD_DECODE);
	assert_int_equal(rdx_engine_field(rig->engine, "lora_id"), RDX_ENGINE_FIELD_DECODE);
	assert_int_equal(rdx_engine_field(rig->engine, "session_id"), RDX_ENGINE_FIELD_HARMLESS);
	assert_int_equal(rdx_engine_field(rig->engine, "lookahead_token_ids"),
			 RDX_ENGINE_FIELD_HARMLESS);
	assert_int_equal(rdx_engine_field(rig->engine, "trace_id"), RDX_ENGINE_FIELD_HARMLESS);
	assert_int_equal(rdx_engine_field(NULL, "trace_id"), RDX_ENGINE_FIELD_UNKNOWN);
	assert_int_equal(rdx_engine_field(NULL, "window_size"), RDX_ENGINE_FIELD_UNKNOWN);
}

static void wrong_calls(void **state)
{
	static const struct rdx_engine_word bad[] = {{"a", 77}, {0}};
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;
	struct rdx_engine_stats none = {0};
	struct rdx_engine *other;

	engine_open(rig);
	event = engine_event(NULL);
	assert_int_equal(rdx_engine_publish(rig->engine, &event), -EINVAL);
	event = engine_remove(rig, 1, 1);
	event.name_bytes = 16;
	assert_int_equal(rdx_engine_publish(rig->engine, &event), -EINVAL);
	event = engine_remove(rig, 1, 1);
	event.names = NULL;
	assert_int_equal(rdx_engine_publish(rig->engine, &event), -EINVAL);
	event.size = 0;
	assert_int_equal(rdx_engine_publish(rig->engine, &event), -EINVAL);
	assert_int_equal(engine_stats(rig).events, 0);
	assert_int_equal(rdx_engine_get_stats(rig->engine, &none), -EINVAL);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);

	rig->options.media = bad;
	assert_int_equal(rdx_engine_open(&other, rig->f->p, &rig->options), -EINVAL);
	rig->options.media = NULL;
	rig->options.types = bad;
	assert_int_equal(rdx_engine_open(&other, rig->f->p, &rig->options), -EINVAL);
	rig->options.types = NULL;
	rig->options.counting_groups = RDX_ENGINE_GROUPS_MAX + 1;
	assert_int_equal(rdx_engine_open(&other, rig->f->p, &rig->options), -EINVAL);
	rdx_engine_close(NULL);
}

/* A name that was removed is known a while, for copies of it and for children: not what it stood for
 * before, once it was stored with content that is not understood. */
static void content_that_is_not_known(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	for (uint32_t groups = 1; groups <= 2; groups++) {
		rig->options.counting_groups = groups;
		if (groups == 1)
			engine_open(rig);
		else
			engine_reopen(rig);
		for (uint64_t step = 0; step < 3 * groups; step++) {
			event = engine_store(rig, 0, 1, 1);
			if (step / groups == 1)
				event = engine_remove(rig, 1, 1);
			event.flags =
				RDX_ENGINE_GROUP | (step / groups == 2 ? RDX_ENGINE_LORA_ID : 0);
			event.spec_kind = "full_attention";
			event.group = step % groups;
			engine_publish(rig, &event);
		}
		for (uint64_t step = 0; step < 2 * groups; step++) {
			event = engine_store(rig, 1, 2, 1);
			if (step / groups == 0) {
				event = engine_store(rig, 0, 1, 1);
				event.medium = "CPU";
				event.token_count = 0;
			}
			event.flags = RDX_ENGINE_GROUP;
			event.group = step % groups;
			engine_publish(rig, &event);
		}
		engine_expect(rig, RDX_TIER_HOST, 0, RDX_INEXACT_LACKING);
		engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	}
}

/* Nor does one that is held stand for what it did, once it comes with content that is not understood:
 * not for its children. It is over when it is gone. A copy in a medium that nobody knows is one. */
static void content_that_is_doubted(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event store, event;

	engine_open(rig);
	store = engine_store(rig, 0, 1, 1);
	engine_publish(rig, &store);
	event = store;
	event.medium = "HBM9";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 1, RDX_INEXACT_LACKING);
	event = store;
	event.unknown_fields = 1;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 1, RDX_INEXACT_UNKNOWN);
	event = engine_store(rig, 1, 2, 1);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 1, RDX_INEXACT_UNKNOWN);
	event = engine_remove(rig, 1, 2);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);
	event.count = 1;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	event.medium = "HBM9";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
}

/* One name in two media that nobody knows, told by presence: gone from one it is in the other. */
static void two_unknown_media(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event stored, removed;

	rig->f->options.report_mode = RDX_REPORT_PRESENCE;
	engine_open(rig);
	stored = engine_store(rig, 0, 1, 1);
	removed = engine_remove(rig, 1, 1);
	stored.medium = removed.medium = "HBM8";
	engine_publish(rig, &stored);
	engine_publish(rig, &removed);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	engine_publish(rig, &stored);
	stored.medium = "HBM9";
	engine_publish(rig, &stored);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	engine_publish(rig, &removed);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENGINE_TEST(known_words),
		ENGINE_TEST(unknown_events),
		ENGINE_TEST(unknown_media),
		ENGINE_TEST(two_unknown_media),
		ENGINE_TEST(media_by_option),
		ENGINE_TEST(others_blocks),
		ENGINE_TEST(unknown_fields),
		ENGINE_TEST(fields_have_reasons),
		ENGINE_TEST(wrong_calls),
		ENGINE_TEST(content_that_is_not_known),
		ENGINE_TEST(content_that_is_doubted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
