/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of one event: intent, ledger words, slots, tail, barrier. It is written here only. A
 * producer that dies between two of its steps leaves a state that every reader understands:
 *
 *   after intent   readers know how far they have to replay (L1)
 *   after words    the ledger is ahead of the ring; intent says so
 *   after slots    the event is published (R1, R3), beyond tail
 *   after tail     only the barrier may be missing, after a Cleared
 *
 *   R4  slots -> tail (release): a reader that loads tail (acquire) finds every slot below it
 *       published, or overwritten
 *   L3  ledger words of earlier events -> tail (release) -> tail (acquire): a scan that
 *       begins after that load sees everything up to it
 */
#ifndef RDX_PUBLISH_H
#define RDX_PUBLISH_H

#include "shm/barrier.h"
#include "shm/event.h"
#include "shm/ledger.h"

/* An event, and what it does to the ledger. */
struct rdx_publish {
	struct rdx_event_head head;
	const uint64_t *hashes;  /* head.count of them, as the event holds them */
	const uint32_t *records; /* Stored, Removed: the ledger record of each block, described */
	const uint64_t *words;   /* and its word after the event, by rdx_ledger_word */
	uint32_t generations;    /* Cleared: of the ledger from now on */
};

/* A cleared ledger belongs to the clear stamp of its Cleared. */
static inline void rdx_publish_words(struct rdx_segment_live *live, struct rdx_ledger *ledger,
				     const struct rdx_publish *event)
{
	if (event->head.kind == RDX_EVENT_CLEARED) {
		rdx_word_store(&live->ledger_stamp, event->head.stamp);
		rdx_ledger_clear(live, ledger, event->head.tier, event->generations);
	}
	for (uint32_t i = 0; i < event->head.count; i++)
		rdx_ledger_put(live, ledger, event->records[i], event->words[i]);
	RDX_HOOK(RDX_HOOK_LEDGER_WRITTEN);
}

/* The tail, as readers load it. */
static inline uint64_t rdx_publish_tail(const struct rdx_segment_live *live)
{
	return atomic_load_explicit(&live->tail, memory_order_acquire); /* R4 and L3 */
}

/*
 * Publish one event at `position`, the tail. Returns the position after it, the new tail. One caller
 * at a time; wait-free.
 */
static inline uint64_t rdx_publish_event(struct rdx_segment_live *live, const struct rdx_ring *ring,
					 struct rdx_ledger *ledger, uint64_t position,
					 const struct rdx_publish *event)
{
	uint64_t end = position + rdx_event_slots(event->head.kind, event->head.count);

	rdx_ledger_intend(live, end);
	rdx_publish_words(live, ledger, event);
	rdx_event_append(ring, position, &event->head, event->hashes);
	/* R4 and L3, with rdx_publish_tail */
	atomic_store_explicit(&live->tail, end, memory_order_release);
	RDX_HOOK(RDX_HOOK_TAIL_MOVED);
	if (event->head.kind == RDX_EVENT_CLEARED && event->head.tier == RDX_SCOPE_ALL)
		rdx_barrier_name(live, position);
	return end;
}

#endif
