/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what a rank cannot say: each cause has its counter, the rank is marked, and the
 * mark is said; a clear takes it away only where it may.
 */
#include "tests/publisher_rig.h"

#include <errno.h>

static void test_what_is_left_out(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_stored stored;
	uint32_t tokens[3 * PUBLISHER_TOKENS] = {0};

	publisher_open(f);
	publisher_store(f, 500, 1, 3);
	publisher_expect_inexact(f, RDX_INEXACT_LACKING, publisher_stats(f->p).unknown_parents, 3);
	publisher_store_known(f, RDX_TIER_HOST, 501, 2);
	publisher_expect_inexact(f, RDX_INEXACT_LACKING, publisher_stats(f->p).unknown_names, 2);

	stored = publisher_run(0, 1, 3);
	stored.local_hashes = NULL;
	stored.tokens = tokens;
	stored.token_count = 3 * PUBLISHER_TOKENS - 1;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	publisher_expect_inexact(f, RDX_INEXACT_LACKING, publisher_stats(f->p).mismatched, 3);

	stored.token_count = 3 * 2;
	stored.block_tokens = 2;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	publisher_expect_inexact(f, RDX_INEXACT_LACKING, publisher_stats(f->p).other_block_size, 3);

	/* a tier that is not kept is full */
	stored = publisher_run(0, 1, 3);
	stored.tier = RDX_TIER_DISK;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	publisher_expect_inexact(f, RDX_INEXACT_LACKING, publisher_stats(f->p).ledger_full, 3);
	assert_int_equal(publisher_stats(f->p).names, 0);

	assert_int_equal(rdx_publish_inexact(f->p, RDX_INEXACT_UNKNOWN, 9), 0);
	assert_int_equal(rdx_publish_inexact(f->p, RDX_INEXACT_UNKNOWN, 10), 0);
	publisher_expect_inexact(f, RDX_INEXACT_UNKNOWN, publisher_stats(f->p).inexact_marks, 6);
}

static void test_conflicts(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_stored stored;
	uint64_t names[3] = {1, 1, 2}, own[2] = {5, 3};

	publisher_open(f);
	publisher_store(f, 0, 1, 3);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 3);
	/* a held name with other content, its children go with it */
	publisher_store(f, 1, 3, 4);
	publisher_expect_inexact(f, RDX_INEXACT_UNKNOWN, publisher_stats(f->p).conflicts, 4);
	/* a run that repeats a name: what comes before is stored, inexact from there */
	stored = publisher_run(0, 1, 3);
	stored.names = names;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.inexact, RDX_INEXACT_UNKNOWN);
	assert_int_equal(publisher_stats(f->p).conflicts, 6);
	publisher_expect_nothing(f);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	/* 1 came with other content: nothing is below it until it is stored anew */
	publisher_store(f, 1, 3, 1);
	publisher_expect_inexact(f, RDX_INEXACT_LACKING, publisher_stats(f->p).unknown_parents, 1);
	publisher_store(f, 0, 1, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 1);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	/* remembered only: it may stand for something else */
	publisher_store(f, 1, 3, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(f->head.orphans, 15);
	publisher_remove_one(f, RDX_TIER_DEVICE, 3);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	/* but not below itself */
	stored = publisher_run(3, 5, 2);
	stored.names = own;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	assert_int_equal(publisher_stats(f->p).conflicts, 7);
	publisher_expect_nothing(f);
}

static void test_full(void **state)
{
	struct publisher_rig *f = *state;

	f->options.tier_blocks[RDX_TIER_DEVICE] = 4;
	f->options.tier_blocks[RDX_TIER_HOST] = 0;
	f->options.remembered_names = 2;
	publisher_open(f);
	f->p->spare = 0;
	publisher_store(f, 0, 1, 6);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 4);
	assert_int_equal(f->head.inexact, 1);
	assert_int_equal(publisher_stats(f->p).ledger_full, 2);
	assert_int_equal(publisher_stats(f->p).held[RDX_TIER_DEVICE], 4);
	assert_int_equal(publisher_stats(f->p).names, 4);
	/* other names for the same blocks: room for two, then none */
	for (uint64_t name = 11; name < 14; name++) {
		struct rdx_stored stored = publisher_run(0, 1, 1);

		stored.names = &name;
		assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	}
	assert_int_equal(publisher_stats(f->p).map_full, 1);
	assert_int_equal(publisher_stats(f->p).names, 6);
	/* the second name holds the block after the first has gone */
	publisher_remove_one(f, RDX_TIER_DEVICE, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 11);
	publisher_expect_nothing(f);
	publisher_remove_one(f, RDX_TIER_DEVICE, 12);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
}

static void test_counts_that_end(void **state)
{
	struct publisher_rig *f = *state;

	f->options.remembered_names = 1000;
	publisher_open(f);
	for (uint64_t name = 1; name <= RDX_NODE_HOLDERS_MAX + 1; name++) {
		struct rdx_stored stored = publisher_run(0, 1, 1);

		stored.names = &name;
		assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	}
	assert_int_equal(publisher_stats(f->p).map_full, 1);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 1);
	publisher_expect_event(f, RDX_EVENT_INEXACT, 0, 0);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), 0);
	for (uint32_t i = 0; i <= RDX_NODE_COPIES_MAX; i++)
		publisher_store(f, 0, 1, 1);
	assert_int_equal(publisher_stats(f->p).repeats, RDX_NODE_COPIES_MAX);
	assert_int_equal(publisher_stats(f->p).inexact, RDX_INEXACT_UNKNOWN);
}

