/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a rank that lacks blocks is EXACT again when these are gone: removed, stored after
 * all, or cleared; UNKNOWN ends with the copies of the name that it is about. An event says each.
 */
#include "tests/publisher_rig.h"

#include <errno.h>

/* The rank is worth this, and its newest event, which is looked at next, is the one that says it. */
static void expect(struct publisher_rig *f, uint8_t how)
{
	uint64_t flags = rdx_word_load(&f->p->owner.live->counters[RDX_COUNTER_FLAGS]);

	publisher_expect_event(f, RDX_EVENT_INEXACT, 0, 0);
	assert_int_equal(f->head.inexact, how);
	publisher_expect_nothing(f);
	assert_int_equal(publisher_stats(f->p).inexact, how);
	assert_int_equal((flags & RDX_LIVE_LACKING) != 0, how == RDX_INEXACT_LACKING);
	assert_int_equal((flags & RDX_LIVE_UNKNOWN) != 0, how == RDX_INEXACT_UNKNOWN);
}

/* Nothing is said, since nothing changed. */
static void expect_still(struct publisher_rig *f, uint8_t how, uint64_t lacking)
{
	publisher_expect_nothing(f);
	assert_int_equal(publisher_stats(f->p).inexact, how);
	assert_int_equal(publisher_stats(f->p).lacking, lacking);
	assert_int_equal(rdx_word_load(&f->p->owner.live->counters[RDX_COUNTER_LACKING]), lacking);
}

static void unrepresented(struct publisher_rig *f, uint8_t tier, uint64_t first, uint32_t count)
{
	uint64_t names[PUBLISHER_BLOCKS];
	struct rdx_removed blocks = {.size = sizeof(blocks),
				     .names = names,
				     .count = count,
				     .tier = tier,
				     .name_bytes = 8};

	for (uint32_t i = 0; i < count; i++)
		names[i] = first + i;
	assert_int_equal(rdx_publish_unrepresented(f->p, &blocks), 0);
}

static void remove_left(struct publisher_rig *f, uint8_t tier, uint64_t name, uint32_t left)
{
	struct rdx_removed removed = {.size = sizeof(removed),
				      .names = &name,
				      .count = 1,
				      .tier = tier,
				      .name_bytes = 8,
				      .remaining = &left};

	assert_int_equal(rdx_publish_removed(f->p, &removed), 0);
}

/* Store names 1 .. `count` below the root. */
static void store_some(struct publisher_rig *f, uint32_t count)
{
	publisher_store(f, 0, 1, count);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, count);
}

/* Each of the names must go, in its tier, as often as it came. */
static void test_removed(void **state)
{
	struct publisher_rig *f = *state;

	publisher_open(f);
	publisher_store(f, 99, 1, 2); /* its parent is unknown */
	expect(f, RDX_INEXACT_LACKING);
	publisher_store(f, 99, 2, 1);
	expect_still(f, RDX_INEXACT_LACKING, 2);
	publisher_remove_one(f, RDX_TIER_HOST, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 3);
	assert_int_equal(publisher_stats(f->p).unknown_removals, 2);
	publisher_remove_one(f, RDX_TIER_DEVICE, 2);
	expect_still(f, RDX_INEXACT_LACKING, 2);
	publisher_remove_one(f, RDX_TIER_DEVICE, 1);
	expect_still(f, RDX_INEXACT_LACKING, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 2);
	expect(f, 0);
	assert_int_equal(publisher_stats(f->p).unknown_removals, 2);
	assert_int_equal(publisher_stats(f->p).inexact_marks, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 2);
	assert_int_equal(publisher_stats(f->p).unknown_removals, 3);
}

