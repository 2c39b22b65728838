/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: forced laps. A producer at full speed, a reader that cannot keep up, rings of 64 to
 * 4096 slots: not one torn event, every loss counted exactly (read + lost + dead = published), a
 * lapped reader never believes that it has caught up. As many slots as a few seconds allow, and
 * with RDX_LONG=1 at least 10^8.
 *
 * Every payload word derives from the epoch and the position of its slot, so an event
 * checks itself. Two processes; then two threads on one mapping, for the thread sanitizer;
 * then positions near the end of their 48 bits.
 */
#include "consumer/reader/reader.h"
#include "tests/patience.h"
#include "tests/rig.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SLOTS_TOTAL UINT64_C(6000000) /* a sanitizer's build is 20 times slower */
#else
#define SLOTS_TOTAL UINT64_C(180000000)
#endif
#define LAP_S         2
#define READ_LEAST    1000 /* slots, for there to be something to check */
#define YIELDS        50
#define DAWDLES       1000 /* naps of 0.1 ms: the writer may have ended */
#define WORKER        9
#define HASHES_MAX    51 /* 8 slots: as many as an event of the smallest ring has */
#define LEDGER_BLOCKS 128

/* What the reader found. */
struct tally {
	uint64_t torn, errors, laps;
	struct rdx_reader_stats stats;
};

/* What one side reports to the other, and to the test. */
struct shared {
	_Atomic uint64_t slots; /* published, set at the end */
	_Atomic uint64_t events;
	_Atomic uint64_t caught_up;  /* where the reader last found nothing more */
	_Atomic uint64_t laps, read; /* so far, of the reader */
	_Atomic int done;
	struct tally tally; /* of the reader, read after it ended */
};

struct lap {
	struct rig rig;
	struct rig_producer producer;
	struct rdx_reader *reader;
	struct shared *shared;
	uint64_t slots_wanted;
	uint32_t clear_in; /* every so many events a Cleared, 0: none */
};

static uint64_t word_of(uint64_t epoch, uint64_t position, uint32_t i)
{
	return (epoch ^ position * UINT64_C(0x9e3779b97f4a7c15)) + i * UINT64_C(0xff51afd7ed558ccd);
}

static uint32_t count_of(uint64_t event_id)
{
	uint64_t mixed = event_id * UINT64_C(0xd6e8feb86659fd93) >> 40;

	/* mostly long ones: their slots are written faster */
	return mixed % 8 ? HASHES_MAX : 1 + (uint32_t)(mixed / 8 % HASHES_MAX);
}

static void publish(struct lap *lap, uint64_t epoch)
{
	struct rig_producer *producer = &lap->producer;
	uint64_t id = ++producer->event_id, position = producer->tail, hashes[HASHES_MAX];
	struct rdx_publish event = {
		.head =
			{
				.event_id = id,
				.kind = RDX_EVENT_STORED,
				.time_ns = word_of(epoch, position, 100),
				.parent = word_of(epoch, position, 101),
				.first_block = (uint32_t)word_of(epoch, position, 102),
				.stamp = (uint32_t)word_of(epoch, position, 103),
				.count = count_of(id),
			},
		.hashes = hashes,
	};

	if (lap->clear_in && id % lap->clear_in == 0) {
		event.head.kind = RDX_EVENT_CLEARED;
		event.head.tier = RDX_SCOPE_ALL;
		event.head.count = 0;
	}
	for (uint32_t i = 0; i < event.head.count; i++)
		hashes[i] = word_of(epoch, position, i);
	rig_publish(producer, &event);
}

/* Let the reader caught up, so that it reads at all where both share a core; not for long:
 * it dawdles. */
static void wait_for_reader(struct lap *lap)
{
	for (int i = 0; i < YIELDS; i++) {
		if (atomic_load(&lap->shared->caught_up) >= lap->producer.tail)
			return;
		sched_yield();
	}
}

