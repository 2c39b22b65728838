/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: blocks that several cache groups must hold: the index has them while all do, however
 * many copies each has, through clears, and where there is no room to remember.
 */
#include "tests/engine_rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void open_groups(struct engine_rig *rig, uint32_t groups)
{
	rig->options.counting_groups = groups;
	engine_open(rig);
}

static void publish_of(struct engine_rig *rig, struct rdx_engine_event event, uint64_t group)
{
	event.flags |= RDX_ENGINE_GROUP;
	event.group = group;
	event.spec_kind = "full_attention";
	engine_publish(rig, &event);
}

static void held_while_all_do(void **state)
{
	struct engine_rig *rig = *state;

	open_groups(rig, 2);
	publish_of(rig, engine_store(rig, 0, 1, 4), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	publish_of(rig, engine_store(rig, 0, 1, 4), 5);
	engine_expect(rig, RDX_TIER_DEVICE, 4, 0);
	/* two copies in one group, one in the other */
	publish_of(rig, engine_store(rig, 0, 1, 4), 5);
	publish_of(rig, engine_remove(rig, 3, 2), 5);
	engine_expect(rig, RDX_TIER_DEVICE, 4, 0);
	publish_of(rig, engine_remove(rig, 4, 1), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 3, 0);
	publish_of(rig, engine_remove(rig, 3, 2), 5);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	/* one more group than there should be */
	publish_of(rig, engine_store(rig, 0, 1, 4), 6);
	engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_UNKNOWN);
	assert_int_equal(engine_stats(rig).further_groups, 1);
	assert_int_equal(engine_stats(rig).late, 0);
}

/* Of which group is a block that names none? */
static void without_a_group(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	open_groups(rig, 2);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0);
	publish_of(rig, engine_store(rig, 0, 1, 2), 1);
	event = engine_store(rig, 0, 1, 2);
	event.medium = "CPU";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_HOST, 0, RDX_INEXACT_UNKNOWN);
	engine_clear(rig);
	event = engine_remove(rig, 1, 2);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);
	assert_int_equal(engine_stats(rig).contradictions, 2);
}

/* A run of which some blocks are held by all is published in the parts that are. */
static void runs_in_parts(void **state)
{
	struct engine_rig *rig = *state;

	open_groups(rig, 3);
	publish_of(rig, engine_store(rig, 0, 1, 6), 0);
	publish_of(rig, engine_store(rig, 0, 1, 6), 1);
	publish_of(rig, engine_store(rig, 0, 1, 6), 2);
	engine_expect(rig, RDX_TIER_DEVICE, 6, 0);
	publish_of(rig, engine_remove(rig, 3, 1), 1);
	publish_of(rig, engine_remove(rig, 6, 1), 2);
	engine_expect(rig, RDX_TIER_DEVICE, 4, 0);
	publish_of(rig, engine_store(rig, 0, 1, 6), 1);
	engine_expect(rig, RDX_TIER_DEVICE, 5, 0);
	publish_of(rig, engine_store(rig, 0, 1, 6), 2);
	engine_expect(rig, RDX_TIER_DEVICE, 6, 0);
}

static void clears_forget(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	open_groups(rig, 2);
	for (uint64_t group = 0; group < 2; group++) {
		publish_of(rig, engine_store(rig, 0, 1, 2), group);
		event = engine_store(rig, 0, 1, 2);
		event.medium = "CPU";
		publish_of(rig, event, group);
	}
	engine_expect(rig, RDX_TIER_HOST, 2, 0);
	event = engine_event("AllBlocksCleared");
	event.medium = "GPU";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	engine_expect(rig, RDX_TIER_HOST, 2, 0);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	publish_of(rig, engine_store(rig, 0, 1, 2), 1);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	engine_clear(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	/* of one group only: nobody knows what that is */
	event.flags = RDX_ENGINE_GROUP;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);
}

static void presence_and_remaining(void **state)
{
	const uint32_t left[] = {2, 0};
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	rig->f->options.report_mode = RDX_REPORT_PRESENCE;
	open_groups(rig, 2);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0);
	publish_of(rig, engine_store(rig, 0, 1, 2), 1);
	publish_of(rig, engine_remove(rig, 1, 1), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 1, 0);

	rig->f->options.report_mode = RDX_REPORT_COPIES;
	engine_reopen(rig);
	publish_of(rig, engine_store(rig, 0, 1, 2), 0);
	publish_of(rig, engine_store(rig, 0, 1, 2), 1);
	event = engine_remove(rig, 1, 2);
	event.remaining = left;
	publish_of(rig, event, 0);
	engine_expect(rig, RDX_TIER_DEVICE, 1, 0);
	event = engine_remove(rig, 1, 1);
	publish_of(rig, event, 0);
	engine_expect(rig, RDX_TIER_DEVICE, 1, 0);
	publish_of(rig, event, 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
}

