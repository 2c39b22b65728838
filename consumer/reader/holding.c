/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/reader/holding.h"
#include "consumer/reader/exact.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST UINT64_C(1024)
#define CHAIN_HASHES   256

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

/* A holding that is collected. */
struct collected {
	struct rdx_exact_collector collector; /* first */
	const struct rdx_hash_key *key;
	struct rdx_holding holding;
};

static int hold(struct rdx_exact_collector *collector, uint64_t prefix, uint8_t tier)
{
	return rdx_holding_add(&((struct collected *)collector)->holding, prefix, tier);
}

static int apply(struct rdx_exact_collector *collector, const struct rdx_event *event)
{
	struct collected *collected = (struct collected *)collector;

	return rdx_holding_apply(&collected->holding, collected->key, event);
}

static void forget(struct rdx_exact_collector *collector)
{
	rdx_holding_free(&((struct collected *)collector)->holding);
}

int rdx_holding_of(struct rdx_reader *reader, uint64_t at_least_event_id,
		   struct rdx_holding *ret_holding, struct rdx_cursor *ret_exact_at)
{
	struct collected collected = {.collector = {.hold = hold, .apply = apply, .forget = forget},
				      .key = &reader->info.key};
	int r = rdx_exact_collect(reader, at_least_event_id, &collected.collector, ret_exact_at);

	if (r == 0)
		*ret_holding = collected.holding;
	else
		rdx_holding_free(&collected.holding);
	return r;
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
