/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest event of every rank that an index has applied, side by side, and when it was.
 *
 *   P1  cells of an event, event id (release) -> event id, acquire fence, cells: a reader that saw
 *       the id sees the blocks of the event, and the generation that was current then (G2)
 */
#ifndef RDX_PULSE_H
#define RDX_PULSE_H

#include "shm/index_layout.h"
#include "shm/words.h"

/* The writer's: all of this event is in the table. The event id last: a reader that sees it sees
 * its blocks. */
static inline void rdx_pulse_publish(struct rdx_index_live *live, uint32_t seat, uint64_t event_id,
				     uint64_t seen_ns, uint64_t event_ns)
{
	rdx_word_store(&live->pulse[seat].seen_ns, seen_ns);
	rdx_word_store(&live->pulse[seat].event_ns, event_ns);
	atomic_store_explicit(&live->event_id[seat], event_id, memory_order_release); /* P1 */
}

/* The reader's, before it looks at the generation and at the table. */
static inline void rdx_pulse_copy(const struct rdx_index_live *live, uint32_t count,
				  uint64_t *ret_event_ids)
{
	rdx_words_load(ret_event_ids, live->event_id, count);
	rdx_fence_acquire(); /* P1 */
}

#endif