/* The run of a dropped block, a tier that is not kept, and a name that only was given. */
static void test_every_name_of_a_call(void **state)
{
	struct publisher_rig *f = *state;
	uint64_t names[PUBLISHER_BLOCKS];
	struct rdx_stored stored;

	f->options.tier_blocks[RDX_TIER_DEVICE] = 4;
	f->options.remembered_names = 1000;
	publisher_open(f);
	f->p->spare = 0;
	store_some(f, 4);
	stored = publisher_run(4, 5, 90); /* more than a chunk */
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	expect(f, RDX_INEXACT_LACKING);
	expect_still(f, RDX_INEXACT_LACKING, 90);
	for (uint64_t i = 0; i < 90; i++)
		names[i] = 5 + i;
	publisher_remove(f, RDX_TIER_DEVICE, names, 90);
	expect(f, 0);

	stored = publisher_run(0, 1, 3);
	stored.tier = RDX_TIER_DISK;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	expect(f, RDX_INEXACT_LACKING);
	publisher_store_known(f, RDX_TIER_HOST, 501, 2);
	expect_still(f, RDX_INEXACT_LACKING, 5);
	names[0] = 501, names[1] = 502;
	publisher_remove(f, RDX_TIER_HOST, names, 2);
	expect_still(f, RDX_INEXACT_LACKING, 3);
	names[0] = 1, names[1] = 2, names[2] = 3;
	publisher_remove(f, RDX_TIER_DISK, names, 3);
	expect(f, 0);
	assert_int_equal(publisher_stats(f->p).held[RDX_TIER_DEVICE], 4);
}

/* What finds its place in time takes the copies with it, and its own event says that all is well. */
static void test_stored_after_all(void **state)
{
	struct publisher_rig *f = *state;

	publisher_open(f);
	publisher_store(f, 2, 3, 1);
	expect(f, RDX_INEXACT_LACKING);
	publisher_store(f, 2, 3, 1);
	store_some(f, 2);
	assert_int_equal(f->head.inexact, RDX_INEXACT_LACKING);
	publisher_store(f, 2, 3, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.inexact, 0);
	expect_still(f, 0, 0);
	for (int i = 0; i < 2; i++) {
		publisher_remove_one(f, RDX_TIER_DEVICE, 3);
		expect_still(f, 0, 0);
	}
	publisher_remove_one(f, RDX_TIER_DEVICE, 3);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	assert_int_equal(publisher_stats(f->p).unknown_removals, 0);
}

/* Of two blocks the one comes first: no event that lacks the other says EXACT. */
static void test_not_before_its_event(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_stored stored;

	publisher_open(f);
	publisher_store(f, 99, 12, 1);
	expect(f, RDX_INEXACT_LACKING);
	store_some(f, 3);
	publisher_remove_one(f, RDX_TIER_DEVICE, 2);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	/* block 3 is held already, so that 2 and the new one are two events */
	stored = publisher_run(1, 2, 3);
	((uint64_t *)(uintptr_t)stored.names)[2] = 12;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.inexact, RDX_INEXACT_LACKING);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.inexact, 0);
	expect_still(f, 0, 0);
}

static void test_cleared(void **state)
{
	struct publisher_rig *f = *state;

	publisher_open(f);
	store_some(f, 1);
	publisher_store_known(f, RDX_TIER_HOST, 1, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_HOST, 1);
	publisher_store(f, 99, 3, 2);
	expect(f, RDX_INEXACT_LACKING);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_HOST, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_TIER_HOST, 0);
	assert_int_equal(f->head.inexact, RDX_INEXACT_LACKING);
	publisher_store_known(f, RDX_TIER_HOST, 1, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_HOST, 1);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_DEVICE, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_TIER_DEVICE, 0);
	assert_int_equal(f->head.inexact, 0);
	expect_still(f, 0, 0);
	/* a tier that no reader knows: its clear is no event, what it ends is one */
	unrepresented(f, RDX_TIER_DISK, 1, 1);
	expect(f, RDX_INEXACT_LACKING);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_DISK, 0), 0);
	expect(f, 0);
}

/* Blocks of a tier that nobody knows outlive every clear but that of all. */
static void test_another_tier(void **state)
{
	struct publisher_rig *f = *state;

	publisher_open(f);
	unrepresented(f, RDX_TIER_OTHER, 7, 3);
	expect(f, RDX_INEXACT_LACKING);
	assert_int_equal(publisher_stats(f->p).unrepresented, 3);
	store_some(f, 1);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_DEVICE, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_TIER_DEVICE, 0);
	expect_still(f, RDX_INEXACT_LACKING, 3);
	for (uint64_t name = 7; name < 9; name++)
		publisher_remove_one(f, RDX_TIER_OTHER, name);
	publisher_remove_one(f, RDX_TIER_DEVICE, 9);
	expect_still(f, RDX_INEXACT_LACKING, 1);
	publisher_remove_one(f, RDX_TIER_OTHER, 9);
	expect(f, 0);
	unrepresented(f, RDX_TIER_OTHER, 7, 1);
	expect(f, RDX_INEXACT_LACKING);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	assert_int_equal(f->head.inexact, 0);
	expect_still(f, 0, 0);
}

