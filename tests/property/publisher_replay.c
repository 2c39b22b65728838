/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/property/publisher_replay.h"
#include "shm/clear.h"

#include <stdlib.h>
#include <string.h>

static int find(const struct replay *replay, int tier, uint64_t prefix)
{
	for (uint32_t i = 0; i < replay->counts[tier]; i++) {
		if (replay->blocks[tier][i].prefix == prefix)
			return (int)i;
	}
	return -1;
}

static int in_set(const struct replay *replay, int set, uint64_t prefix)
{
	for (int tier = 0; tier <= set; tier++) {
		if (find(replay, tier, prefix) >= 0)
			return 1;
	}
	return 0;
}

static uint8_t orphan_bits(const struct replay *replay)
{
	uint8_t bits = 0;

	for (int set = 0; set < RDX_TIER_COUNT; set++) {
		for (int tier = 0; tier <= set; tier++) {
			for (uint32_t i = 0; i < replay->counts[tier]; i++) {
				uint64_t parent = replay->blocks[tier][i].parent;

				if (parent && !in_set(replay, set, parent))
					bits |= (uint8_t)(1 << set);
			}
		}
	}
	return bits;
}

static const char *apply_stored(struct replay *replay, const struct rdx_event_head *head,
				const uint64_t *hashes)
{
	uint64_t parent = head->parent, prefix;

	if ((head->parent == 0) != (head->first_block == 0))
		return "only a run under the root starts at block 0";
	for (uint32_t i = 0; i < head->count; i++) {
		uint32_t at = replay->counts[head->tier];

		rdx_hash_chain(replay->key, parent, &hashes[i], 1, &prefix);
		if (find(replay, head->tier, prefix) >= 0)
			return "stored a block that was held";
		replay->counts[head->tier]++;
		replay->blocks[head->tier][at].prefix = prefix;
		replay->blocks[head->tier][at].parent = parent;
		replay->blocks[head->tier][at].depth = head->first_block + i;
		parent = prefix;
	}
	return NULL;
}

static const char *apply_removed(struct replay *replay, const struct rdx_event_head *head,
				 const uint64_t *hashes)
{
	for (uint32_t i = 0; i < head->count; i++) {
		int at = find(replay, head->tier, hashes[i]);

		if (at < 0)
			return "removed a block that was not held";
		for (uint32_t j = i + 1; j < head->count; j++) {
			int child = find(replay, head->tier, hashes[j]);

			if (child >= 0 && replay->blocks[head->tier][child].parent == hashes[i])
				return "a parent is listed before its child";
		}
		replay->blocks[head->tier][at] =
			replay->blocks[head->tier][--replay->counts[head->tier]];
	}
	return NULL;
}

static const char *apply(struct replay *replay, const struct rdx_event_head *head,
			 const uint64_t *hashes)
{
	const char *broken = NULL;

	if (head->event_id != replay->event_id + 1)
		return "event ids are not consecutive";
	if (rdx_clear_before(head->stamp, replay->stamp))
		return "stamps go back";
	if (head->kind == RDX_EVENT_INEXACT && replay->inexact == head->inexact)
		return "nothing new is said";
	replay->event_id = head->event_id;
	replay->stamp = head->stamp;
	replay->inexact = head->inexact;
	if (head->kind == RDX_EVENT_STORED)
		broken = apply_stored(replay, head, hashes);
	else if (head->kind == RDX_EVENT_REMOVED)
		broken = apply_removed(replay, head, hashes);
	else if (head->kind == RDX_EVENT_CLEARED && head->tier != RDX_SCOPE_ALL)
		replay->counts[head->tier] = 0;
	else if (head->kind == RDX_EVENT_CLEARED) {
		memset(replay->counts, 0, sizeof(replay->counts));
		replay->clears++;
		replay->barrier = replay->position + 1;
		if (head->inexact)
			broken = "a clear of all is inexact";
	}
	if (!broken && (head->orphans | replay->unsure) != (orphan_bits(replay) | replay->unsure))
		broken = "orphan bits differ";
	if (!broken && orphan_bits(replay) & ~head->orphans)
		broken = "orphans without their bit";
	return broken;
}

int replay_run(struct replay *replay)
{
	uint32_t slots_max = rdx_ring_event_slots_max(replay->ring_slots);
	uint64_t hashes[REPLAY_HASHES];
	struct rdx_event_head head;
	uint32_t slots;
	int events = 0;

	for (;; events++) {
		enum rdx_ring_found found = rdx_event_read(&replay->ring, replay->position,
							   slots_max, &head, hashes, &slots);

		if (found == RDX_RING_PENDING)
			return events;
		if (found == RDX_RING_LAPPED || slots == 0)
			replay->broken = "lapped, or no valid event";
		else
			replay->broken = apply(replay, &head, hashes);
		if (replay->broken)
			return -1;
		replay->position += slots;
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int replay_equals(const struct replay *replay, uint8_t tier, const uint64_t *prefixes,
		  uint32_t count)
{
	uint64_t held[REPLAY_BLOCKS];

	if (replay->counts[tier] != count)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		held[i] = replay->blocks[tier][i].prefix;
	qsort(held, count, sizeof(*held), compare);
	return memcmp(held, prefixes, count * sizeof(*held)) == 0;
}

int replay_is_within(const struct replay *replay, uint8_t tier, const uint64_t *prefixes,
		     uint32_t count)
{
	for (uint32_t i = 0; i < replay->counts[tier]; i++) {
		if (!bsearch(&replay->blocks[tier][i].prefix, prefixes, count, sizeof(*prefixes),
			     compare))
			return 0;
	}
	return 1;
}
