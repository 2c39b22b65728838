/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what the translator knows of the stream as a whole: where it begins, what its
 * sequence says, what a clear means.
 */
#include "tests/engine_rig.h"

static void late_by_option(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	rig->options.joined_late = 1;
	engine_open(rig);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	event = engine_store(rig, 0, 1, 2);
	engine_publish(rig, &event);
	event = engine_remove(rig, 1, 2);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	engine_clear(rig);
	assert_int_equal(engine_stats(rig).late, 1);
}

/* A name that is removed and was never stored: before the first clear of all it was there before. */
static void late_by_a_removal(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	event = engine_remove(rig, 1, 2);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	engine_publish(rig, &event);
	assert_int_equal(engine_stats(rig).late, 1);
	engine_clear(rig);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	assert_int_equal(engine_stats(rig).late, 1);
}

/* Of a cache group that was never seen: it may be one that counts. */
static void late_by_a_group(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	event = engine_remove(rig, 1, 1);
	event.flags = RDX_ENGINE_GROUP;
	event.group = 3;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	engine_clear(rig);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
}

static void announce(struct engine_rig *rig, uint64_t sequence)
{
	assert_int_equal(rdx_engine_sequence(rig->engine, sequence, 0), 0);
}

static void sequences(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	announce(rig, 0);
	event = engine_store(rig, 0, 1, 2);
	engine_publish(rig, &event);
	announce(rig, 1);
	announce(rig, 2);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	announce(rig, 4);
	engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_UNKNOWN);
	announce(rig, 5);
	assert_int_equal(engine_stats(rig).gaps, 1);
	/* another process, from its birth on */
	announce(rig, 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	/* the same number again is yet another one */
	engine_publish(rig, &event);
	announce(rig, 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	announce(rig, 1);
	/* and one that was not heard at first */
	announce(rig, 1);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	assert_int_equal(engine_stats(rig).restarts, 3);
	assert_int_equal(engine_stats(rig).late, 1);

	engine_reopen(rig);
	announce(rig, 7);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_LACKING);
	announce(rig, 8);
	engine_clear(rig);
	announce(rig, UINT64_MAX);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);
}

/* A rank's process is another one; those of the worker's other ranks go on, though a clear is
 * theirs. */
