/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: one reader against one producer on a segment: reading while caught up, laps, the
 * three ways of recovery, dead events never read, clears of the worker, snapshots.
 */
#include "consumer/reader/reader.h"
#include "consumer/reader/recovery.h"
#include "shm/clear.h"
#include "tests/rig.h"

#include <errno.h>
#include <ringdex/rdx_publisher.h>
#include <stdlib.h>

struct fixture {
	struct rig rig;
	struct rig_producer producer;
	struct rdx_reader *reader;
};

static void open_fixture(struct fixture *f, uint64_t slots, uint64_t blocks)
{
	struct rdx_segment_spec spec = rig_spec(7, 1, slots, blocks);

	rig_make(&f->rig);
	assert_int_equal(rig_claim(&f->rig, &f->producer, &spec), 0);
	assert_int_equal(rdx_reader_open(&f->reader, f->rig.dir, 7, 1), 0);
}

static void close_fixture(struct fixture *f)
{
	rdx_reader_close(f->reader);
	rig_release(&f->producer);
	rig_remove(&f->rig);
}

static void store_many(struct fixture *f, uint64_t first_local, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		rig_store(&f->rig, &f->producer, first_local + i);
}

static void test_reads_in_step(void **state)
{
	struct fixture f;
	struct rdx_event event = {.size = sizeof(event)};
	uint64_t hashes[40];

	(void)state;
	open_fixture(&f, 64, 64);
	assert_int_equal(rdx_reader_next(f.reader, &event), 0);
	for (uint32_t i = 0; i < 40; i++)
		hashes[i] = 1000 + i;
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t count = 1 + round % 40;

		rig_append(&f.producer, RDX_EVENT_STORED, RDX_TIER_HOST, 5, hashes, count);
		rig_append(&f.producer, RDX_EVENT_REMOVED, RDX_TIER_DISK, 0, hashes, count);
		assert_int_equal(rdx_reader_next(f.reader, &event), 1);
		assert_int_equal(event.kind, RDX_EVENT_STORED);
		assert_int_equal(event.tier, RDX_TIER_HOST);
		assert_int_equal(event.parent, 5);
		assert_int_equal(event.count, count);
		assert_memory_equal(event.hashes, hashes, count * sizeof(*hashes));
		assert_int_equal(event.event_id, 2 * round + 1);
		assert_int_equal(rdx_reader_next(f.reader, &event), 1);
		assert_int_equal(event.kind, RDX_EVENT_REMOVED);
		assert_int_equal(event.count, count);
		assert_memory_equal(event.hashes, hashes, count * sizeof(*hashes));
		assert_int_equal(rdx_reader_next(f.reader, &event), 0);
	}
	close_fixture(&f);
}

static void test_lapped_reader_knows_it(void **state)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_cursor cursor;
	struct rdx_event event = {.size = sizeof(event)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 64, 4096);
	store_many(&f, 1, 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(rdx_reader_next(f.reader, &event), 1);
	store_many(&f, 11, 65);
	assert_int_equal(rdx_reader_next(f.reader, &event), -EOVERFLOW);

	rdx_reader_cursor(f.reader, &cursor);
	assert_int_equal(rdx_reader_recover(f.reader, &cursor, &recovery), 0);
	assert_int_equal(recovery.way, RDX_RECOVERED_LEDGER);
	assert_int_equal(recovery.events_skipped, 65);
	assert_int_equal(recovery.slots_skipped, 65);
	close_fixture(&f);
}

static void test_lapped_by_a_half_written_slot(void **state)
{
	struct rdx_event event = {.size = sizeof(event)};
	struct rdx_slot *slot;
	struct fixture f;

	(void)state;
	open_fixture(&f, 64, 4096);
	store_many(&f, 1, 64);
	/* the producer stops in the middle of position 64, which is position 0's slot */
	slot = &f.producer.owner.ring.slots[0];
	atomic_store(&slot->word[0], rdx_slot_busy_word(64));
	assert_int_equal(rdx_reader_next(f.reader, &event), -EOVERFLOW);
	close_fixture(&f);
}

