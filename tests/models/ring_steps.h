/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A producer's script of events, by the functions of shm/, and readers of the ring: an event is read
 * whole, as it was published, or not at all. What lies below the tail, or what the barrier names, was
 * published.
 */
#ifndef RDX_TESTS_MODELS_RING_STEPS_H
#define RDX_TESTS_MODELS_RING_STEPS_H

#include "tests/models/model.h"

#include "shm/publish.h"

#define SLOTS_MAX  8
#define EVENTS_MAX 4
#define HASHES     3 /* of an event of two slots */

struct script {
	const char *name;
	uint64_t slots; /* of the ring */
	int events;
	uint32_t count[EVENTS_MAX]; /* of hashes of each event, Stored; 0: Cleared */
};

static const struct script *script;
static struct rdx_slot slots[SLOTS_MAX];
static struct rdx_segment_live live;
static struct rdx_ledger_record records[HASHES]; /* nobody looks into them */
static uint64_t first[EVENTS_MAX + 1];           /* position of each event */

static uint64_t hash_of(int event, uint32_t i)
{
	return (uint64_t)(event + 1) << 8 | (i + 1);
}

static uint8_t kind_of(int event)
{
	return script->count[event] ? RDX_EVENT_STORED : RDX_EVENT_CLEARED;
}

static void write_events(void)
{
	struct rdx_ring ring = {slots, script->slots - 1};
	struct rdx_ledger ledger = {.records = records, .count = HASHES};

	for (int event = 0; event < script->events; event++) {
		static const uint32_t record[HASHES] = {0, 1, 2};
		static const uint64_t words[HASHES];
		uint32_t count = script->count[event];
		uint64_t hashes[HASHES];
		struct rdx_publish publish = {
			.head.event_id = (uint64_t)event + 1,
			.head.kind = kind_of(event),
			.head.count = count,
			.head.tier = count ? 0 : RDX_SCOPE_ALL,
			.hashes = hashes,
			.records = record,
			.words = words,
		};

		for (uint32_t i = 0; i < count; i++)
			hashes[i] = hash_of(event, i);
		(void)rdx_publish_event(&live, &ring, &ledger, first[event], &publish);
	}
}

/* The event at this position, -1: none begins there. */
static int event_at(uint64_t position)
{
	for (int event = 0; event < script->events; event++) {
		if (first[event] == position)
			return event;
	}
	return -1;
}

static enum rdx_ring_found read_event(int event)
{
	struct rdx_ring_view ring = {slots, script->slots - 1};
	struct rdx_event_head head = {.kind = 0};
	uint64_t hashes[HASHES + 2 * RDX_PAYLOAD_WORDS];
	uint32_t count;
	enum rdx_ring_found found = rdx_event_read(&ring, first[event], 2, &head, hashes, &count);

	if (found != RDX_RING_PUBLISHED)
		return found;
	MODEL_PROMISE(count == first[event + 1] - first[event] && "an event of so many slots");
	MODEL_PROMISE(head.event_id == (uint64_t)event + 1 && head.kind == kind_of(event));
	MODEL_PROMISE(head.count == script->count[event]);
	for (uint32_t i = 0; i < head.count; i++)
		MODEL_PROMISE(hashes[i] == hash_of(event, i) && "its hashes");
	return found;
}

static void read_below_tail(int event)
{
	uint64_t tail = rdx_publish_tail(&live);

	if (first[event + 1] <= tail)
		MODEL_PROMISE(read_event(event) != RDX_RING_PENDING && "published below the tail");
}

static void read_barrier(void)
{
	uint64_t named = rdx_barrier_load(&live);

	if (named)
		MODEL_PROMISE(read_event(event_at(named - 1)) != RDX_RING_PENDING &&
			      "published where the barrier is");
}

/* On zeroed memory. */
static void ring_begin(void)
{
	for (int event = 0; event < script->events; event++)
		first[event + 1] =
			first[event] + rdx_event_slots(kind_of(event), script->count[event]);
}

#endif
