/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the events of each publish call, as engines make them, and the calls that are
 * refused. Random streams are in property/test_publisher.c, forks in
 * process/test_publisher_fork.c.
 */
#include "tests/publisher_rig.h"

#include <errno.h>

static void test_calls_refuse(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_stored good = publisher_run(0, 1, 2), stored;
	struct rdx_removed bad,
		removed = {
			.size = sizeof(removed), .names = good.names, .count = 2, .name_bytes = 8};
	struct rdx_publisher_stats stats = {.size = sizeof(stats) - 1, .names = 77};
	uint32_t tokens[8] = {0}, remaining[2] = {0};

	publisher_open(f);
	for (int i = 0; i < 4; i++) {
		stored = good;
		stored.names = i == 0 ? NULL : good.names;
		stored.name_bytes = i == 1 ? 16 : 8;
		stored.tier = i == 2 ? RDX_TIER_COUNT : 0;
		stored.tokens = i == 3 ? tokens : NULL;
		assert_int_equal(rdx_publish_stored(f->p, &stored), -EINVAL);
		bad = removed;
		bad.names = i == 0 ? NULL : good.names;
		bad.name_bytes = i == 1 ? 0 : 8;
		bad.tier = i == 2 ? RDX_TIER_OTHER + 1 : 0;
		assert_int_equal(rdx_publish_removed(f->p, &bad), i < 3 ? -EINVAL : 0);
		bad.remaining = i == 3 ? remaining : NULL;
		assert_int_equal(rdx_publish_unrepresented(f->p, &bad), -EINVAL);
	}
	assert_int_equal(rdx_publish_inexact(f->p, 0, 0), -EINVAL);
	assert_int_equal(rdx_publish_inexact(f->p, RDX_INEXACT_UNKNOWN + 1, 0), -EINVAL);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_COUNT, 0), -EINVAL);
	assert_int_equal(rdx_publish_cleared(f->p, 16, 0), -EINVAL);
	assert_int_equal(rdx_publisher_get_stats(f->p, &stats), -EINVAL);
	assert_int_equal(stats.names, 77);
	stored = good;
	stored.count = 0;
	stored.names = NULL;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	publisher_expect_nothing(f);
	assert_int_equal(publisher_stats(f->p).events, 0);
}

static void test_events_of_a_life(void **state)
{
	struct publisher_rig *f = *state;
	const uint64_t both[2] = {2, 1}, wrong[2] = {1, 3};
	uint64_t prefix[3];

	publisher_open(f);
	publisher_store(f, 0, 1, 3);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 3);
	assert_int_equal(f->head.event_id, 1);
	assert_int_equal(f->head.parent, 0);
	assert_int_equal(f->head.first_block, 0);
	assert_int_equal(f->hashes[2], 3000);
	rdx_hash_chain(&f->rig.key, 0, f->hashes, 3, prefix);
	/* a child: its event says where it hangs */
	publisher_store(f, 3, 4, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.parent, prefix[2]);
	assert_int_equal(f->head.first_block, 3);
	/* what is held already is not said again, the rest around it is */
	publisher_remove_one(f, RDX_TIER_DEVICE, 2);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->hashes[0], prefix[1]);
	assert_int_equal(f->head.orphans, 15);
	publisher_store(f, 0, 1, 3);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.parent, prefix[0]);
	assert_int_equal(f->head.orphans, 0);
	assert_int_equal(publisher_stats(f->p).repeats, 2);
	/* copies: two removals of names 1 and 3 are needed now, one of 2 */
	publisher_remove(f, RDX_TIER_DEVICE, both, 2);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	publisher_remove(f, RDX_TIER_DEVICE, wrong, 2);
	/* a parent first: its child gets an event of its own */
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	publisher_expect_nothing(f);
	publisher_remove_one(f, RDX_TIER_DEVICE, 3);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	assert_int_equal(publisher_stats(f->p).held[RDX_TIER_DEVICE], 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 3);
	publisher_remove_one(f, RDX_TIER_DEVICE, 99);
	publisher_remove_one(f, RDX_TIER_HOST, 4);
	assert_int_equal(publisher_stats(f->p).unknown_removals, 3);
	assert_int_equal(publisher_stats(f->p).inexact, 0);
	publisher_expect_nothing(f);
}

static void test_times_and_order_of_removal(void **state)
{
	struct publisher_rig *f = *state;
	const uint64_t up[4] = {4, 3, 2, 1}, down[3] = {1, 2, 3};
	struct rdx_removed removed = {
		.size = sizeof(removed), .time_ns = 5, .names = up, .count = 4, .name_bytes = 8};

	publisher_open(f);
	publisher_store(f, 0, 1, 4);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 4);
	assert_int_equal(rdx_publish_removed(f->p, &removed), 0);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 4);
	assert_int_equal(f->head.time_ns, 5);
	publisher_store(f, 0, 1, 3);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 3);
	publisher_remove(f, RDX_TIER_DEVICE, down, 3);
	for (int i = 0; i < 3; i++)
		publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	publisher_expect_nothing(f);
}

static void test_long_runs_are_split(void **state)
{
	struct publisher_rig *f = *state;
	uint32_t most = rdx_event_hashes_max(RDX_EVENT_STORED, 8);
	uint64_t names[PUBLISHER_BLOCKS], locals[PUBLISHER_BLOCKS], prefixes[PUBLISHER_BLOCKS];

	for (uint32_t i = 0; i < PUBLISHER_BLOCKS; i++)
		locals[i] = (i + 1) * 1000;
	publisher_open(f);
	publisher_store(f, 0, 1, PUBLISHER_BLOCKS);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, most);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, PUBLISHER_BLOCKS - most);
	assert_int_equal(f->head.first_block, most);
	rdx_hash_chain(&f->rig.key, 0, locals, most, prefixes);
	assert_int_equal(f->head.parent, prefixes[most - 1]);
	for (uint32_t i = 0; i < PUBLISHER_BLOCKS; i++)
		names[i] = PUBLISHER_BLOCKS - i;
	most = rdx_event_hashes_max(RDX_EVENT_REMOVED, 8);
	publisher_remove(f, RDX_TIER_DEVICE, names, PUBLISHER_BLOCKS);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, most);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, PUBLISHER_BLOCKS - most);
	publisher_expect_nothing(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUBLISHER_TEST(test_calls_refuse),
		PUBLISHER_TEST(test_events_of_a_life),
		PUBLISHER_TEST(test_times_and_order_of_removal),
		PUBLISHER_TEST(test_long_runs_are_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
