/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events as slots: how an event is spread over ring slots, and read back.
 *
 * Nothing that is read is trusted: a decoded event has a known kind and tier, a count
 * that its slots can hold, and no more slots than an event of this ring may have.
 */
#ifndef RDX_EVENT_H
#define RDX_EVENT_H

#include "shm/ring.h"

/* What the first slot holds besides hashes. */
struct rdx_event_head {
	uint64_t event_id;
	uint64_t time_ns;
	uint64_t parent;      /* Stored */
	uint32_t first_block; /* Stored */
	uint32_t stamp;
	uint32_t count; /* hashes */
	uint8_t kind;
	uint8_t tier;
	uint8_t orphans;
	uint8_t inexact;
};

#define RDX_EVENT_COUNT_MAX 65535

/* Hashes that fit beside the head. */
static inline uint32_t rdx_event_first_hashes(uint8_t kind)
{
	return kind == RDX_EVENT_STORED    ? RDX_STORED_FIRST_HASHES
	       : kind == RDX_EVENT_REMOVED ? RDX_REMOVED_FIRST_HASHES
					   : 0;
}

static inline uint32_t rdx_event_slots(uint8_t kind, uint32_t count)
{
	uint32_t first = rdx_event_first_hashes(kind);

	if (count <= first)
		return 1;
	return 1 + (count - first + RDX_PAYLOAD_WORDS - 1) / RDX_PAYLOAD_WORDS;
}

/* Most hashes of one event with this many slots. */
static inline uint32_t rdx_event_hashes_max(uint8_t kind, uint32_t slots)
{
	uint32_t hashes = rdx_event_first_hashes(kind) + (slots - 1) * RDX_PAYLOAD_WORDS;

	return hashes < RDX_EVENT_COUNT_MAX ? hashes : RDX_EVENT_COUNT_MAX;
}

static inline uint64_t rdx_event_meta(const struct rdx_event_head *head)
{
	return (uint64_t)head->kind | (uint64_t)head->tier << 4 | (uint64_t)head->orphans << 8 |
	       (uint64_t)head->inexact << 12 | (uint64_t)head->count << 16 |
	       (uint64_t)head->stamp << 32;
}

static inline void rdx_event_first_payload(const struct rdx_event_head *head,
					   const uint64_t *hashes, uint64_t *ret_payload)
{
	uint32_t at = RDX_PAYLOAD_WORDS - rdx_event_first_hashes(head->kind);

	ret_payload[0] = head->event_id;
	ret_payload[1] = head->time_ns;
	ret_payload[2] = rdx_event_meta(head);
	for (uint32_t i = 3; i < RDX_PAYLOAD_WORDS; i++)
		ret_payload[i] = i >= at && i - at < head->count ? hashes[i - at] : 0;
	if (head->kind == RDX_EVENT_STORED) {
		ret_payload[3] = head->first_block;
		ret_payload[4] = head->parent;
	}
}

/*
 * Append one event at `position`, continuations first and the first slot last, so that it
 * is seen whole or not at all. Returns the position after it. The caller moves the tail.
 */
static inline uint64_t rdx_event_append(const struct rdx_ring *ring, uint64_t position,
					const struct rdx_event_head *head, const uint64_t *hashes)
{
	uint32_t slots = rdx_event_slots(head->kind, head->count);
	uint32_t first = rdx_event_first_hashes(head->kind);
	uint64_t payload[RDX_PAYLOAD_WORDS];

	for (uint32_t back = 1; back < slots; back++) {
		uint32_t at = first + (back - 1) * RDX_PAYLOAD_WORDS;

		for (uint32_t i = 0; i < RDX_PAYLOAD_WORDS; i++)
			payload[i] = at + i < head->count ? hashes[at + i] : 0;
		rdx_ring_put(ring, position + back, back, payload);
	}
	rdx_event_first_payload(head, hashes, payload);
	rdx_ring_put(ring, position, 0, payload);
	RDX_HOOK(RDX_HOOK_EVENT_PUBLISHED);
	return position + slots;
}

/*
 * Take apart a copied first slot. Returns the number of slots of the event, or 0 if no
 * producer writes such a slot. `slots_max` as from rdx_ring_event_slots_max.
 */
static inline uint32_t rdx_event_decode(const uint64_t *words, uint32_t slots_max,
					struct rdx_event_head *ret_head)
{
	uint64_t meta = words[3];
	struct rdx_event_head head = {
		.event_id = words[1],
		.time_ns = words[2],
		.kind = meta & 15,
		.tier = meta >> 4 & 15,
		.orphans = meta >> 8 & 15,
		.inexact = meta >> 12 & 3,
		.count = meta >> 16 & 0xffff,
		.stamp = (uint32_t)(meta >> 32),
	};
	int has_hashes = head.kind == RDX_EVENT_STORED || head.kind == RDX_EVENT_REMOVED;
	int has_scope = head.kind == RDX_EVENT_CLEARED && head.tier == RDX_SCOPE_ALL;
	uint32_t slots = rdx_event_slots(head.kind, head.count);

	if (!(words[0] & RDX_SLOT_FIRST) || rdx_slot_back(words[0]) || head.event_id == 0)
		return 0;
	if (head.kind < RDX_EVENT_STORED || head.kind > RDX_EVENT_INEXACT || meta >> 14 & 3 ||
	    head.inexact > RDX_INEXACT_UNKNOWN)
		return 0;
	if (head.tier >= RDX_TIER_COUNT && !has_scope)
		return 0;
	if (has_hashes != (head.count > 0) || slots > slots_max)
		return 0;
	if (head.kind == RDX_EVENT_STORED) {
		head.first_block = (uint32_t)words[4];
		head.parent = words[5];
	}
	*ret_head = head;
	return slots;
}

/*
 * Read the event at `position` whole: its head, its hashes into ret_hashes (room for
 * rdx_event_hashes_max of any kind at slots_max, plus 6), its slots. RDX_RING_PENDING
 * and RDX_RING_LAPPED as for rdx_ring_get; a published slot that begins no valid event
 * gives RDX_RING_PUBLISHED with *ret_slots = 0.
 */
static inline enum rdx_ring_found rdx_event_read(const struct rdx_ring_view *ring,
						 uint64_t position, uint32_t slots_max,
						 struct rdx_event_head *ret_head,
						 uint64_t *ret_hashes, uint32_t *ret_slots)
{
	uint64_t words[RDX_SLOT_WORDS];
	struct rdx_event_head head;
	enum rdx_ring_found found = rdx_ring_get(ring, position, words);
	uint32_t slots, first;

	if (found != RDX_RING_PUBLISHED)
		return found;
	*ret_slots = 0;
	slots = rdx_event_decode(words, slots_max, &head);
	if (slots == 0)
		return RDX_RING_PUBLISHED;
	first = rdx_event_first_hashes(head.kind);
	for (uint32_t i = 0; i < first; i++)
		ret_hashes[i] = words[RDX_SLOT_WORDS - first + i];

	for (uint32_t back = 1; back < slots; back++) {
		found = rdx_ring_get(ring, position + back, words);
		if (found == RDX_RING_LAPPED)
			return found;
		/* R3: the producer published this slot before the first one */
		if (found == RDX_RING_PENDING || words[0] != rdx_slot_word(position + back, back))
			return RDX_RING_PUBLISHED;
		for (uint32_t i = 0; i < RDX_PAYLOAD_WORDS; i++)
			ret_hashes[first + (back - 1) * RDX_PAYLOAD_WORDS + i] = words[i + 1];
	}
	*ret_head = head;
	*ret_slots = slots;
	return RDX_RING_PUBLISHED;
}

#endif