/* A held name came with other content: nothing of it is sure before all its copies are gone, in the
 * other tier, too. */
static void test_a_conflict(void **state)
{
	struct publisher_rig *f = *state;

	publisher_open(f);
	store_some(f, 3);
	publisher_store_known(f, RDX_TIER_HOST, 3, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_HOST, 1);
	publisher_store(f, 1, 3, 2); /* 3 is below 2, and 4 goes with it */
	expect(f, RDX_INEXACT_UNKNOWN);
	expect_still(f, RDX_INEXACT_UNKNOWN, 3);
	publisher_remove_one(f, RDX_TIER_DEVICE, 3);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.inexact, RDX_INEXACT_UNKNOWN);
	publisher_remove_one(f, RDX_TIER_DEVICE, 3);
	expect_still(f, RDX_INEXACT_UNKNOWN, 2);
	publisher_remove_one(f, RDX_TIER_HOST, 3);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_HOST, 1);
	assert_int_equal(f->head.inexact, RDX_INEXACT_LACKING);
	expect_still(f, RDX_INEXACT_LACKING, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 4);
	expect(f, 0);
	assert_int_equal(publisher_stats(f->p).unknown_removals, 0);
}

/* The content of a held name cannot be compared below an unknown parent; equal content can. */
static void test_held_names_in_a_dropped_run(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_stored stored;

	f->options.tier_blocks[RDX_TIER_HOST] = 1;
	publisher_open(f);
	f->p->spare = 0;
	store_some(f, 3);
	stored = publisher_run(0, 1, 3);
	stored.tier = RDX_TIER_HOST; /* has room for one; the content is the same */
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_HOST, 1);
	assert_int_equal(f->head.inexact, RDX_INEXACT_LACKING);
	expect_still(f, RDX_INEXACT_LACKING, 2);
	publisher_store(f, 99, 3, 1);
	expect(f, RDX_INEXACT_UNKNOWN);
	publisher_remove_one(f, RDX_TIER_DEVICE, 3);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 3);
	expect(f, RDX_INEXACT_LACKING);
}

/* A remembered name that came with content that nobody knows stands for nothing. */
static void test_remembered_names_in_a_dropped_run(void **state)
{
	struct publisher_rig *f = *state;

	publisher_open(f);
	store_some(f, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 1);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	publisher_store(f, 99, 1, 1);
	expect(f, RDX_INEXACT_LACKING);
	publisher_store_known(f, RDX_TIER_HOST, 1, 1);
	expect_still(f, RDX_INEXACT_LACKING, 2);
	assert_int_equal(publisher_stats(f->p).unknown_names, 1);
}

static void test_copies_left(void **state)
{
	struct publisher_rig *f = *state;

	publisher_open(f);
	for (int i = 0; i < 5; i++)
		publisher_store(f, 0, 1, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	remove_left(f, RDX_TIER_DEVICE, 1, 2);
	remove_left(f, RDX_TIER_DEVICE, 1, 3); /* known or not, a held block is held */
	publisher_remove_one(f, RDX_TIER_DEVICE, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 1);
	expect_still(f, 0, 0);
	publisher_remove_one(f, RDX_TIER_DEVICE, 1);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	publisher_store(f, 0, 1, 1);
	publisher_store(f, 0, 1, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	remove_left(f, RDX_TIER_DEVICE, 1, 0);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	/* more than was known of */
	remove_left(f, RDX_TIER_DEVICE, 1, 2);
	expect(f, RDX_INEXACT_LACKING);
	assert_int_equal(publisher_stats(f->p).unknown_removals, 1);
	remove_left(f, RDX_TIER_DEVICE, 1, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 1);
	expect(f, 0);
	remove_left(f, RDX_TIER_OTHER, 1, 2);
	expect(f, RDX_INEXACT_LACKING);
	remove_left(f, RDX_TIER_OTHER, 1, 0);
	expect(f, 0);
}

/* Presence: one removal ends what was said, and what could not be, however often. */
static void test_presence(void **state)
{
	struct publisher_rig *f = *state;

	f->options.report_mode = RDX_REPORT_PRESENCE;
	publisher_open(f);
	for (int i = 0; i < 3; i++)
		publisher_store(f, 99, 1, 1);
	expect(f, RDX_INEXACT_LACKING);
	publisher_remove_one(f, RDX_TIER_DEVICE, 1);
	expect(f, 0);
	store_some(f, 3);
	publisher_store(f, 1, 3, 1);
	expect(f, RDX_INEXACT_UNKNOWN);
	remove_left(f, RDX_TIER_DEVICE, 3, 2);
	expect_still(f, RDX_INEXACT_UNKNOWN, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 3);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.inexact, 0);
	expect_still(f, 0, 0);
}

/* Mixed: what came again may be a repetition. */
static void test_mixed(void **state)
{
	struct publisher_rig *f = *state;

	f->options.report_mode = RDX_REPORT_MIXED;
	publisher_open(f);
	store_some(f, 1);
	publisher_store(f, 2, 3, 1);
	expect(f, RDX_INEXACT_LACKING);
	publisher_store(f, 1, 3, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.inexact, RDX_INEXACT_UNKNOWN);
	expect_still(f, RDX_INEXACT_UNKNOWN, 0);
	publisher_store_known(f, RDX_TIER_HOST, 1, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_HOST, 1);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_DEVICE, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_TIER_DEVICE, 0);
	assert_int_equal(f->head.inexact, 0);
}

