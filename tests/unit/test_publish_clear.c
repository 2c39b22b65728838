/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: clears of a tier, of all, and of a worker of several ranks.
 */
#include "shm/barrier.h"
#include "shm/clear.h"
#include "tests/publisher_rig.h"

/* No reader knows a tier without blocks: its clear is not published beside held blocks. */
static void test_clear_of_tier_not_kept(void **state)
{
	struct publisher_rig *f = *state;

	f->options.tier_blocks[RDX_TIER_HOST] = 0;
	publisher_open(f);
	publisher_store(f, 0, 1, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_HOST, 0), 0);
	publisher_expect_nothing(f);
	assert_int_equal(publisher_stats(f->p).held[RDX_TIER_DEVICE], 1);
	assert_int_equal(publisher_stats(f->p).inexact, 0);
}

static uint64_t held_in_ledger(const struct publisher_rig *f, uint8_t tier)
{
	const struct rdx_segment_live *live = f->p->owner.live;
	uint64_t held = 0, prefix;

	for (uint64_t i = 0; i < rdx_ledger_used(live); i++)
		held += (uint64_t)rdx_ledger_holds(
			rdx_ledger_get(&f->p->owner.ledger.records[i], &prefix), tier,
			rdx_ledger_generations(live));
	return held;
}

/* Blocks announced by name in another tier after the removal, and clears of tiers. */
static void test_tiers(void **state)
{
	struct publisher_rig *f = *state;
	const uint64_t names[2] = {2, 1};

	publisher_open(f);
	publisher_store(f, 0, 1, 2);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 2);
	publisher_remove(f, RDX_TIER_DEVICE, names, 2);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 2);
	publisher_store_known(f, RDX_TIER_HOST, 1, 2);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_HOST, 2);
	assert_int_equal(f->hashes[1], 2000);
	publisher_store_known(f, RDX_TIER_DEVICE, 2, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.orphans, 1);
	/* one of two tiers: no barrier */
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_HOST, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_TIER_HOST, 0);
	assert_int_equal(f->head.orphans, 15);
	assert_int_equal(rdx_barrier_load(f->p->owner.live), 0);
	assert_int_equal(held_in_ledger(f, RDX_TIER_HOST), 0);
	assert_int_equal(held_in_ledger(f, RDX_TIER_DEVICE), 1);
	/* the only one: a clear of all */
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_DEVICE, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	assert_int_equal(f->head.orphans, 0);
	assert_int_equal(rdx_barrier_load(f->p->owner.live), f->position);
	assert_int_equal(publisher_stats(f->p).clears, 1);
	/* names stay known */
	publisher_store_known(f, RDX_TIER_HOST, 1, 2);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_HOST, 2);
}

static void test_worker_wide_clear(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_publisher *first, *second;

	f->options.clear_scope = RDX_CLEAR_WORKER;
	publisher_open(f);
	first = f->p;
	publisher_store(f, 0, 1, 2);
	f->options.dp_rank = 2;
	assert_int_equal(rdx_publisher_open(&second, &f->options), 0);
	assert_int_equal(first->owner.header->clear_id, second->owner.header->clear_id);
	assert_int_equal(rdx_publish_cleared(second, RDX_SCOPE_ALL, 0), 0);

	/* the first rank clears itself before it says anything else, and keeps its names */
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 2);
	assert_int_equal(f->head.stamp, 0);
	assert_int_equal(rdx_word_load(&first->owner.live->ledger_stamp), 0);
	publisher_store(f, 2, 3, 1);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	assert_int_equal(f->head.stamp, 1);
	assert_int_equal(rdx_word_load(&first->owner.live->ledger_stamp), 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.stamp, 1);
	assert_int_equal(f->head.orphans, 15);
	assert_int_equal(publisher_stats(first).held[RDX_TIER_DEVICE], 1);
	/* a tier's clear is this rank's alone, also where it is published as one of all */
	assert_int_equal(rdx_publish_cleared(first, RDX_TIER_DEVICE, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	assert_int_equal(rdx_clear_stamp(first->clear), 1);
	assert_int_equal(publisher_stats(second).clears, 1);
	rdx_publisher_close(second);

	/* a rank opened later begins with the present generation */
	assert_int_equal(rdx_publisher_open(&second, &f->options), 0);
	assert_int_equal(second->stamp, 1);
	assert_int_equal(rdx_word_load(&second->owner.live->ledger_stamp), 1);
	assert_int_equal(rdx_publish_inexact(second, RDX_INEXACT_UNKNOWN, 0), 0);
	assert_int_equal(publisher_stats(second).clears, 0);
	rdx_publisher_close(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUBLISHER_TEST(test_clear_of_tier_not_kept),
		PUBLISHER_TEST(test_tiers),
		PUBLISHER_TEST(test_worker_wide_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