/* All slots are published, or those that the time allows, if the reader has had its share. */
static int lap_is_done(const struct lap *lap, struct effort *effort)
{
	int met =
		atomic_load(&lap->shared->laps) > 0 && atomic_load(&lap->shared->read) > READ_LEAST;

	if (met && lap->producer.tail >= lap->slots_wanted)
		return 1;
	return !effort_goes_on_until(effort, met);
}

/* Bursts of up to one ring and a quarter at full speed. */
static void publish_all(struct lap *lap)
{
	uint64_t ring_slots = lap->producer.owner.ring.mask + 1;
	uint64_t epoch = lap->producer.owner.header->epoch, random = epoch;
	struct effort effort = effort_begin(1, UINT64_MAX, LAP_S);

	while (!lap_is_done(lap, &effort)) {
		uint64_t burst = rig_random(&random) % (ring_slots + ring_slots / 4);
		uint64_t end = lap->producer.tail + burst;

		while (lap->producer.tail < end)
			publish(lap, epoch);
		wait_for_reader(lap);
	}
	atomic_store(&lap->shared->slots, lap->producer.tail);
	atomic_store(&lap->shared->events, lap->producer.event_id);
	atomic_store(&lap->shared->done, 1);
}

static int is_torn(const struct rdx_event *event, uint64_t epoch)
{
	uint64_t position = event->position;
	int torn = event->time_ns != word_of(epoch, position, 100) ||
		   event->stamp != (uint32_t)word_of(epoch, position, 103);

	if (event->kind == RDX_EVENT_CLEARED)
		return torn || event->count || event->tier != RDX_SCOPE_ALL;
	torn |= event->kind != RDX_EVENT_STORED || event->count != count_of(event->event_id) ||
		event->parent != word_of(epoch, position, 101) ||
		event->first_block != (uint32_t)word_of(epoch, position, 102);
	for (uint32_t i = 0; i < event->count; i++)
		torn |= event->hashes[i] != word_of(epoch, position, i);
	return torn;
}

static int recover(struct lap *lap)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	uint64_t hashes[50], exact;
	struct rdx_cursor cursor;
	uint8_t tier;
	int64_t n = 0;
	int r;

	rdx_reader_cursor(lap->reader, &cursor);
	r = rdx_reader_recover(lap->reader, &cursor, &recovery);
	if (r == 0 && recovery.way == RDX_RECOVERED_LEDGER)
		while ((n = rdx_reader_snapshot(lap->reader, hashes, 50, &tier, &exact)) > 0)
			;
	return r < 0 ? r : (int)n;
}

