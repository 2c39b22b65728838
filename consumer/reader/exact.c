/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/reader/exact.h"

#include "consumer/reader/recovery.h"
#include "shm/clock.h"

#include <errno.h>
#include <time.h>

#define SNAPSHOT_HASHES 4096
#define SNAPSHOT_TRIES  8
#define WAIT_NS         UINT64_C(100000000)
#define WAIT_STEP_NS    50000
#define READ_NS         UINT64_C(1000000000) /* for events during the scan and after it */
#define READ_EVENTS     1024                 /* between two looks at the clock */

/* One part of the scan. How many hashes there were, or -errno. */
static int64_t take_part(struct rdx_reader *reader, struct rdx_exact_collector *collector,
			 uint64_t *ret_exact_position)
{
	uint64_t hashes[SNAPSHOT_HASHES];
	uint64_t from = reader->scan.next_record;
	uint8_t tier;
	int64_t count =
		rdx_recovery_scan(reader, hashes, SNAPSHOT_HASHES, &tier, ret_exact_position);

	for (int64_t i = 0; i < count; i++) {
		int r = collector->hold(collector, hashes[i], tier);

		if (r < 0)
			return r;
	}
	/* the last tier was asked */
	if (count >= 0 && collector->describe && reader->scan.next_record > from)
		collector->describe(collector, &reader->view.records[from],
				    reader->scan.next_record - from);
	return count;
}

static int take_snapshot(struct rdx_reader *reader, struct rdx_exact_collector *collector,
			 uint64_t *ret_exact_position)
{
	struct rdx_recovery recovery;
	int64_t count = rdx_recovery_from_ledger(reader, &recovery);

	while (count >= 0 && reader->scan.active)
		count = take_part(reader, collector, ret_exact_position);
	return count < 0 ? (int)count : 0;
}

/* Read on until the state is exact and new enough. Waits for a producer in mid-event, but does not
 * chase one that never pauses. */
static int catch_up(struct rdx_reader *reader, struct rdx_exact_collector *collector,
		    uint64_t exact_position, uint64_t at_least_event_id)
{
	uint64_t begun_ns = rdx_clock_ns(), events = 0;
	struct rdx_event event = {.size = sizeof(event)};

	while (reader->cursor.position < exact_position ||
	       reader->cursor.event_id < at_least_event_id) {
		int r = rdx_reader_next(reader, &event);

		if (r == 0) {
			if (rdx_reader_alive(reader) == 0)
				return -EOWNERDEAD;
			if (rdx_clock_ns() - begun_ns > WAIT_NS)
				return -EAGAIN;
			nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_NS}, NULL);
			continue;
		}
		if (++events % READ_EVENTS == 0 && rdx_clock_ns() - begun_ns > READ_NS)
			return -EAGAIN;
		if (r == 1)
			r = collector->apply(collector, &event);
		if (r < 0)
			return r;
	}
	return 0;
}

int rdx_exact_collect(struct rdx_reader *reader, uint64_t at_least_event_id,
		      struct rdx_exact_collector *collector, struct rdx_cursor *ret_exact_at)
{
	struct rdx_reader *aside;
	uint64_t exact_position = 0;
	int r = rdx_reader_map_used(reader, rdx_ledger_used(reader->view.live)); /* L4 */

	if (r == 0)
		r = rdx_reader_open_side(reader, &aside);
	if (r < 0)
		return r;
	for (int i = 0; i < SNAPSHOT_TRIES; i++) {
		r = take_snapshot(aside, collector, &exact_position);
		if (r == 0)
			r = catch_up(aside, collector, exact_position, at_least_event_id);
		if (r != -EOVERFLOW)
			break;
		collector->forget(collector);
	}
	if (r == 0)
		*ret_exact_at = aside->cursor;
	rdx_reader_close_side(aside);
	return r == -EOVERFLOW ? -EAGAIN : r;
}
