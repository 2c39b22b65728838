/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the range query of NVIDIA Dynamo's PR 9296 in this system's terms: its two tests,
 * then the four outcomes at their boundaries.
 */
#include "consumer/reader/reader.h"
#include "tests/rig.h"

#include <errno.h>
#include <string.h>

struct fixture {
	struct rig rig;
	struct rig_producer producer;
	struct rdx_reader *reader;
	uint64_t epoch;
};

static void open_fixture(struct fixture *f, uint64_t slots)
{
	struct rdx_segment_spec spec = rig_spec(3, 0, slots, 4096);

	rig_make(&f->rig);
	assert_int_equal(rig_claim(&f->rig, &f->producer, &spec), 0);
	assert_int_equal(rdx_reader_open(&f->reader, f->rig.dir, 3, 0), 0);
	f->epoch = rdx_reader_info(f->reader)->epoch;
}

static void close_fixture(struct fixture *f)
{
	rdx_reader_close(f->reader);
	rig_release(&f->producer);
	rig_remove(&f->rig);
}

static void store_many(struct fixture *f, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		rig_store(&f->rig, &f->producer, f->producer.event_id + 1);
}

static struct rdx_range range(struct fixture *f, uint64_t epoch, uint64_t first, uint64_t last)
{
	struct rdx_range got = {.size = sizeof(got)};

	memset(&got, 0xee, sizeof(got));
	got.size = sizeof(got);
	assert_int_equal(rdx_reader_range(f->reader, epoch, first, last, &got), 0);
	return got;
}

/* The answer is EVENTS from `first`, and reading gives exactly first .. newest. */
static void assert_events(struct fixture *f, const struct rdx_range *got, uint64_t first,
			  uint32_t from_barrier)
{
	uint64_t newest = f->producer.event_id, id = first;
	struct rdx_event event = {.size = sizeof(event)};
	int r;

	assert_int_equal(got->outcome, RDX_RANGE_EVENTS);
	assert_int_equal(got->from_barrier, from_barrier);
	assert_int_equal(got->first_event_id, first);
	assert_int_equal(got->last_event_id, newest);
	assert_int_equal(got->start.epoch, f->epoch);
	assert_int_equal(got->start.event_id, first - 1);
	assert_int_equal(rdx_reader_seek(f->reader, &got->start), 0);
	while ((r = rdx_reader_next(f->reader, &event)) == 1)
		assert_int_equal(event.event_id, id++);
	assert_int_equal(r, 0);
	assert_int_equal(id, newest + 1);
}

static void assert_first_event_is_cleared(struct fixture *f, const struct rdx_range *got)
{
	struct rdx_event event = {.size = sizeof(event)};

	assert_int_equal(rdx_reader_seek(f->reader, &got->start), 0);
	assert_int_equal(rdx_reader_next(f->reader, &event), 1);
	assert_int_equal(event.kind, RDX_EVENT_CLEARED);
	assert_int_equal(event.tier, RDX_SCOPE_ALL);
	assert_int_equal(event.event_id, got->first_event_id);
}

/* PR 9296, the first: what is dead before the last Cleared is not in the response. */
static void test_pr9296_range_response_starts_at_last_clear(void **state)
{
	struct fixture f;
	struct rdx_range got = {.size = sizeof(got)};

	(void)state;
	open_fixture(&f, 256);
	store_many(&f, 5);      /* 1 .. 5 */
	rig_clear(&f.producer); /* 6 */
	store_many(&f, 4);      /* 7 .. 10 */
	rig_clear(&f.producer); /* 11 */
	store_many(&f, 3);      /* 12 .. 14 */

	got = range(&f, f.epoch, 1, UINT64_MAX);
	assert_events(&f, &got, 11, 1);
	assert_first_event_is_cleared(&f, &got);
	got = range(&f, f.epoch, 11, UINT64_MAX); /* the Cleared itself is at the start */
	assert_events(&f, &got, 11, 1);
	got = range(&f, f.epoch, 12, UINT64_MAX); /* none at or after the start */
	assert_events(&f, &got, 12, 0);
	close_fixture(&f);
}