/* A reader that stops now and then, mostly for longer than the ring lasts, however slow the writer is. */
static void dawdle(const struct lap *lap, uint64_t *random)
{
	const struct rdx_segment_live *live = lap->reader->view.live;
	uint64_t drawn = rig_random(random), begun = atomic_load(&live->tail);
	uint64_t slots = (drawn >> 32) % (2 * rdx_reader_info(lap->reader)->ring_slots);

	if (drawn % 4096)
		return;
	for (int i = 0; i < DAWDLES && atomic_load(&live->tail) - begun < slots; i++)
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

static void read_all(struct lap *lap)
{
	uint64_t epoch = rdx_reader_info(lap->reader)->epoch, random = epoch;
	struct tally *tally = &lap->shared->tally;
	struct rdx_event event = {.size = sizeof(event)};

	for (;;) {
		/* asked before the ring is: whoever has read it up after the end is at the end */
		int done = atomic_load(&lap->shared->done);
		int r = rdx_reader_next(lap->reader, &event);

		if (r == 1) {
			tally->torn += (uint64_t)is_torn(&event, epoch);
			atomic_fetch_add_explicit(&lap->shared->read, 1, memory_order_relaxed);
			dawdle(lap, &random);
		} else if (r == 0) {
			struct rdx_cursor cursor;

			if (done)
				break;
			rdx_reader_cursor(lap->reader, &cursor);
			atomic_store(&lap->shared->caught_up, cursor.position);
			sched_yield();
		} else if (r == -EOVERFLOW) {
			atomic_store(&lap->shared->laps, ++tally->laps);
			do
				r = recover(lap);
			while (r == -EAGAIN || r == -EOVERFLOW);
		}
		if (r < 0) {
			tally->errors++;
			break;
		}
	}
	tally->stats.size = sizeof(tally->stats);
	rdx_reader_get_stats(lap->reader, &tally->stats);
}

static void open_lap(struct lap *lap, uint64_t ring_slots, uint64_t slots, uint32_t clear_in,
		     uint64_t blocks)
{
	struct rdx_segment_spec spec = rig_spec(WORKER, 0, ring_slots, LEDGER_BLOCKS);
	struct rig_producer *producer = &lap->producer;

	memset(lap, 0, sizeof(*lap));
	lap->slots_wanted = slots;
	lap->clear_in = clear_in;
	rig_make(&lap->rig);
	lap->shared = mmap(NULL, sizeof(*lap->shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(lap->shared != MAP_FAILED);
	assert_int_equal(rig_claim(&lap->rig, producer, &spec), 0);
	/* something for snapshots to read, so that events are kept in their log meanwhile */
	for (uint64_t i = 0; i < blocks; i++) {
		rdx_ledger_describe(&producer->owner.ledger.records[i], i + 1, 0, 0);
		rdx_ledger_put(producer->owner.live, &producer->owner.ledger, i,
			       rdx_ledger_word(i + 1, 1, producer->generations));
	}
	assert_int_equal(rdx_reader_open(&lap->reader, lap->rig.dir, WORKER, 0), 0);
}

static void close_lap(struct lap *lap)
{
	const struct tally *tally = &lap->shared->tally;
	const struct rdx_reader_stats *s = &tally->stats;
	uint64_t slots = atomic_load(&lap->shared->slots);
	uint64_t events = atomic_load(&lap->shared->events);

	print_message("ring of %llu: %llu slots: %llu read, %llu lost, %llu dead; %llu events; "
		      "lapped %llu times\n",
		      (unsigned long long)rdx_reader_info(lap->reader)->ring_slots,
		      (unsigned long long)slots, (unsigned long long)s->slots_read,
		      (unsigned long long)s->slots_lost, (unsigned long long)s->slots_dead,
		      (unsigned long long)events, (unsigned long long)tally->laps);
	assert_int_equal(tally->torn, 0);
	assert_int_equal(tally->errors, 0);
	assert_int_equal(s->slots_read + s->slots_lost + s->slots_dead, slots);
	assert_int_equal(s->events_read + s->events_lost + s->events_dead, events);
	/* how many depends on the machine; that there is something to check does not */
	assert_true(s->slots_read > READ_LEAST);
	assert_true(tally->laps > 0);
	rdx_reader_close(lap->reader);
	munmap(lap->shared, sizeof(*lap->shared));
	rig_release(&lap->producer);
	rig_remove(&lap->rig);
}

static void lap_processes(uint64_t ring_slots, uint64_t slots, uint32_t clear_in, uint64_t blocks)
{
	static struct lap lap;
	int status = 0;
	pid_t child;

	open_lap(&lap, ring_slots, slots, clear_in, blocks);
	/* this process is the producer: its mapping is not inherited; the child reads */
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		rdx_segment_disown(&lap.producer.owner);
		read_all(&lap);
		_exit(0);
	}
	publish_all(&lap);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close_lap(&lap);
}

static void *publish_thread(void *argument)
{
	publish_all(argument);
	return NULL;
}

/* Threads on one mapping. */
static void lap_threads(uint64_t ring_slots, uint64_t slots, uint32_t clear_in, uint64_t blocks)
{
	static struct lap lap;
	pthread_t thread;

	open_lap(&lap, ring_slots, slots, clear_in, blocks);
	lap.reader->view.live = lap.producer.owner.live;
	lap.reader->view.ring.slots = lap.producer.owner.ring.slots;
	lap.reader->view.records = lap.producer.owner.ledger.records;
	assert_int_equal(pthread_create(&thread, NULL, publish_thread, &lap), 0);
	read_all(&lap);
	pthread_join(thread, NULL);
	close_lap(&lap);
}

static void test_lapped_by_another_process(void **state)
{
	(void)state;
	lap_processes(64, SLOTS_TOTAL / 4, 0, 0);
	lap_processes(512, SLOTS_TOTAL / 8, 1000, LEDGER_BLOCKS);
	lap_processes(1024, SLOTS_TOTAL / 4, 1000, 0);
	lap_processes(4096, SLOTS_TOTAL / 8, 0, LEDGER_BLOCKS);
}

static void test_lapped_by_another_thread(void **state)
{
	(void)state;
	lap_threads(64, SLOTS_TOTAL / 8, 100, 0);
	lap_threads(256, SLOTS_TOTAL / 8, 0, 0);
}

/* Positions run out at 48 bits: until then, nothing changes near the end. */
static void test_near_the_end_of_positions(void **state)
{
	static const uint64_t left[] = {1, 2, 63, 64, 65, 1000};
	static struct lap lap;

	(void)state;
	for (uint32_t i = 0; i < sizeof(left) / sizeof(*left); i++) {
		uint64_t begin = RDX_POSITION_END - left[i], hash = 7;
		struct rdx_recovery recovery = {.size = sizeof(recovery)};
		struct rdx_event event = {.size = sizeof(event)};
		struct rdx_range range = {.size = sizeof(range)};

		open_lap(&lap, 64, 0, 0, 0);
		lap.producer.tail = begin - 100;
		lap.producer.event_id = 900;
		atomic_store(&lap.producer.owner.live->tail, begin - 100);
		while (lap.producer.tail < begin)
			rig_append(&lap.producer, RDX_EVENT_STORED, 0, 0, &hash, 1);
		rig_append(&lap.producer, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0, NULL, 0);
		while (lap.producer.tail < RDX_POSITION_END)
			rig_append(&lap.producer, RDX_EVENT_STORED, 0, 0, &hash, 1);
		assert_int_equal(rdx_reader_recover(lap.reader, NULL, &recovery), 0);
		assert_int_equal(recovery.way,
				 left[i] > 64 ? RDX_RECOVERED_LEDGER : RDX_RECOVERED_BARRIER);
		if (recovery.way == RDX_RECOVERED_BARRIER) {
			assert_int_equal(recovery.start.position, begin);
			for (uint64_t id = 1001; id <= 1000 + left[i]; id++) {
				assert_int_equal(rdx_reader_next(lap.reader, &event), 1);
				assert_int_equal(event.event_id, id);
			}
		}
		assert_int_equal(rdx_reader_next(lap.reader, &event), 0);
		assert_int_equal(rdx_reader_range(lap.reader, recovery.start.epoch, 1000 + left[i],
						  UINT64_MAX, &range),
				 0);
		assert_int_equal(range.outcome, RDX_RANGE_EVENTS);
		assert_int_equal(range.start.position, RDX_POSITION_END - 1);
		/* a lapped cursor is reported here too */
		if (left[i] > 64) {
			recovery.start.position = begin;
			recovery.start.event_id = 1000;
			assert_int_equal(rdx_reader_seek(lap.reader, &recovery.start), 0);
			assert_int_equal(rdx_reader_next(lap.reader, &event), -EOVERFLOW);
		}
		rdx_reader_close(lap.reader);
		munmap(lap.shared, sizeof(*lap.shared));
		rig_release(&lap.producer);
		rig_remove(&lap.rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lapped_by_another_process),
		cmocka_unit_test(test_lapped_by_another_thread),
		cmocka_unit_test(test_near_the_end_of_positions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
