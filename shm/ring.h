/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring: one producer, any number of readers, newest wins.
 *
 * Ordering edges (the table is in docs/memory-model.md):
 *
 *   R1  slot published (release) -> slot seen published (acquire): its payload is there
 *   R2  busy mark, release fence, payload -> payload seen, acquire fence, word 0 again:
 *       a reader that saw one word of a newer event sees that word 0 changed
 *   R3  continuations published -> first slot published (release): a reader that sees the first
 *       slot of an event sees all of it
 *
 * R4, from an event's slots to the tail, is in publish.h.
 */
#ifndef RDX_RING_H
#define RDX_RING_H

#include "shm/hook.h"
#include "shm/slot.h"
#include "shm/segment_layout.h"
#include "shm/words.h"

struct rdx_ring {
	struct rdx_slot *slots;
	uint64_t mask; /* capacity - 1 */
};

/* The same ring, as a reader maps it. */
struct rdx_ring_view {
	const struct rdx_slot *slots;
	uint64_t mask;
};

/* Most slots of one event in a ring of this many. */
static inline uint32_t rdx_ring_event_slots_max(uint64_t ring_slots)
{
	uint64_t eighth = ring_slots / 8;

	return eighth < RDX_EVENT_SLOTS_MAX ? (uint32_t)eighth : RDX_EVENT_SLOTS_MAX;
}

/* Write and publish one slot of the event whose first slot is `back` slots before. */
static inline void rdx_ring_put(const struct rdx_ring *ring, uint64_t position, uint32_t back,
				const uint64_t *payload)
{
	struct rdx_slot *slot = &ring->slots[position & ring->mask];

	/* relaxed: R2's fence orders it before the payload */
	atomic_store_explicit(&slot->word[0], rdx_slot_busy_word(position), memory_order_relaxed);
	RDX_HOOK(RDX_HOOK_SLOT_BUSY);
	rdx_fence_release(); /* R2, with rdx_ring_get */
	rdx_words_store(&slot->word[1], payload, 3);
	RDX_HOOK(RDX_HOOK_SLOT_HALF);
	rdx_words_store(&slot->word[4], payload + 3, RDX_PAYLOAD_WORDS - 3);
	RDX_HOOK(RDX_HOOK_SLOT_WRITTEN);
	/* R1 and R3, with rdx_ring_get */
	atomic_store_explicit(&slot->word[0], rdx_slot_word(position, back), memory_order_release);
	RDX_HOOK(RDX_HOOK_SLOT_PUBLISHED);
}

/* What a reader found at a position. */
enum rdx_ring_found {
	RDX_RING_PUBLISHED, /* the words are good */
	RDX_RING_PENDING,   /* not yet published */
	RDX_RING_LAPPED,    /* overwritten: what was there is lost */
};

/*
 * Copy the slot at `position` into ret_words (word 0 and the payload). PUBLISHED: it was copied
 * whole. Positions are compared before BUSY is checked: a slot being overwritten by a newer
 * position is lost already, and a reader that took it for pending would wait for ever at a ring
 * that has lapped it.
 */
static inline enum rdx_ring_found rdx_ring_get(const struct rdx_ring_view *ring, uint64_t position,
					       uint64_t *ret_words)
{
	const struct rdx_slot *slot = &ring->slots[position & ring->mask];
	uint64_t words[RDX_SLOT_WORDS];

	/* R1 and R3, with rdx_ring_put */
	words[0] = atomic_load_explicit(&slot->word[0], memory_order_acquire);
	RDX_HOOK(RDX_HOOK_READ_WORD);
	if (rdx_slot_position_1(words[0]) > position + 1)
		return RDX_RING_LAPPED;
	if (rdx_slot_position_1(words[0]) < position + 1 || words[0] & RDX_SLOT_BUSY)
		return RDX_RING_PENDING;

	rdx_words_load(words + 1, &slot->word[1], RDX_PAYLOAD_WORDS);
	RDX_HOOK(RDX_HOOK_READ_COPIED);
	rdx_fence_acquire(); /* R2, with rdx_ring_put */
	if (atomic_load_explicit(&slot->word[0], memory_order_relaxed) != words[0])
		return RDX_RING_LAPPED;

	for (int i = 0; i < RDX_SLOT_WORDS; i++)
		ret_words[i] = words[i];
	return RDX_RING_PUBLISHED;
}

#endif