static void test_birth_is_a_barrier_until_the_ring_wraps(void **state)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 64, 4096);
	assert_int_equal(rdx_reader_recover(f.reader, NULL, &recovery), 0);
	assert_int_equal(recovery.way, RDX_RECOVERED_BARRIER);
	store_many(&f, 1, 64);
	assert_int_equal(rdx_reader_recover(f.reader, NULL, &recovery), 0);
	assert_int_equal(recovery.way, RDX_RECOVERED_BARRIER);
	assert_int_equal(recovery.start.position, 0);
	store_many(&f, 65, 1);
	assert_int_equal(rdx_reader_recover(f.reader, NULL, &recovery), 0);
	assert_int_equal(recovery.way, RDX_RECOVERED_LEDGER);
	close_fixture(&f);
}

/* Dead events are neither read nor copied: slots read are counted. */
static void test_dead_events_are_not_touched(void **state)
{
	struct rdx_reader_stats stats = {.size = sizeof(stats)};
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_event event = {.size = sizeof(event)};
	struct fixture f;
	int live = 0, r;

	(void)state;
	open_fixture(&f, 1 << 21, 1 << 21);
	store_many(&f, 1, 1000000);
	rig_clear(&f.producer);
	store_many(&f, 5000000, 1000);

	assert_int_equal(rdx_reader_recover(f.reader, NULL, &recovery), 0);
	assert_int_equal(recovery.way, RDX_RECOVERED_BARRIER);
	assert_int_equal(recovery.events_skipped, 1000000);
	assert_int_equal(recovery.start.position, 1000000);
	assert_int_equal(rdx_reader_next(f.reader, &event), 1);
	assert_int_equal(event.kind, RDX_EVENT_CLEARED);
	assert_int_equal(event.tier, RDX_SCOPE_ALL);
	while ((r = rdx_reader_next(f.reader, &event)) == 1)
		live++;
	assert_int_equal(r, 0);
	assert_int_equal(live, 1000);
	rdx_reader_get_stats(f.reader, &stats);
	assert_int_equal(stats.slots_read, 1001);
	assert_int_equal(stats.slots_dead, 1000000);
	assert_int_equal(stats.events_dead, 1000000);
	assert_int_equal(stats.slots_lost, 0);
	close_fixture(&f);
}

static void test_newer_barrier_is_jumped_to(void **state)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_cursor cursor;
	struct rdx_event event = {.size = sizeof(event)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 256, 4096);
	store_many(&f, 1, 10);
	for (int i = 0; i < 4; i++)
		assert_int_equal(rdx_reader_next(f.reader, &event), 1);
	rdx_reader_cursor(f.reader, &cursor);
	assert_int_equal(rdx_reader_recover(f.reader, &cursor, &recovery), 0);
	assert_int_equal(recovery.way, RDX_RECOVERED_CONTINUE);
	assert_int_equal(recovery.start.position, 4);

	rig_clear(&f.producer);
	store_many(&f, 100, 3);
	assert_int_equal(rdx_reader_recover(f.reader, &cursor, &recovery), 0);
	assert_int_equal(recovery.way, RDX_RECOVERED_BARRIER);
	assert_int_equal(recovery.start.position, 10);
	assert_int_equal(recovery.events_skipped, 6);
	assert_int_equal(rdx_recovery_jump(f.reader), 0);
	rdx_reader_seek(f.reader, &cursor);
	assert_int_equal(rdx_recovery_jump(f.reader), 1);
	assert_int_equal(rdx_reader_next(f.reader, &event), 1);
	assert_int_equal(event.kind, RDX_EVENT_CLEARED);
	assert_int_equal(event.event_id, 11);
	close_fixture(&f);
}

