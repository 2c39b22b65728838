/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a producer that stops at any step of any slot of an event, for ever. A reader at any
 * position must see the ring as it is: whole events are read, lost ones are reported lost, and
 * neither a lapped reader nor a fresh one believes that it has caught up when it has not, or
 * recovers for ever.
 *
 * Every combination: events of 1 to 8 slots in a ring of 64, the ring fresh, just full, and wrapped
 * several times, with and without a barrier in its oldest slot.
 */
#include "consumer/reader/reader.h"
#include "tests/rig.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>

#ifndef RDX_HOOKS
int main(void)
{
	print_message("skipped: built without RDX_HOOKS\n");
	return 77;
}
#else

enum { RING = 64, SLOTS_MAX = 8, HASHES = 51, EVENTS_MAX = 1024 };

struct fixture {
	struct rig rig;
	struct rig_producer producer;
	struct rdx_reader *reader;
	uint64_t position_of[EVENTS_MAX]; /* by event id */
	uint64_t event_end;               /* position after the newest whole event */
	uint64_t newest;                  /* its id */
	uint64_t lost_end;                /* positions below this are lost, but `kept` */
	uint64_t kept;                    /* the stopped event's first slot's old position */
};

static jmp_buf stopped;
static enum rdx_hook_step stop_step;
static int stop_hits;

static void stop_here(enum rdx_hook_step step)
{
	if (step == stop_step && --stop_hits == 0)
		longjmp(stopped, 1);
}

static void append(struct fixture *f, uint8_t kind, uint32_t slots)
{
	uint64_t hashes[HASHES] = {0};
	uint32_t count = kind == RDX_EVENT_STORED ? rdx_event_hashes_max(kind, slots) : 0;

	f->position_of[f->producer.event_id + 1] = f->producer.tail;
	rig_append(&f->producer, kind, kind == RDX_EVENT_CLEARED ? RDX_SCOPE_ALL : 0, 0, hashes,
		   count);
}

/* Fill the ring up to `end` with events of `slots` slots, the last ones of one slot. */
static void fill(struct fixture *f, uint64_t end, uint32_t slots)
{
	while (f->producer.tail + slots <= end)
		append(f, RDX_EVENT_STORED, slots);
	while (f->producer.tail < end)
		append(f, RDX_EVENT_STORED, 1);
}

/* Append an event of `slots` slots and stop at the given step of its n-th slot written. */
static void stop_in(struct fixture *f, uint32_t slots, enum rdx_hook_step step, int slot)
{
	uint64_t tail = f->producer.tail;
	uint64_t begun = step == RDX_HOOK_EVENT_PUBLISHED ? slots : (uint64_t)slot;

	stop_step = step;
	stop_hits = slot;
	f->newest = f->producer.event_id;
	f->event_end = tail;
	rdx_hook_function = stop_here;
	if (setjmp(stopped) == 0)
		append(f, RDX_EVENT_STORED, slots);
	rdx_hook_function = NULL;
	assert_int_equal(stop_hits, 0);
	/* continuations come first: with fewer slots begun than the event has, its first
	 * slot still holds what was there before */
	f->kept = UINT64_MAX;
	f->lost_end = 0;
	if (begun == slots)
		f->lost_end = tail + slots > RING ? tail + slots - RING : 0;
	else if (tail + 1 + begun > RING) {
		f->lost_end = tail + 1 + begun - RING;
		f->kept = tail >= RING ? tail - RING : UINT64_MAX;
	}
	if ((step == RDX_HOOK_SLOT_PUBLISHED && begun == slots) ||
	    step == RDX_HOOK_EVENT_PUBLISHED) {
		f->newest = f->producer.event_id;
		f->event_end = tail + slots;
	}
}

static int is_lost(const struct fixture *f, uint64_t position)
{
	return position < f->lost_end && position != f->kept;
}

static uint64_t end_of(const struct fixture *f, uint64_t id)
{
	return id == f->newest ? f->event_end : f->position_of[id + 1];
}

static int event_is_whole(const struct fixture *f, uint64_t id)
{
	for (uint64_t p = f->position_of[id]; p < end_of(f, id); p++)
		if (is_lost(f, p))
			return 0;
	return 1;
}

/* Read from the start of event `id`: exactly the whole events before the first loss. */
static void read_from(struct fixture *f, uint64_t id)
{
	struct rdx_cursor cursor = {
		.epoch = rdx_reader_info(f->reader)->epoch,
		.position = id <= f->newest ? f->position_of[id] : f->event_end,
		.event_id = id - 1,
	};
	struct rdx_event event = {.size = sizeof(event)};

	assert_int_equal(rdx_reader_seek(f->reader, &cursor), 0);
	for (; id <= f->newest; id++) {
		if (!event_is_whole(f, id)) {
			assert_int_equal(rdx_reader_next(f->reader, &event), -EOVERFLOW);
			return;
		}
		assert_int_equal(rdx_reader_next(f->reader, &event), 1);
		assert_int_equal(event.event_id, id);
	}
	assert_int_equal(rdx_reader_next(f->reader, &event), 0);
}

