/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/reader/holding.h"
#include "shm/clock.h"
#include "consumer/reader/recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CAPACITY_FIRST  UINT64_C(1024)
#define SNAPSHOT_HASHES 4096
#define CHAIN_HASHES    256
#define WAIT_NS         UINT64_C(100000000)
#define WAIT_STEP_NS    50000
#define READ_NS         UINT64_C(1000000000) /* for events during the scan and after it */
#define READ_EVENTS     1024                 /* between two looks at the clock */
#define SNAPSHOT_TRIES  8

void rdx_holding_free(struct rdx_holding *holding)
{
	free(holding->hashes);
	free(holding->tiers);
	memset(holding, 0, sizeof(*holding));
}

/* Where `prefix` is or would be. Prefix hashes are uniform. */
static uint64_t place_of(const struct rdx_holding *holding, uint64_t prefix)
{
	uint64_t at = prefix & (holding->capacity - 1);

	while (holding->hashes[at] && holding->hashes[at] != prefix)
		at = (at + 1) & (holding->capacity - 1);
	return at;
}

static int grow(struct rdx_holding *holding)
{
	struct rdx_holding grown = {
		.capacity = holding->capacity ? holding->capacity * 2 : CAPACITY_FIRST,
	};

	grown.hashes = calloc(grown.capacity, sizeof(*grown.hashes));
	grown.tiers = calloc(grown.capacity, sizeof(*grown.tiers));
	if (!grown.hashes || !grown.tiers) {
		rdx_holding_free(&grown);
		return -ENOMEM;
	}
	for (uint64_t i = 0; i < holding->capacity; i++) {
		uint64_t at;

		if (!holding->tiers[i])
			continue;
		at = place_of(&grown, holding->hashes[i]);
		grown.hashes[at] = holding->hashes[i];
		grown.tiers[at] = holding->tiers[i];
		grown.used++;
	}
	memcpy(grown.count, holding->count, sizeof(grown.count));
	rdx_holding_free(holding);
	*holding = grown;
	return 0;
}

int rdx_holding_add(struct rdx_holding *holding, uint64_t prefix, uint8_t tier)
{
	uint64_t at;
	int r = (holding->used + 1) * 2 > holding->capacity ? grow(holding) : 0;

	if (r < 0)
		return r;
	at = place_of(holding, prefix);
	if (!holding->hashes[at]) {
		holding->hashes[at] = prefix;
		holding->used++;
	}
	holding->count[tier] += !(holding->tiers[at] >> tier & 1);
	holding->tiers[at] |= (uint8_t)(1u << tier);
	return 0;
}

void rdx_holding_drop(struct rdx_holding *holding, uint64_t prefix, uint8_t tier)
{
	uint64_t at;

	if (!holding->capacity)
		return;
	at = place_of(holding, prefix);
	holding->count[tier] -= holding->tiers[at] >> tier & 1;
	holding->tiers[at] &= (uint8_t) ~(1u << tier);
}

uint8_t rdx_holding_tiers(const struct rdx_holding *holding, uint64_t prefix)
{
	return holding->capacity ? holding->tiers[place_of(holding, prefix)] : 0;
}

static void clear(struct rdx_holding *holding, uint8_t scope)
{
	uint8_t keep = scope == RDX_SCOPE_ALL ? 0 : (uint8_t) ~(1u << scope);

	for (uint64_t i = 0; i < holding->capacity; i++)
		holding->tiers[i] &= keep;
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		if (!(keep >> tier & 1))
			holding->count[tier] = 0;
}

static int store(struct rdx_holding *holding, const struct rdx_hash_key *key,
		 const struct rdx_event *event)
{
	uint64_t prefix[CHAIN_HASHES], parent = event->parent;

	for (uint32_t at = 0; at < event->count;) {
		uint32_t part = event->count - at < CHAIN_HASHES ? event->count - at : CHAIN_HASHES;

		rdx_hash_chain(key, parent, event->hashes + at, part, prefix);
		for (uint32_t i = 0; i < part; i++) {
			int r = rdx_holding_add(holding, prefix[i], event->tier);

			if (r < 0)
				return r;
		}
		parent = prefix[part - 1];
		at += part;
	}
	return 0;
}