static void expect_clear(struct rdx_reader *reader, uint64_t event_id, uint32_t stamp)
{
	struct rdx_event event = {.size = sizeof(event)};

	assert_int_equal(rdx_reader_next(reader, &event), 1);
	assert_int_equal(event.kind, RDX_EVENT_CLEARED);
	assert_int_equal(event.tier, RDX_SCOPE_ALL);
	assert_int_equal(event.event_id, event_id);
	assert_int_equal(event.stamp, stamp);
}

/* A reader that comes with what was held at the cursor. */
static void continue_from(struct fixture *f, const struct rdx_cursor *cursor)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};

	rdx_reader_close(f->reader);
	assert_int_equal(rdx_reader_open(&f->reader, f->rig.dir, 7, 1), 0);
	assert_int_equal(rdx_reader_recover(f->reader, cursor, &recovery), 0);
	assert_int_equal(recovery.way, RDX_RECOVERED_CONTINUE);
}

/* Another rank clears the worker: that is told at once, to whoever holds something from before, and
 * to nobody else. */
static void test_a_workers_clear_is_told(void **state)
{
	struct rdx_segment_spec spec = rig_spec(7, 1, 64, 64);
	struct rdx_event event = {.size = sizeof(event)};
	struct rdx_cursor cursor;
	struct fixture f;

	(void)state;
	spec.clear_scope = RDX_CLEAR_WORKER;
	rig_make(&f.rig);
	assert_int_equal(rig_claim(&f.rig, &f.producer, &spec), 0);
	assert_int_equal(rdx_reader_open(&f.reader, f.rig.dir, 7, 1), 0);
	store_many(&f, 1, 2);
	assert_int_equal(rdx_reader_next(f.reader, &event), 1);
	assert_int_equal(rdx_reader_next(f.reader, &event), 1);
	rdx_reader_cursor(f.reader, &cursor);
	rdx_clear_bump(f.producer.owner.clear.base);
	expect_clear(f.reader, 2, 1);
	assert_int_equal(rdx_reader_next(f.reader, &event), 0);
	continue_from(&f, &cursor);
	expect_clear(f.reader, 2, 1);
	assert_int_equal(rdx_reader_next(f.reader, &event), 0);
	/* the rank says so too */
	f.producer.stamp = 1;
	rig_append(&f.producer, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0, NULL, 0);
	store_many(&f, 3, 1);
	expect_clear(f.reader, 3, 1);
	assert_int_equal(rdx_reader_next(f.reader, &event), 1);
	assert_int_equal(event.kind, RDX_EVENT_STORED);
	assert_int_equal(rdx_reader_next(f.reader, &event), 0);
	rdx_reader_cursor(f.reader, &cursor);
	continue_from(&f, &cursor);
	assert_int_equal(rdx_reader_next(f.reader, &event), 0);
	close_fixture(&f);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_snapshot_and_replay_are_exact(void **state)
{
	enum { BLOCKS = 3000 };
	static uint64_t got[2 * BLOCKS], want[2 * BLOCKS];
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_event event = {.size = sizeof(event)};
	uint64_t exact = 0, count = 0;
	struct fixture f;
	uint8_t tier;
	int64_t n;

	(void)state;
	open_fixture(&f, 64, 2 * BLOCKS);
	store_many(&f, 1, BLOCKS);
	assert_int_equal(rdx_reader_recover(f.reader, NULL, &recovery), 0);
	assert_int_equal(recovery.way, RDX_RECOVERED_LEDGER);
	/* the ring goes round several times while the snapshot is read: the log holds it */
	while ((n = rdx_reader_snapshot(f.reader, got + count, 100, &tier, &exact)) > 0) {
		assert_int_equal(tier, 0);
		count += (uint64_t)n;
		if (f.producer.event_id < BLOCKS + 1000)
			store_many(&f, f.producer.event_id + 1, 50);
	}
	assert_int_equal(n, 0);
	assert_int_equal(exact, f.producer.tail);
	while (rdx_reader_next(f.reader, &event) == 1) {
		assert_int_equal(event.kind, RDX_EVENT_STORED);
		rdx_hash_chain(&f.rig.key, event.parent, event.hashes, 1, &got[count++]);
	}
	for (uint64_t i = 0; i < f.producer.event_id; i++) {
		uint64_t local = i + 1;

		rdx_hash_chain(&f.rig.key, 0, &local, 1, &want[i]);
	}
	/* a block stored during the scan may come twice: in the snapshot and in the log */
	qsort(got, count, sizeof(*got), compare);
	qsort(want, f.producer.event_id, sizeof(*want), compare);
	n = 0;
	for (uint64_t i = 0; i < count; i++)
		if (i == 0 || got[i] != got[i - 1])
			got[n++] = got[i];
	assert_int_equal(n, f.producer.event_id);
	assert_memory_equal(got, want, (size_t)n * sizeof(*got));
	close_fixture(&f);
}

static void test_resident_leaves_the_cursor_alone(void **state)
{
	struct rdx_cursor before, after, exact;
	uint64_t hashes[512], count;
	struct rdx_event event = {.size = sizeof(event)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 1024, 512);
	store_many(&f, 1, 300);
	assert_int_equal(rdx_reader_next(f.reader, &event), 1);
	rdx_reader_cursor(f.reader, &before);
	assert_int_equal(rdx_reader_resident(f.reader, 0, hashes, 10, &count, &exact), -ENOSPC);
	assert_int_equal(count, 300);
	assert_int_equal(rdx_reader_resident(f.reader, 0, hashes, 512, &count, &exact), 0);
	assert_int_equal(count, 300);
	assert_int_equal(exact.event_id, 300);
	rdx_reader_cursor(f.reader, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	close_fixture(&f);
}

#ifdef RDX_HOOKS
static struct fixture *changing;
static uint64_t before, after; /* prefix hashes of the record */

/* The record becomes another block's between the two looks at it; that block is not stored yet. */
static void change_record(enum rdx_hook_step step)
{
	const uint32_t record = 0;
	const uint64_t word = rdx_ledger_word(before, 0, 0);
	const struct rdx_publish removed = {
		.head = {.kind = RDX_EVENT_REMOVED, .count = 1},
		.hashes = &before,
		.records = &record,
		.words = &word,
	};

	if (step != RDX_HOOK_SCAN_WORD || !changing)
		return;
	rig_publish(&changing->producer, &removed);
	rdx_ledger_describe(&changing->producer.owner.ledger.records[0], after, 2, 0);
	changing = NULL;
}

/* What is in a snapshot was held: not one block by the word of another. */
static void test_a_record_that_changes_hands(void **state)
{
	const uint64_t local[2] = {1, 2};
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	uint64_t hashes[8], exact;
	struct fixture f;
	uint8_t tier;

	(void)state;
	open_fixture(&f, 64, 64);
	rig_store(&f.rig, &f.producer, local[0]);
	rdx_hash_chain(&f.rig.key, 0, &local[0], 1, &before);
	rdx_hash_chain(&f.rig.key, 0, &local[1], 1, &after);
	assert_int_equal(rdx_recovery_from_ledger(f.reader, &recovery), 0);
	changing = &f;
	rdx_hook_function = change_record;
	assert_int_equal(rdx_reader_snapshot(f.reader, hashes, 8, &tier, &exact), 0);
	rdx_hook_function = NULL;
	assert_null(changing);
	assert_int_equal(exact, f.producer.tail); /* the removal is to be replayed */
	close_fixture(&f);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_in_step),
		cmocka_unit_test(test_lapped_reader_knows_it),
		cmocka_unit_test(test_lapped_by_a_half_written_slot),
		cmocka_unit_test(test_birth_is_a_barrier_until_the_ring_wraps),
		cmocka_unit_test(test_dead_events_are_not_touched),
		cmocka_unit_test(test_newer_barrier_is_jumped_to),
		cmocka_unit_test(test_a_workers_clear_is_told),
		cmocka_unit_test(test_snapshot_and_replay_are_exact),
		cmocka_unit_test(test_resident_leaves_the_cursor_alone),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_a_record_that_changes_hands),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