/* PR 9296, the second: a Cleared that was recovered does not swallow what follows it live. */
static void test_pr9296_recovered_clear_keeps_live_tail(void **state)
{
	uint64_t hashes[64], count, want[8], local;
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_cursor exact;
	struct rdx_event event = {.size = sizeof(event)};
	struct fixture f;
	int kept = 0;

	(void)state;
	open_fixture(&f, 256);
	store_many(&f, 20);
	rig_clear(&f.producer); /* 21 */
	store_many(&f, 2);      /* 22, 23: in the ring when recovery starts */
	assert_int_equal(rdx_reader_recover(f.reader, NULL, &recovery), 0);
	assert_int_equal(recovery.way, RDX_RECOVERED_BARRIER);
	assert_int_equal(rdx_reader_next(f.reader, &event), 1);
	assert_int_equal(event.kind, RDX_EVENT_CLEARED);
	store_many(&f, 3); /* 24 .. 26: live, while it is under way */
	for (uint64_t id = 22; id <= 26; id++) {
		assert_int_equal(rdx_reader_next(f.reader, &event), 1);
		assert_int_equal(event.kind, RDX_EVENT_STORED);
		assert_int_equal(event.event_id, id);
		assert_int_equal(event.hashes[0], id);
		kept++;
	}
	assert_int_equal(rdx_reader_next(f.reader, &event), 0);
	assert_int_equal(kept, 5);

	/* and the ledger says the same */
	assert_int_equal(rdx_reader_resident(f.reader, 0, hashes, 64, &count, &exact), 0);
	assert_int_equal(count, 5);
	assert_int_equal(exact.event_id, 26);
	for (int i = 0; i < 5; i++) {
		int found = 0;

		local = 22 + (uint64_t)i;
		rdx_hash_chain(&f.rig.key, 0, &local, 1, &want[i]);
		for (int j = 0; j < 5; j++)
			found += hashes[j] == want[i];
		assert_int_equal(found, 1);
	}
	close_fixture(&f);
}

static void test_too_new_begins_after_the_newest(void **state)
{
	struct rdx_range got = {.size = sizeof(got)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 64);
	store_many(&f, 10);
	got = range(&f, f.epoch, 10, UINT64_MAX);
	assert_events(&f, &got, 10, 0);
	got = range(&f, f.epoch, 11, UINT64_MAX);
	assert_int_equal(got.outcome, RDX_RANGE_TOO_NEW);
	assert_int_equal(got.last_event_id, 10);
	got = range(&f, f.epoch, UINT64_MAX, UINT64_MAX);
	assert_int_equal(got.outcome, RDX_RANGE_TOO_NEW);
	rig_clear(&f.producer);
	got = range(&f, f.epoch, 12, 12);
	assert_int_equal(got.outcome, RDX_RANGE_TOO_NEW);
	got = range(&f, f.epoch, 11, 11);
	assert_events(&f, &got, 11, 1);
	close_fixture(&f);
}

static void test_invalid_comes_before_everything(void **state)
{
	struct rdx_range got = {.size = sizeof(got)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 64);
	got = range(&f, f.epoch, 2, 1); /* too new as well */
	assert_int_equal(got.outcome, RDX_RANGE_INVALID);
	store_many(&f, 10);
	got = range(&f, f.epoch, 5, 4);
	assert_int_equal(got.outcome, RDX_RANGE_INVALID);
	got = range(&f, f.epoch + 1, UINT64_MAX, 0);
	assert_int_equal(got.outcome, RDX_RANGE_INVALID);
	got = range(&f, f.epoch, 5, 5);
	assert_events(&f, &got, 5, 0);
	close_fixture(&f);
}

static void test_too_old_is_a_snapshot_from_the_first_lost_event(void **state)
{
	struct rdx_range got = {.size = sizeof(got)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 64);
	store_many(&f, 64);
	got = range(&f, f.epoch, 1, UINT64_MAX); /* the ring is exactly full */
	assert_events(&f, &got, 1, 0);
	store_many(&f, 100); /* 101 .. 164 are in the ring */
	got = range(&f, f.epoch, 101, UINT64_MAX);
	assert_events(&f, &got, 101, 0);
	got = range(&f, f.epoch, 100, UINT64_MAX);
	assert_int_equal(got.outcome, RDX_RANGE_SNAPSHOT);
	got = range(&f, f.epoch, 1, UINT64_MAX);
	assert_int_equal(got.outcome, RDX_RANGE_SNAPSHOT);
	got = range(&f, f.epoch, 0, UINT64_MAX);
	assert_int_equal(got.outcome, RDX_RANGE_SNAPSHOT);
	close_fixture(&f);
}