/* What could not be represented is over when it is gone, in whichever group. */
static void what_is_lacking_heals(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	open_groups(rig, 2);
	event = engine_store(rig, 0, 1, 2);
	event.unknown_fields = 1;
	publish_of(rig, event, 0);
	publish_of(rig, engine_store(rig, 0, 1, 2), 1);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	publish_of(rig, engine_remove(rig, 1, 2), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	publish_of(rig, engine_remove(rig, 1, 2), 1);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	assert_int_equal(engine_stats(rig).late, 0);
	/* one that was dropped is none that all groups hold, when its content comes */
	event = engine_store(rig, 0, 11, 2);
	event.unknown_fields = 1;
	publish_of(rig, event, 0);
	publish_of(rig, engine_store(rig, 0, 11, 2), 0);
	publish_of(rig, engine_store(rig, 0, 11, 2), 1);
	engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_LACKING);
	publish_of(rig, engine_remove(rig, 11, 2), 1);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	engine_clear(rig);
	/* a parent that only some groups hold */
	publish_of(rig, engine_store(rig, 0, 1, 1), 0);
	publish_of(rig, engine_store(rig, 1, 2, 1), 0);
	publish_of(rig, engine_store(rig, 1, 2, 1), 1);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	publish_of(rig, engine_remove(rig, 2, 1), 1);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
}

static void drop_of(struct engine_rig *rig, uint64_t first, uint32_t count, uint64_t group)
{
	struct rdx_engine_event event = engine_store(rig, 0, first, count);

	event.unknown_fields = 1;
	publish_of(rig, event, group);
}

/* Each group's own: one that removes its names says nothing of the other's; and where a removal tells
 * of all copies, it tells of the dropped ones. */