int rdx_holding_apply(struct rdx_holding *holding, const struct rdx_hash_key *key,
		      const struct rdx_event *event)
{
	switch (event->kind) {
	case RDX_EVENT_STORED:
		return store(holding, key, event);
	case RDX_EVENT_REMOVED:
		for (uint32_t i = 0; i < event->count; i++)
			if (event->hashes[i])
				rdx_holding_drop(holding, event->hashes[i], event->tier);
		return 0;
	case RDX_EVENT_CLEARED:
		clear(holding, event->tier);
		return 0;
	default:
		return 0;
	}
}

static int take_snapshot(struct rdx_reader *reader, struct rdx_holding *holding,
			 uint64_t *ret_exact_position)
{
	uint64_t hashes[SNAPSHOT_HASHES];
	struct rdx_recovery recovery;
	uint8_t tier;
	int64_t count;
	int r = rdx_recovery_from_ledger(reader, &recovery);

	if (r < 0)
		return r;
	while ((count = rdx_reader_snapshot(reader, hashes, SNAPSHOT_HASHES, &tier,
					    ret_exact_position)) > 0)
		for (int64_t i = 0; i < count; i++) {
			r = rdx_holding_add(holding, hashes[i], tier);
			if (r < 0)
				return r;
		}
	return (int)count;
}

/* Read on until the state is exact and new enough. Waits for a producer in mid-event, but does not
 * chase one that never pauses. */
static int catch_up(struct rdx_reader *reader, struct rdx_holding *holding, uint64_t exact_position,
		    uint64_t at_least_event_id)
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
			r = rdx_holding_apply(holding, &reader->info.key, &event);
		if (r < 0)
			return r;
	}
	return 0;
}

int rdx_holding_of(struct rdx_reader *reader, uint64_t at_least_event_id,
		   struct rdx_holding *ret_holding, struct rdx_cursor *ret_exact_at)
{
	struct rdx_holding holding = {.capacity = 0};
	struct rdx_reader *aside;
	uint64_t exact_position = 0;
	int r = rdx_reader_map_used(reader, rdx_ledger_used(reader->view.live)); /* L4 */

	if (r == 0)
		r = rdx_reader_open_side(reader, &aside);
	if (r < 0)
		return r;
	for (int i = 0; i < SNAPSHOT_TRIES; i++) {
		r = take_snapshot(aside, &holding, &exact_position);
		if (r == 0)
			r = catch_up(aside, &holding, exact_position, at_least_event_id);
		if (r != -EOVERFLOW)
			break;
		rdx_holding_free(&holding);
	}
	if (r == 0) {
		*ret_exact_at = aside->cursor;
		*ret_holding = holding;
	} else {
		rdx_holding_free(&holding);
	}
	rdx_reader_close_side(aside);
	return r == -EOVERFLOW ? -EAGAIN : r;
}

int rdx_reader_resident(struct rdx_reader *reader, uint8_t tier, uint64_t *ret_hashes,
			uint64_t capacity, uint64_t *ret_count, struct rdx_cursor *ret_exact_at)
{
	struct rdx_holding holding;
	struct rdx_cursor exact_at;
	uint64_t count = 0;
	int r;

	if (tier >= RDX_TIER_COUNT)
		return -EINVAL;
	r = rdx_holding_of(reader, 0, &holding, &exact_at);
	if (r < 0)
		return r;
	*ret_count = holding.count[tier];
	if (holding.count[tier] > capacity) {
		rdx_holding_free(&holding);
		return -ENOSPC;
	}
	for (uint64_t i = 0; i < holding.capacity; i++)
		if (holding.tiers[i] >> tier & 1)
			ret_hashes[count++] = holding.hashes[i];
	rdx_holding_free(&holding);
	*ret_exact_at = exact_at;
	return 0;
}
