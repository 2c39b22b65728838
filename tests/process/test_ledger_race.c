/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: ledger recovery again and again while the producer stores, removes, stores again in
 * other words and clears at full speed. Every state recovered must be exactly that of the event
 * that it names; the oracle is the stream's seed.
 *
 * Threads on one mapping, so that the thread sanitizer sees both sides.
 */
#include "consumer/reader/recovery.h"
#include "tests/patience.h"
#include "tests/stream.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define RECOVERIES 1500
#else
#define RECOVERIES 6000
#endif
/* On a loaded machine the time ends it, with a part of them; all with RDX_LONG=1. */
#define RECOVERIES_S     2
#define RECOVERIES_LEAST 25

struct race {
	struct rig rig;
	struct rig_producer producer;
	struct rdx_reader *reader;
	uint64_t seed;
	uint32_t clear_in;
	uint32_t pause; /* iterations of nothing after each event: how fast the ring is */
	_Atomic int stop;
	_Atomic uint64_t written; /* events */
	_Atomic uint64_t awaited; /* the reader waits in mid-scan for this many, 0: it runs */
	uint64_t exact;
	uint64_t overrun;
	uint64_t wrong;
	uint64_t errors;
	uint64_t replayed; /* recoveries whose scan saw the ledger change */
};

static void *write_on(void *argument)
{
	static struct stream_writer writer;
	static struct stream stream;
	struct race *race = argument;
	struct stream_op op;
	uint64_t awaited;

	stream_writer_make(&writer, &race->producer);
	stream_make(&stream, &race->rig.key, race->seed, race->clear_in);
	while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
		stream_next(&stream, &op);
		stream_write(&writer, &stream, &op);
		atomic_store_explicit(&race->written, stream.event_id, memory_order_relaxed);
		for (uint32_t i = 0; i < race->pause; i++)
			__asm__ __volatile__("" ::: "memory");
		awaited = atomic_load_explicit(&race->awaited, memory_order_relaxed);
		if (awaited && awaited <= stream.event_id)
			sched_yield();
	}
	return NULL;
}

#ifdef RDX_HOOKS
static struct race *hooked;

/* In mid-scan, now and then let the producer write some events: where both threads share
 * a core, hardly a scan would see any otherwise. */
static void wait_in_scan(enum rdx_hook_step step)
{
	static uint64_t random;
	uint64_t awaited;

	if (step != RDX_HOOK_SCAN_STARTED && step != RDX_HOOK_SCAN_CHUNK &&
	    step != RDX_HOOK_SCAN_DONE)
		return;
	if (rig_random(&random) & 3)
		return;
	awaited = atomic_load_explicit(&hooked->written, memory_order_relaxed) + 1 + (random & 7);
	atomic_store_explicit(&hooked->awaited, awaited, memory_order_relaxed);
	for (int i = 0; atomic_load_explicit(&hooked->written, memory_order_relaxed) < awaited; i++)
		patience_nap(i);
	atomic_store_explicit(&hooked->awaited, 0, memory_order_relaxed);
}
#endif

/* Snapshot in pieces of `piece` hashes, then the ring until the state is exact. */
static int recover_once(struct race *race, uint64_t piece, struct rdx_holding *ret_holding,
			uint64_t *ret_event_id)
{
	struct rdx_holding holding = {.capacity = 0};
	uint64_t hashes[STREAM_BLOCKS], exact_position = 0;
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_cursor cursor;
	struct rdx_event event = {.size = sizeof(event)};
	uint8_t tier;
	int64_t n;
	int r = rdx_recovery_from_ledger(race->reader, &recovery);

	while (r == 0 && (n = rdx_reader_snapshot(race->reader, hashes, piece, &tier,
						  &exact_position)) != 0) {
		r = n < 0 ? (int)n : 0;
		for (int64_t i = 0; r == 0 && i < n; i++)
			r = rdx_holding_add(&holding, hashes[i], tier);
	}
	race->replayed += r == 0 && exact_position > recovery.start.position;
	for (;;) {
		rdx_reader_cursor(race->reader, &cursor);
		if (r < 0 || cursor.position >= exact_position)
			break;
		r = rdx_reader_next(race->reader, &event);
		if (r == 1)
			r = rdx_holding_apply(&holding, &race->reader->info.key, &event);
	}
	if (r < 0) {
		rdx_holding_free(&holding);
		return r;
	}
	*ret_holding = holding;
	*ret_event_id = cursor.event_id;
	return 0;
}

