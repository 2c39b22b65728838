/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The range query of NVIDIA Dynamo's PR 9296, answered from the ring.
 */
#include "consumer/reader/reader.h"
#include "consumer/reader/recovery.h"
#include "shm/sized.h"

#include <errno.h>

#define TRIES 64

/*
 * Find the event `event_id` in the ring below `end`. Ids rise with positions, and every
 * slot leads to the first of its event, so halving finds it. 1 and its position, 0 if it
 * is no longer there, -EBADMSG.
 */
static int find_event(const struct rdx_reader *reader, uint64_t event_id, uint64_t end,
		      uint64_t *ret_position)
{
	uint64_t capacity = reader->info.ring_slots;
	uint64_t low = end > capacity ? end - capacity : 0;
	uint64_t high = end;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		struct rdx_event_head head;
		enum rdx_ring_found found;
		uint64_t first;

		found = rdx_recovery_head_at(reader, middle, &head, &first);
		if (found == RDX_RING_LAPPED) {
			low = middle + 1;
			continue;
		}
		if (found == RDX_RING_PENDING || first == UINT64_MAX)
			return -EBADMSG;
		if (head.event_id == event_id) {
			*ret_position = first;
			return rdx_recovery_in_ring(reader, first);
		}
		if (head.event_id < event_id)
			low = middle + 1;
		else
			high = first;
	}
	return 0;
}

/* Answer from one view of the ring. -EAGAIN if it changed meanwhile. */
static int answer(const struct rdx_reader *reader, uint64_t first_id, struct rdx_range *ret_range)
{
	struct rdx_range range = {.outcome = RDX_RANGE_EVENTS};
	uint64_t end, position = 0, barrier_position, barrier_id;
	int barrier, r = rdx_recovery_newest(reader, &range.last_event_id, &end);

	if (r < 0)
		return r;
	if (first_id > range.last_event_id) {
		range.outcome = RDX_RANGE_TOO_NEW;
		*ret_range = range;
		return 0;
	}
	barrier = rdx_recovery_barrier(reader, &barrier_position, &barrier_id);
	if (barrier < 0)
		return barrier;
	if (barrier && barrier_id > range.last_event_id)
		return -EAGAIN; /* cleared since */

	if (barrier && barrier_id >= first_id) {
		position = barrier_position;
		first_id = barrier_id ? barrier_id : 1;
		range.from_barrier = 1;
	} else {
		r = first_id ? find_event(reader, first_id, end, &position) : 0;
		if (r < 0)
			return r;
		if (r == 0) {
			range.outcome = RDX_RANGE_SNAPSHOT;
			*ret_range = range;
			return 0;
		}
	}
	range.start = (struct rdx_cursor){reader->info.epoch, position, first_id - 1};
	range.first_event_id = first_id;
	*ret_range = range;
	return 0;
}

int rdx_reader_range(struct rdx_reader *reader, uint64_t epoch, uint64_t first_id, uint64_t last_id,
		     struct rdx_range *ret_range)
{
	struct rdx_range range = {.outcome = RDX_RANGE_INVALID};
	int r = rdx_sized_check(ret_range);

	if (r < 0)
		return r;
	/* ids of another epoch mean nothing in this one */
	r = last_id < first_id ? 0 : -EAGAIN;
	if (epoch != reader->info.epoch)
		first_id = 0;
	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = answer(reader, first_id, &range);
	if (r == 0 && rdx_reader_poisoned(reader))
		return -EBADMSG;
	if (r == 0)
		rdx_sized_give(ret_range, &range, sizeof(range));
	return r;
}