/* Recover again and again as a router does: it ends, caught up, after few steps. */
static void recover_from(struct fixture *f, const struct rdx_cursor *from)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_cursor cursor;
	struct rdx_event event = {.size = sizeof(event)};
	uint64_t hash, exact;
	uint8_t tier;
	int r = -EOVERFLOW;

	for (int i = 0; i < 3 && r == -EOVERFLOW; i++) {
		assert_int_equal(rdx_reader_recover(f->reader, from, &recovery), 0);
		if (recovery.way == RDX_RECOVERED_LEDGER)
			while (rdx_reader_snapshot(f->reader, &hash, 1, &tier, &exact) > 0)
				;
		while ((r = rdx_reader_next(f->reader, &event)) == 1)
			;
		rdx_reader_cursor(f->reader, &cursor);
		from = &cursor;
	}
	assert_int_equal(r, 0);
	assert_int_equal(cursor.position, f->event_end);
	assert_int_equal(cursor.event_id, f->newest);
}

/* A range that is answered with EVENTS can be read through the newest. */
static void query_from(struct fixture *f, uint64_t id)
{
	uint64_t epoch = rdx_reader_info(f->reader)->epoch;
	struct rdx_event event = {.size = sizeof(event)};
	struct rdx_range range = {.size = sizeof(range)};
	int r;

	assert_int_equal(rdx_reader_range(f->reader, epoch, id, UINT64_MAX, &range), 0);
	if (range.outcome != RDX_RANGE_EVENTS)
		return;
	assert_int_equal(range.last_event_id, f->newest);
	rdx_reader_seek(f->reader, &range.start);
	while ((r = rdx_reader_next(f->reader, &event)) == 1)
		assert_int_equal(event.event_id, range.first_event_id++);
	assert_int_equal(r, 0);
	assert_int_equal(range.first_event_id, f->newest + 1);
}

static void look_from_everywhere(struct fixture *f)
{
	recover_from(f, NULL);
	query_from(f, 0);
	for (uint64_t id = 1; id <= f->newest + 1; id++) {
		struct rdx_cursor cursor = {
			.epoch = rdx_reader_info(f->reader)->epoch,
			.position = id <= f->newest ? f->position_of[id] : f->event_end,
			.event_id = id - 1,
		};

		read_from(f, id);
		recover_from(f, &cursor);
		query_from(f, id);
	}
}

/* Make the ring anew, as a new life would find it, without a new file. */
static void start_over(struct fixture *f)
{
	struct rdx_segment_live *live = f->producer.owner.live;

	memset(f->producer.owner.ring.slots, 0, RING * sizeof(struct rdx_slot));
	atomic_store(&live->tail, 0);
	atomic_store(&live->barrier, 0);
	f->producer.tail = f->producer.event_id = 0;
}

static void run_all(struct fixture *f, uint64_t filled, uint32_t filler, int cleared)
{
	static const enum rdx_hook_step steps[] = {
		RDX_HOOK_SLOT_BUSY,      RDX_HOOK_SLOT_HALF,       RDX_HOOK_SLOT_WRITTEN,
		RDX_HOOK_SLOT_PUBLISHED, RDX_HOOK_EVENT_PUBLISHED,
	};

	for (uint32_t slots = 1; slots <= SLOTS_MAX; slots++)
		for (uint32_t s = 0; s < sizeof(steps) / sizeof(*steps); s++)
			for (uint32_t at = 1; at <= slots; at++) {
				if (steps[s] == RDX_HOOK_EVENT_PUBLISHED && at > 1)
					break;
				start_over(f);
				if (cleared && filled >= RING) {
					fill(f, filled - RING, filler);
					append(f, RDX_EVENT_CLEARED, 1);
				}
				fill(f, filled, filler);
				stop_in(f, slots, steps[s], (int)at);
				look_from_everywhere(f);
			}
}

static void open_fixture(struct fixture *f)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, RING, 64);

	rig_make(&f->rig);
	assert_int_equal(rig_claim(&f->rig, &f->producer, &spec), 0);
	assert_int_equal(rdx_reader_open(&f->reader, f->rig.dir, 1, 0), 0);
}

static void close_fixture(struct fixture *f)
{
	rdx_reader_close(f->reader);
	rig_release(&f->producer);
	rig_remove(&f->rig);
}

static void test_stopped_before_the_ring_is_full(void **state)
{
	static struct fixture f;

	(void)state;
	open_fixture(&f);
	for (uint64_t filled = 0; filled < RING; filled += 7)
		run_all(&f, filled, 3, 0);
	close_fixture(&f);
}

/* Birth, position 0, is in the oldest slot. */
static void test_stopped_when_the_ring_is_just_full(void **state)
{
	static struct fixture f;

	(void)state;
	open_fixture(&f);
	for (uint32_t filler = 1; filler <= SLOTS_MAX; filler++)
		run_all(&f, RING, filler, 0);
	close_fixture(&f);
}

static void test_stopped_in_a_later_lap(void **state)
{
	static struct fixture f;

	(void)state;
	open_fixture(&f);
	for (uint32_t filler = 1; filler <= SLOTS_MAX; filler += 2) {
		run_all(&f, 3 * RING + 5, filler, 0);
		run_all(&f, 3 * RING, filler, 0);
	}
	close_fixture(&f);
}

static void test_stopped_over_the_barrier(void **state)
{
	static struct fixture f;

	(void)state;
	open_fixture(&f);
	run_all(&f, RING, 1, 1);
	run_all(&f, 2 * RING + 3, 1, 1);
	run_all(&f, 2 * RING + 8, 8, 1);
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stopped_before_the_ring_is_full),
		cmocka_unit_test(test_stopped_when_the_ring_is_just_full),
		cmocka_unit_test(test_stopped_in_a_later_lap),
		cmocka_unit_test(test_stopped_over_the_barrier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