/* More names than are remembered: LACKING until the tier is cleared. */
static void test_too_many(void **state)
{
	struct publisher_rig *f = *state;
	const uint64_t room = RDX_LACKING_SLOTS_MIN / 2;
	uint64_t last = room + 50;

	publisher_open(f);
	store_some(f, 1);
	publisher_store_known(f, RDX_TIER_HOST, 1, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_HOST, 1);
	for (uint64_t name = 2; name <= last; name++)
		publisher_store(f, 9999, name, 1);
	expect(f, RDX_INEXACT_LACKING);
	expect_still(f, RDX_INEXACT_LACKING, room);
	for (uint64_t name = 2; name <= last; name++)
		publisher_remove_one(f, RDX_TIER_DEVICE, name);
	expect_still(f, RDX_INEXACT_LACKING, 0);
	assert_int_equal(publisher_stats(f->p).unknown_removals, last - 1 - room);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_DEVICE, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_TIER_DEVICE, 0);
	assert_int_equal(f->head.inexact, 0);
}

/* Nobody knows of which blocks: until a clear of all, and the worse of two counts. */
static void test_without_names(void **state)
{
	struct publisher_rig *f = *state;

	publisher_open(f);
	store_some(f, 1);
	assert_int_equal(rdx_publish_inexact(f->p, RDX_INEXACT_LACKING, 0), 0);
	expect(f, RDX_INEXACT_LACKING);
	publisher_store(f, 99, 3, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 3);
	expect_still(f, RDX_INEXACT_LACKING, 0);
	assert_int_equal(rdx_publish_inexact(f->p, RDX_INEXACT_UNKNOWN, 0), 0);
	expect(f, RDX_INEXACT_UNKNOWN);
	assert_int_equal(rdx_publish_inexact(f->p, RDX_INEXACT_LACKING, 0), 0);
	for (uint8_t tier = 0; tier < RDX_TIER_HOST; tier++) {
		assert_int_equal(rdx_publish_cleared(f->p, tier, 0), 0);
		publisher_expect_event(f, RDX_EVENT_CLEARED, tier, 0);
		assert_int_equal(f->head.inexact, RDX_INEXACT_UNKNOWN);
	}
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	assert_int_equal(f->head.inexact, 0);
	expect_still(f, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUBLISHER_TEST(test_removed),
		PUBLISHER_TEST(test_every_name_of_a_call),
		PUBLISHER_TEST(test_stored_after_all),
		PUBLISHER_TEST(test_not_before_its_event),
		PUBLISHER_TEST(test_cleared),
		PUBLISHER_TEST(test_another_tier),
		PUBLISHER_TEST(test_a_conflict),
		PUBLISHER_TEST(test_held_names_in_a_dropped_run),
		PUBLISHER_TEST(test_remembered_names_in_a_dropped_run),
		PUBLISHER_TEST(test_copies_left),
		PUBLISHER_TEST(test_presence),
		PUBLISHER_TEST(test_mixed),
		PUBLISHER_TEST(test_too_many),
		PUBLISHER_TEST(test_without_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