static void restart_of_one_rank(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_publisher_options options;
	struct rdx_publisher *other;
	struct rdx_stored stored;
	struct rdx_engine_event event;

	rig->f->options.clear_scope = RDX_CLEAR_WORKER;
	engine_open(rig);
	options = rig->f->options;
	options.dp_rank = 2;
	assert_int_equal(rdx_publisher_open(&other, &options), 0);
	stored = publisher_run(0, 1, 2);
	assert_int_equal(rdx_publish_stored(other, &stored), 0);
	announce(rig, 0);
	event = engine_store(rig, 0, 1, 2);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	announce(rig, 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	assert_int_equal(rdx_publish_stored(other, &stored), 0);
	assert_int_equal(publisher_stats(other).repeats, 2);
	/* what was wrong with the process before is over */
	engine_publish(rig, &event);
	announce(rig, 7);
	engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_UNKNOWN);
	announce(rig, 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	rdx_publisher_close(other);
}

/* A name that is removed after another rank cleared the worker is one that went with it. */
static void cleared_by_another_rank(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_publisher_options options;
	struct rdx_publisher *other;
	struct rdx_engine_event event;

	rig->f->options.clear_scope = RDX_CLEAR_WORKER;
	engine_open(rig);
	options = rig->f->options;
	options.dp_rank = 2;
	assert_int_equal(rdx_publisher_open(&other, &options), 0);
	event = engine_store(rig, 0, 1, 2);
	engine_publish(rig, &event);
	assert_int_equal(rdx_publish_cleared(other, RDX_SCOPE_ALL, 0), 0);
	event = engine_remove(rig, 1, 2);
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	assert_int_equal(engine_stats(rig).late, 0);
	rdx_publisher_close(other);
}

static void unreadable_events(void **state)
{
	struct engine_rig *rig = *state;

	engine_open(rig);
	assert_int_equal(rdx_engine_unreadable(rig->engine, 0), 0);
	engine_expect(rig, RDX_TIER_DEVICE, 0, RDX_INEXACT_UNKNOWN);
	assert_int_equal(engine_stats(rig).unreadable, 1);
	engine_clear(rig);
}

/* Two names in the device, one of them in the host too. */
static void store_both(struct engine_rig *rig)
{
	struct rdx_engine_event event = engine_store(rig, 0, 1, 2);

	engine_publish(rig, &event);
	event.medium = "CPU";
	event.count = 1;
	event.token_count = 0;
	event.block_tokens = 0;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	engine_expect(rig, RDX_TIER_HOST, 1, 0);
}

static void clears(void **state)
{
	static const struct rdx_engine_word types[] = {
		{"AllHostBlocksCleared", RDX_ENGINE_CLEARS + RDX_TIER_HOST}, {0}};
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	rig->options.types = types;
	engine_open(rig);
	store_both(rig);
	event = engine_event("AllBlocksCleared");
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	engine_expect(rig, RDX_TIER_HOST, 0, 0);

	store_both(rig);
	event.medium = "CPU";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	engine_expect(rig, RDX_TIER_HOST, 0, 0);
	engine_clear(rig);

	store_both(rig);
	event = engine_event("AllHostBlocksCleared");
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, 0);
	engine_expect(rig, RDX_TIER_HOST, 0, 0);
	event.medium = "GPU";
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_UNKNOWN);
	assert_int_equal(engine_stats(rig).contradictions, 1);

	rig->options.cleared_means = RDX_ENGINE_CLEARED_DEVICE;
	engine_reopen(rig);
	store_both(rig);
	event = engine_event("AllBlocksCleared");
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
	engine_expect(rig, RDX_TIER_HOST, 1, 0);
	engine_clear(rig);
}

/* One that names blocks, an adapter or a salt is perhaps a clear of these alone. */
static void clears_of_some(void **state)
{
	struct engine_rig *rig = *state;
	struct rdx_engine_event store, some[5];

	engine_open(rig);
	store = engine_store(rig, 0, 1, 2);
	for (int i = 0; i < 5; i++)
		some[i] = engine_event("AllBlocksCleared");
	some[0].names = store.names;
	some[0].count = 2;
	some[1].lora_name = "adapter";
	some[2].cache_salt = "tenant";
	some[3].flags = RDX_ENGINE_LORA_ID;
	some[4].parent = store.names;
	for (uint64_t i = 0; i < 5; i++) {
		engine_publish(rig, &store);
		engine_publish(rig, &some[i]);
		engine_expect(rig, RDX_TIER_DEVICE, 2, RDX_INEXACT_UNKNOWN);
		assert_int_equal(engine_stats(rig).contradictions, i + 1);
		engine_clear(rig);
	}
}

/* A copy that is counted elsewhere is obeyed. */
static void remaining_copies(void **state)
{
	const uint32_t left[] = {1, 0};
	struct engine_rig *rig = *state;
	struct rdx_engine_event event;

	engine_open(rig);
	for (int i = 0; i < 3; i++) {
		event = engine_store(rig, 0, 1, 2);
		engine_publish(rig, &event);
	}
	event = engine_remove(rig, 1, 2);
	event.remaining = left;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 1, 0);
	event.remaining = NULL;
	event.count = 1;
	engine_publish(rig, &event);
	engine_expect(rig, RDX_TIER_DEVICE, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENGINE_TEST(late_by_option),      ENGINE_TEST(late_by_a_removal),
		ENGINE_TEST(late_by_a_group),     ENGINE_TEST(sequences),
		ENGINE_TEST(restart_of_one_rank), ENGINE_TEST(clears),
		ENGINE_TEST(unreadable_events),   ENGINE_TEST(remaining_copies),
		ENGINE_TEST(clears_of_some),      ENGINE_TEST(cleared_by_another_rank),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
