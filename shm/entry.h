/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rank's entry in an index: what is known of the rank besides its blocks, read as it was at one
 * instant, and `begun`, which bounds the events that a walk of the whole table may have seen.
 *
 *   E1  sequence + 1 (relaxed), release fence, words -> words seen, acquire fence, sequence:
 *       a reader that saw a word of a change sees another sequence
 *   E2  words, sequence + 1 (release) -> sequence (acquire), words: a reader that saw the
 *       sequence sees the words
 *   E3  begun, release fence, bits of the event -> bits seen, acquire fence, begun: a walk that saw
 *       a change of an event sees `begun` at or after that event. A rank that becomes visible has
 *       begun all events until a pulse says which one it holds
 *   E4  version of a new epoch, release fence, begun -> begun, acquire fence, versions: a walk that
 *       saw `begun` of an epoch sees that the epoch has changed
 */
#ifndef RDX_ENTRY_H
#define RDX_ENTRY_H

#include "shm/hook.h"
#include "shm/index_layout.h"
#include "shm/words.h"

/* The writer's: words of the entry are about to change. Does not nest. */
static inline void rdx_entry_open(struct rdx_index_entry *entry)
{
	/* relaxed: E1's fence orders it before the words */
	rdx_word_store(&entry->sequence, rdx_word_load(&entry->sequence) + 1);
	rdx_fence_release(); /* E1, with rdx_entry_same */
}

static inline void rdx_entry_close(struct rdx_index_entry *entry)
{
	uint64_t sequence = rdx_word_load(&entry->sequence);

	/* E2, with rdx_entry_sequence */
	atomic_store_explicit(&entry->sequence, sequence + 1, memory_order_release);
}

/* The reader's, before it copies words: odd while they change. */
static inline uint64_t rdx_entry_sequence(const struct rdx_index_entry *entry)
{
	return atomic_load_explicit(&entry->sequence, memory_order_acquire); /* E2 */
}

/* Did nothing change since `sequence` was loaded? Call it after the last word was read. */
static inline int rdx_entry_same(const struct rdx_index_entry *entry, uint64_t sequence)
{
	rdx_fence_acquire(); /* E1, with rdx_entry_open */
	return !(sequence & 1) && rdx_word_load(&entry->sequence) == sequence;
}

/* The writer's: bits of this event are about to change. A Cleared made from the worker's clear file
 * has no id and leaves `begun` as it is. */
static inline void rdx_entry_begin(struct rdx_index_entry *entry, uint64_t event_id)
{
	/* relaxed: E3's fence orders it before the bits */
	if (event_id > rdx_word_load(&entry->begun))
		rdx_word_store(&entry->begun, event_id);
	rdx_fence_release(); /* E3, with rdx_entry_begun */
}

/* The writer's: the pulse stored before says that the bits are those of this event. */
static inline void rdx_entry_settle(struct rdx_index_entry *entry, uint64_t event_id)
{
	/* relaxed: E4's fence orders it after the version */
	rdx_fence_release(); /* E4, with rdx_version_same */
	rdx_word_store(&entry->begun, event_id);
}

/* The reader's: the newest event of which any bit may have been seen. Call it after the last bit
 * was read. */
static inline uint64_t rdx_entry_begun(const struct rdx_index_entry *entry)
{
	rdx_fence_acquire(); /* E3, with rdx_entry_begin */
	return rdx_word_load(&entry->begun);
}

#endif