static void recover_many(struct race *race, uint64_t recoveries)
{
	static struct stream oracle;
	struct effort effort = effort_begin(RECOVERIES_LEAST, recoveries, RECOVERIES_S);

	stream_make(&oracle, &race->rig.key, race->seed, race->clear_in);
	/* the producer's thread may be slow to start: go on until there was a race at all */
	while (!race->wrong && effort_goes_on_until(&effort, race->replayed > 0)) {
		static const uint64_t pieces[] = {STREAM_BLOCKS, 64, 7, 300};
		struct rdx_holding holding = {.capacity = 0};
		struct rdx_cursor exact_at;
		uint64_t event_id;
		int r;

		if (race->exact % 5 == 4) {
			r = rdx_holding_of(race->reader, 0, &holding, &exact_at);
			event_id = exact_at.event_id;
		} else {
			r = recover_once(race, pieces[race->exact % 5], &holding, &event_id);
		}
		if (r == -EOVERFLOW || r == -EAGAIN) {
			race->overrun++;
			effort.done -= effort.done > 0; /* to be done again */
			continue;
		}
		if (r < 0 || event_id < oracle.event_id) {
			race->errors++;
			break;
		}
		stream_go_to(&oracle, event_id);
		race->wrong += stream_differences(&oracle, &holding) != 0;
		race->exact++;
		rdx_holding_free(&holding);
	}
}

/* Let the reader read the producer's own mapping. */
static void share_mapping(struct race *race)
{
	struct rdx_segment_view *view = &race->reader->view;
	struct rdx_segment_owner *owner = &race->producer.owner;

	view->live = owner->live;
	view->ring.slots = owner->ring.slots;
	view->records = owner->ledger.records;
}

static void run_race(uint64_t ring_slots, uint32_t clear_in, uint32_t pause, uint64_t recoveries)
{
	static struct race race;
	struct rdx_segment_spec spec = stream_spec(1, 0, ring_slots);
	pthread_t writer;

	memset(&race, 0, sizeof(race));
	race.seed = rig_seed();
	race.clear_in = clear_in;
	race.pause = pause;
	rig_make(&race.rig);
	assert_int_equal(rig_claim(&race.rig, &race.producer, &spec), 0);
	assert_int_equal(rdx_reader_open(&race.reader, race.rig.dir, 1, 0), 0);
	share_mapping(&race);
#ifdef RDX_HOOKS
	hooked = &race;
	rdx_hook_function = wait_in_scan;
#endif
	assert_int_equal(pthread_create(&writer, NULL, write_on, &race), 0);
	recover_many(&race, recoveries);
	atomic_store(&race.stop, 1);
	pthread_join(writer, NULL);
#ifdef RDX_HOOKS
	rdx_hook_function = NULL;
#endif
	print_message(
		"ring of %llu: %llu of %llu recoveries exact (%llu with events during the scan), "
		"%llu overrun, %llu events written\n",
		(unsigned long long)ring_slots, (unsigned long long)race.exact,
		(unsigned long long)recoveries, (unsigned long long)race.replayed,
		(unsigned long long)race.overrun, (unsigned long long)race.producer.event_id);
	assert_int_equal(race.wrong, 0);
	assert_int_equal(race.errors, 0);
	assert_true(race.exact >= RECOVERIES_LEAST && race.replayed > 0);
	rdx_reader_close(race.reader);
	rig_release(&race.producer);
	rig_remove(&race.rig);
}

static void test_recovery_without_clears(void **state)
{
	(void)state;
	run_race(512, 0, 200, RECOVERIES);
}

static void test_recovery_with_clears(void **state)
{
	(void)state;
	run_race(512, 50, 200, RECOVERIES);
}

static void test_recovery_at_full_speed(void **state)
{
	(void)state;
	run_race(1 << 12, 200, 0, RECOVERIES);
}

static void test_recovery_from_a_tiny_ring(void **state)
{
	(void)state;
	run_race(64, 100, 2000, RECOVERIES / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recovery_without_clears),
		cmocka_unit_test(test_recovery_with_clears),
		cmocka_unit_test(test_recovery_at_full_speed),
		cmocka_unit_test(test_recovery_from_a_tiny_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