static void lacking_of_each_group(void **state)
{
	const uint32_t left[] = {0, 1};
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	rig->f->options.report_mode = RDX_REPORT_PRESENCE;
	open_groups(rig, 2);
	drop_of(rig, 1, 1, 0);
	drop_of(rig, 1, 1, 1);
	publish_of(rig, engine_remove(rig, 1, 1), 0);
	publish_of(rig, engine_store(rig, 0, 1, 1), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	publish_of(rig, engine_remove(rig, 1, 1), 1);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	publish_of(rig, engine_store(rig, 0, 1, 1), 1);
	drop_of(rig, 1, 1, 0);
	engine_expect(rig, RDX_TIER_DEVICE, 1, RDX_INEXACT_UNKNOWN);
	publish_of(rig, engine_remove(rig, 1, 1), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	/* nor of another tier */
	drop_of(rig, 11, 1, 0);
	event = engine_store(rig, 0, 11, 1);
	event.medium = "CPU";
	event.unknown_fields = 1;
	publish_of(rig, event, 0);
	publish_of(rig, engine_remove(rig, 11, 1), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	event = engine_remove(rig, 11, 1);
	event.medium = "CPU";
	publish_of(rig, event, 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);

	rig->f->options.report_mode = RDX_REPORT_COPIES;
	engine_reopen(rig);
	for (int i = 0; i < 3; i++)
		drop_of(rig, 1, 2, 0);
	event = engine_remove(rig, 1, 2);
	event.remaining = left;
	publish_of(rig, event, 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	publish_of(rig, engine_remove(rig, 2, 1), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	assert_int_equal(engine_stats(rig).late, 0);
}

/* More names than fit: those beyond are missing until they are gone; what was cleared makes room. */
static void full(void **state)
{
	struct engine_rig *rig = *state;
	uint32_t most;

	rig->f->options.tier_blocks[RDX_TIER_DEVICE] = 16;
	rig->f->options.tier_blocks[RDX_TIER_HOST] = 0;
	open_groups(rig, 2);
	most = rig->engine->shares.capacity;
	assert_int_equal(most, 32);
	publish_of(rig, engine_store(rig, 0, 1, most), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	publish_of(rig, engine_store(rig, 0, 1001, 2), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	publish_of(rig, engine_remove(rig, 1001, 2), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	for (uint32_t i = 0; i < 5; i++) {
		engine_clear(rig);
		publish_of(rig, engine_store(rig, 0, 100 * i + 101, 10), 0);
		publish_of(rig, engine_store(rig, 0, 100 * i + 101, 10), 1);
		engine_expect(rig, RDX_TIER_DEVICE, 10, 0);
	}
	publish_of(rig, engine_remove(rig, 501, 10), 1);
	publish_of(rig, engine_remove(rig, 501, 10), 0);
	assert_int_equal(rig->engine->shares.live[RDX_TIER_DEVICE], 0);
}

/* Names of 32 bytes, of groups in turn; a run with an image, published in parts. */
static void wide_names(void **state)
{
	const struct rdx_engine_key image = {
		.bytes = "image", .byte_count = 5, .at = 2, .kind = RDX_ENGINE_KEY_OBJECT};
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;
	uint8_t names[4][32];

	for (uint8_t i = 0; i < 4; i++)
		memset(names[i], i + 1, sizeof(names[i]));
	open_groups(rig, 2);
	event = engine_store(rig, 0, 1, 4);
	event.names = names;
	event.name_bytes = 32;
	event.flags = RDX_ENGINE_KEYS;
	event.key_blocks = 4;
	event.keys = &image;
	event.key_count = 1;
	publish_of(rig, event, 0);
	publish_of(rig, event, 1);
	engine_expect(rig, RDX_TIER_DEVICE, 4, 0);
	event = engine_event("removed");
	event.names = names[1];
	event.count = 2;
	event.name_bytes = 32;
	publish_of(rig, event, 1);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	event = engine_store(rig, 0, 1, 4);
	event.names = names;
	event.name_bytes = 32;
	event.flags = RDX_ENGINE_KEYS;
	event.key_blocks = 4;
	event.keys = &image;
	event.key_count = 1;
	publish_of(rig, event, 1);
	engine_expect(rig, RDX_TIER_DEVICE, 4, 0);
}

static void not_for_a_worker_of_many_ranks(void **state)
{
	struct engine_rig *rig = *state;

	rig->f->options.clear_scope = RDX_CLEAR_WORKER;
	publisher_open(rig->f);
	rig->options.counting_groups = 2;
	assert_int_equal(rdx_engine_open(&rig->engine, rig->f->p, &rig->options), -EINVAL);
	rig->options.counting_groups = 1;
	assert_int_equal(rdx_engine_open(&rig->engine, rig->f->p, &rig->options), 0);
}

/* Random copies of a few names in two tiers, against a plain count. */
static void as_a_plain_count(void **state)
{
	enum { NAMES = 24, GROUPS = 3, STEPS = 20000 };
	static uint32_t copies[2][GROUPS][NAMES];
	uint64_t random = rig_seed();
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	open_groups(rig, GROUPS);
	for (uint64_t group = 0; group < GROUPS; group++) { /* so their order is known */
		publish_of(rig, engine_store(rig, 0, 100, 1), group);
		publish_of(rig, engine_remove(rig, 100, 1), group);
	}
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t dice = (uint32_t)(rig_random(&random) >> 32);
		uint32_t tier = dice & 1, group = (dice >> 1) % GROUPS, name = (dice >> 8) % NAMES;
		uint64_t held = 0;

		if ((dice >> 16) % 997 == 0) {
			event = engine_event("AllBlocksCleared");
			event.medium = tier ? "host" : "device";
			engine_publish(rig, &event);
			memset(copies[tier], 0, sizeof(copies[tier]));
		} else if (dice & 16 && copies[tier][group][name]) {
			event = engine_remove(rig, name + 1, 1);
			event.medium = tier ? "host" : "device";
			publish_of(rig, event, group);
			copies[tier][group][name]--;
		} else if (!(dice & 16)) {
			event = engine_store(rig, 0, name + 1, 1);
			event.medium = tier ? "host" : "device";
			publish_of(rig, event, group);
			copies[tier][group][name]++;
		}
		for (uint32_t i = 0; i < NAMES; i++)
			held += copies[tier][0][i] && copies[tier][1][i] && copies[tier][2][i];
		engine_expect(rig, (uint8_t)tier, held, 0);
	}
}

/* A name comes again with other content, of one group only. Then it is copied by name. */
static void old_content_is_forgotten(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	open_groups(rig, 2);
	for (int group = 0; group < 2; group++)
		publish_of(rig, engine_store(rig, 0, 1, 1), (uint64_t)group);
	for (int group = 0; group < 2; group++)
		publish_of(rig, engine_remove(rig, 1, 1), (uint64_t)group);
	event = engine_store(rig, 0, 1, 1);
	rig->tokens[0]++;
	publish_of(rig, event, 0);
	event.token_count = 0;
	event.medium = "CPU";
	for (int group = 0; group < 2; group++)
		publish_of(rig, event, (uint64_t)group);
	engine_expect(rig, RDX_TIER_HOST, 0, RDX_INEXACT_LACKING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENGINE_TEST(held_while_all_do),
		ENGINE_TEST(without_a_group),
		ENGINE_TEST(runs_in_parts),
		ENGINE_TEST(clears_forget),
		ENGINE_TEST(presence_and_remaining),
		ENGINE_TEST(what_is_lacking_heals),
		ENGINE_TEST(lacking_of_each_group),
		ENGINE_TEST(full),
		ENGINE_TEST(wide_names),
		ENGINE_TEST(not_for_a_worker_of_many_ranks),
		ENGINE_TEST(as_a_plain_count),
		ENGINE_TEST(old_content_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