static void test_too_old_is_served_from_the_barrier(void **state)
{
	struct rdx_range got = {.size = sizeof(got)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 64);
	store_many(&f, 200);
	rig_clear(&f.producer); /* 201 */
	store_many(&f, 63);     /* the Cleared is the oldest slot */
	got = range(&f, f.epoch, 1, UINT64_MAX);
	assert_events(&f, &got, 201, 1);
	got = range(&f, f.epoch, 201, UINT64_MAX);
	assert_events(&f, &got, 201, 1);
	got = range(&f, f.epoch, 202, UINT64_MAX);
	assert_events(&f, &got, 202, 0);
	store_many(&f, 1); /* overwrites it */
	got = range(&f, f.epoch, 1, UINT64_MAX);
	assert_int_equal(got.outcome, RDX_RANGE_SNAPSHOT);
	got = range(&f, f.epoch, 201, UINT64_MAX);
	assert_int_equal(got.outcome, RDX_RANGE_SNAPSHOT);
	got = range(&f, f.epoch, 202, UINT64_MAX);
	assert_events(&f, &got, 202, 0);
	close_fixture(&f);
}

static void test_another_epoch_or_no_start_is_answered_from_the_barrier(void **state)
{
	struct rdx_range got = {.size = sizeof(got)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 64);
	store_many(&f, 10);
	got = range(&f, f.epoch, 0, UINT64_MAX); /* birth */
	assert_events(&f, &got, 1, 1);
	got = range(&f, f.epoch + 1, 7, UINT64_MAX);
	assert_events(&f, &got, 1, 1);
	got = range(&f, f.epoch + 1, 7000, UINT64_MAX); /* never too new: ids do not compare */
	assert_events(&f, &got, 1, 1);
	rig_clear(&f.producer); /* 11 */
	store_many(&f, 5);
	got = range(&f, 0, 12, UINT64_MAX);
	assert_events(&f, &got, 11, 1);
	got = range(&f, f.epoch, 0, 0);
	assert_events(&f, &got, 11, 1);
	store_many(&f, 64);
	got = range(&f, f.epoch + 1, 40, UINT64_MAX);
	assert_int_equal(got.outcome, RDX_RANGE_SNAPSHOT);
	got = range(&f, f.epoch, 0, UINT64_MAX);
	assert_int_equal(got.outcome, RDX_RANGE_SNAPSHOT);
	close_fixture(&f);
}

static void test_empty_ring(void **state)
{
	struct rdx_range got = {.size = sizeof(got)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 64);
	got = range(&f, f.epoch, 0, UINT64_MAX);
	assert_events(&f, &got, 1, 1); /* nothing to read, up to id 0 */
	got = range(&f, f.epoch, 1, UINT64_MAX);
	assert_int_equal(got.outcome, RDX_RANGE_TOO_NEW);
	assert_int_equal(got.last_event_id, 0);
	got = range(&f, f.epoch + 1, 1, UINT64_MAX);
	assert_events(&f, &got, 1, 1);
	close_fixture(&f);
}

static void test_the_end_does_not_cut(void **state)
{
	struct rdx_range got = {.size = sizeof(got)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 64);
	store_many(&f, 20);
	got = range(&f, f.epoch, 3, 5);
	assert_events(&f, &got, 3, 0);
	rig_clear(&f.producer); /* 21, behind the end asked for */
	store_many(&f, 2);
	got = range(&f, f.epoch, 3, 5);
	assert_events(&f, &got, 21, 1);
	close_fixture(&f);
}

