/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: one word per resident block and tier, so that a reader that lost the ring
 * can rebuild the rank's exact state without asking the producer.
 *
 * Per event the producer stores intent, then ledger words, then slots, then tail (publish.h). The
 * reader notes T = tail, scans the words, notes I = intent, and replays the ring from T to max(T,
 * I). Stores and removals are idempotent, and every word that changed during the scan has its event
 * in [T, I): the result is exact at max(T, I).
 *
 *   L1  intent, release fence, words -> words seen, acquire fence, intent: a reader that
 *       saw any effect of an event sees an intent at or after its end
 *   L2  word above used, used (release) -> used (acquire), word: what lies below `used` was written
 *       after the tier's last clear
 *
 * L3, which makes the scan see everything up to T, is the tail's: publish.h.
 */
#ifndef RDX_LEDGER_H
#define RDX_LEDGER_H

#include "shm/hook.h"
#include "shm/segment_layout.h"
#include "shm/words.h"

/* One tier's ledger as its producer sees it. */
struct rdx_ledger {
	_Atomic uint64_t *words;
	struct rdx_ledger_detail *details;
	uint64_t capacity_blocks;
	uint64_t used; /* the producer's own copy of live->used */
};

/* The next event ends at `end_position`; its ledger words follow. */
static inline void rdx_ledger_intend(struct rdx_segment_live *live, uint64_t end_position)
{
	/* relaxed: L1's fence orders it before the words */
	atomic_store_explicit(&live->intent, end_position, memory_order_relaxed);
	RDX_HOOK(RDX_HOOK_LEDGER_INTENT);
	rdx_fence_release(); /* L1, with rdx_ledger_intended */
}

/* Word `i` of the tier now holds `prefix`. It must be free: a freed word below `used`, or one at or
 * above it with only zeroes between them, as a clear of an empty tier leaves. */
static inline void rdx_ledger_set(struct rdx_segment_live *live, struct rdx_ledger *ledger,
				  uint8_t tier, uint64_t i, uint64_t prefix, uint64_t local,
				  uint64_t parent)
{
	rdx_word_store(&ledger->details[i].local, local);
	rdx_word_store(&ledger->details[i].parent, parent);
	rdx_word_store(&ledger->words[i], prefix);
	RDX_HOOK(RDX_HOOK_LEDGER_WORD);
	if (i < ledger->used)
		return;
	ledger->used = i + 1;
	atomic_store_explicit(&live->used[tier], ledger->used, memory_order_release); /* L2 */
}

static inline void rdx_ledger_free(struct rdx_ledger *ledger, uint64_t i)
{
	rdx_word_store(&ledger->words[i], 0);
	RDX_HOOK(RDX_HOOK_LEDGER_WORD);
}

/* The tier is empty: O(1), words above `used` are not looked at. */
static inline void rdx_ledger_clear(struct rdx_segment_live *live, struct rdx_ledger *ledger,
				    uint8_t tier)
{
	ledger->used = 0;
	rdx_word_store(&live->used[tier], 0);
}

/* Words to scan. Not trusted: the caller bounds it by the tier's capacity. */
static inline uint64_t rdx_ledger_used(const struct rdx_segment_live *live, uint8_t tier)
{
	return atomic_load_explicit(&live->used[tier], memory_order_acquire); /* L2 */
}

/* I. Load it after the scan. */
static inline uint64_t rdx_ledger_intended(const struct rdx_segment_live *live)
{
	rdx_fence_acquire(); /* L1, with rdx_ledger_intend */
	return rdx_word_load(&live->intent);
}

#endif