static void test_report_mode_mixed(void **state)
{
	struct publisher_rig *f = *state;

	f->options.report_mode = RDX_REPORT_MIXED;
	publisher_open(f);
	publisher_store(f, 0, 1, 2);
	assert_int_equal(publisher_stats(f->p).inexact, 0);
	publisher_store(f, 0, 1, 2);
	assert_int_equal(publisher_stats(f->p).inexact, RDX_INEXACT_UNKNOWN);
	assert_int_equal(publisher_stats(f->p).repeats, 2);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 2);
	publisher_expect_inexact(f, RDX_INEXACT_UNKNOWN, publisher_stats(f->p).inexact_marks, 1);
}

/* An engine that says again what it holds: one removal ends it, and the segment says which it is. */
static void test_report_mode_presence(void **state)
{
	struct publisher_rig *f = *state;

	f->options.report_mode = RDX_REPORT_PRESENCE;
	publisher_open(f);
	assert_int_equal(f->p->owner.header->report_mode, RDX_REPORT_PRESENCE);
	for (uint32_t i = 0; i <= RDX_NODE_COPIES_MAX; i++)
		publisher_store(f, 0, 1, 2);
	assert_int_equal(publisher_stats(f->p).repeats, 2 * RDX_NODE_COPIES_MAX);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 2);
	publisher_remove_one(f, RDX_TIER_DEVICE, 2);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	publisher_remove_one(f, RDX_TIER_DEVICE, 1);
	publisher_expect_event(f, RDX_EVENT_REMOVED, RDX_TIER_DEVICE, 1);
	assert_int_equal(publisher_stats(f->p).held[RDX_TIER_DEVICE], 0);
	assert_int_equal(publisher_stats(f->p).inexact, 0);
}

/* What is missing in one tier is still missing after a clear of another, though the rank
 * then holds nothing that it knows of. */
static void test_clear_beside_inexact(void **state)
{
	struct publisher_rig *f = *state;

	publisher_open(f);
	publisher_store(f, 99, 1, 1); /* in the device tier, its parent unknown */
	assert_int_equal(publisher_stats(f->p).inexact, 1);
	publisher_expect_event(f, RDX_EVENT_INEXACT, 0, 0);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_HOST, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_TIER_HOST, 0);
	assert_int_equal(f->head.inexact, 1);
	assert_int_equal(publisher_stats(f->p).inexact, 1);
	/* and of that one: then there is nothing */
	assert_int_equal(rdx_publish_cleared(f->p, RDX_TIER_DEVICE, 0), 0);
	publisher_expect_event(f, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0);
	assert_int_equal(f->head.inexact, 0);
	assert_int_equal(publisher_stats(f->p).inexact, 0);
}

/* The last positions: nothing is half published, and readers are told. */
static void test_positions_end(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_stored stored = publisher_run(0, 1, 2);
	struct rdx_removed removed = {
		.size = sizeof(removed), .names = stored.names, .count = 1, .name_bytes = 8};
	uint64_t events;

	publisher_open(f);
	f->p->position = f->position = RDX_POSITION_END - 6;
	assert_int_equal(rdx_publish_stored(f->p, &stored), 0);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 2);
	stored = publisher_run(2, 3, 3);
	assert_int_equal(rdx_publish_stored(f->p, &stored), -EOVERFLOW);
	publisher_expect_event(f, RDX_EVENT_INEXACT, 0, 0);
	assert_int_equal(f->head.inexact, RDX_INEXACT_UNKNOWN);
	publisher_expect_nothing(f);
	assert_true(f->position <= RDX_POSITION_END);
	events = publisher_stats(f->p).events;
	assert_int_equal(rdx_publish_removed(f->p, &removed), -EOVERFLOW);
	assert_int_equal(rdx_publish_cleared(f->p, RDX_SCOPE_ALL, 0), -EOVERFLOW);
	assert_int_equal(rdx_publish_inexact(f->p, RDX_INEXACT_UNKNOWN, 0), -EOVERFLOW);
	assert_int_equal(publisher_stats(f->p).events, events);
	assert_int_equal(publisher_stats(f->p).held[RDX_TIER_DEVICE], 2);
	assert_int_equal(publisher_stats(f->p).inexact, RDX_INEXACT_UNKNOWN);
}

/* What somebody wrote into the segment is not published, and ends no process. */
static void test_a_damaged_record_is_not_believed(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_ledger_record *records;

	publisher_open(f);
	publisher_store(f, 0, 1, 2);
	publisher_expect_event(f, RDX_EVENT_STORED, RDX_TIER_DEVICE, 2);
	records = f->p->owner.ledger.records;
	for (uint64_t i = 0; i < f->p->owner.ledger.count; i++)
		rdx_ledger_describe(&records[i], UINT64_MAX, 77 + i, UINT64_MAX - i);
	publisher_store_known(f, RDX_TIER_HOST, 1, 2);
	assert_int_equal(publisher_stats(f->p).unknown_names, 2);
	assert_int_equal(publisher_stats(f->p).inexact, 1);
	assert_int_equal(publisher_stats(f->p).held[RDX_TIER_HOST], 0);
	publisher_expect_event(f, RDX_EVENT_INEXACT, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUBLISHER_TEST(test_what_is_left_out),
		PUBLISHER_TEST(test_conflicts),
		PUBLISHER_TEST(test_full),
		PUBLISHER_TEST(test_counts_that_end),
		PUBLISHER_TEST(test_report_mode_mixed),
		PUBLISHER_TEST(test_report_mode_presence),
		PUBLISHER_TEST(test_clear_beside_inexact),
		PUBLISHER_TEST(test_positions_end),
		PUBLISHER_TEST(test_a_damaged_record_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