/* A Cleared of one tier is no barrier. */
static void test_a_tier_clear_is_not_a_barrier(void **state)
{
	struct rdx_range got = {.size = sizeof(got)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 64);
	store_many(&f, 5);
	rig_append(&f.producer, RDX_EVENT_CLEARED, RDX_TIER_DEVICE, 0, NULL, 0); /* 6 */
	store_many(&f, 5);
	got = range(&f, f.epoch, 2, UINT64_MAX);
	assert_events(&f, &got, 2, 0);
	got = range(&f, f.epoch, 0, UINT64_MAX);
	assert_events(&f, &got, 1, 1);
	close_fixture(&f);
}

/*
 * last_event_id and what can be read come from one view: an event published whole whose
 * tail was never moved (its producer died there) counts in both.
 */
static void test_last_event_id_is_from_the_view_of_the_watermark(void **state)
{
	uint64_t local = 1234, end;
	struct rdx_event_head head = {.kind = RDX_EVENT_STORED, .count = 1};
	struct rdx_range got = {.size = sizeof(got)};
	struct fixture f;

	(void)state;
	open_fixture(&f, 64);
	store_many(&f, 70);
	head.event_id = ++f.producer.event_id;
	end = rdx_event_append(&f.producer.owner.ring, f.producer.tail, &head, &local);
	assert_int_equal(end, f.producer.tail + 1);
	got = range(&f, f.epoch, 71, UINT64_MAX);
	assert_events(&f, &got, 71, 0);
	got = range(&f, f.epoch, 72, UINT64_MAX);
	assert_int_equal(got.outcome, RDX_RANGE_TOO_NEW);
	assert_int_equal(got.last_event_id, 71);
	close_fixture(&f);
}

/* Every id is found, or known to be lost, where events span 1 to 8 slots of a ring of 64. */
static void test_multi_slot_events_at_the_borders_of_the_search(void **state)
{
	uint64_t hashes[51], position_of[600];
	struct rdx_range got = {.size = sizeof(got)};
	struct fixture f;

	(void)state;
	for (int i = 0; i < 51; i++)
		hashes[i] = 7000 + (uint64_t)i;
	open_fixture(&f, 64);
	for (uint32_t round = 1; round < 500; round++) {
		uint64_t id = f.producer.event_id + 1;
		uint32_t count = 1 + round * 7 % 51;

		position_of[id] = f.producer.tail;
		rig_append(&f.producer, round & 1 ? RDX_EVENT_STORED : RDX_EVENT_REMOVED, 0, 0,
			   hashes, count);
		for (uint64_t first = id > 70 ? id - 70 : 1; first <= id; first++) {
			got = range(&f, f.epoch, first, first);
			if (position_of[first] + 64 < f.producer.tail) {
				assert_int_equal(got.outcome, RDX_RANGE_SNAPSHOT);
				continue;
			}
			assert_events(&f, &got, first, 0);
			assert_int_equal(got.start.position, position_of[first]);
		}
	}
	close_fixture(&f);
}

static void test_seek_refuses_another_epoch(void **state)
{
	struct rdx_cursor cursor;
	struct fixture f;

	(void)state;
	open_fixture(&f, 64);
	cursor = (struct rdx_cursor){.epoch = f.epoch + 1};
	assert_int_equal(rdx_reader_seek(f.reader, &cursor), -ESTALE);
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pr9296_range_response_starts_at_last_clear),
		cmocka_unit_test(test_pr9296_recovered_clear_keeps_live_tail),
		cmocka_unit_test(test_too_new_begins_after_the_newest),
		cmocka_unit_test(test_invalid_comes_before_everything),
		cmocka_unit_test(test_too_old_is_a_snapshot_from_the_first_lost_event),
		cmocka_unit_test(test_too_old_is_served_from_the_barrier),
		cmocka_unit_test(test_another_epoch_or_no_start_is_answered_from_the_barrier),
		cmocka_unit_test(test_empty_ring),
		cmocka_unit_test(test_the_end_does_not_cut),
		cmocka_unit_test(test_a_tier_clear_is_not_a_barrier),
		cmocka_unit_test(test_last_event_id_is_from_the_view_of_the_watermark),
		cmocka_unit_test(test_multi_slot_events_at_the_borders_of_the_search),
		cmocka_unit_test(test_seek_refuses_another_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
