/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger: which blocks the rank holds, so that a reader that lost the ring can rebuild its
 * exact state without asking the producer. A record a block that the producer knows, for all tiers.
 *
 *   record   prefix hash, local hash, prefix hash of the parent, word
 *   word     the high half of the prefix hash, and a byte a tier: the tier's generation where the
 *            block is held, another value where it is not
 *
 * A clear of a tier gives it the next generation, in one store: what its records say of it is void.
 * Generations are 1 to 255. The producer sees to it that no byte comes round to the present one.
 *
 * Per event the producer stores intent, then words (for a Cleared the generations), then slots,
 * then tail (publish.h). It describes a record, all but its word, while no tier holds it, after
 * the event that made it so: in the event or outside of any. Also outside of any event it may
 * rewrite a word with bytes of void generations changed to 0.
 *
 * The reader notes T = tail, then the generations and `used`, then looks at the records below
 * `used`, once each: word, then prefix. Where the two do not agree the record is being changed: it
 * is passed over. Then it notes I = intent, and replays the ring from T to max(T, I). Stores and
 * removals are idempotent, and every byte that changed since T has its event in [T, I), or the
 * Cleared of its tier: the result is exact at max(T, I).
 *
 *   L1  intent, release fence, words, generations, descriptions -> the same, acquire fence, intent:
 *       a reader that saw any effect of an event sees an intent at or after its end
 *   L4  the file made longer, L1's fence, `used` -> the same, acquire fence, the file's length: a reader
 *       that needs records it has not mapped finds them in the file
 * No order is needed between a word and its record's description: one of them that is newer than
 * T has its event in [T, I). L3, which makes the scan see everything up to T, is the tail's: publish.h.
 */
#ifndef RDX_LEDGER_H
#define RDX_LEDGER_H

#include "shm/hook.h"
#include "shm/segment_layout.h"
#include "shm/words.h"

#define RDX_LEDGER_GENERATIONS_FIRST UINT32_C(0x01010101) /* a byte a tier */

/* The ledger as its producer sees it. */
struct rdx_ledger {
	struct rdx_ledger_record *records;
	uint64_t count; /* that the file has room for */
	uint64_t used;  /* the producer's own copy of live->used */
};

/* 0xff in each tier's byte of the set. */
static inline uint32_t rdx_ledger_bytes(uint8_t tiers)
{
	/* bit t to bit 8 t */
	return ((tiers * UINT32_C(0x00204081)) & UINT32_C(0x01010101)) * 0xff;
}

/* The word of a block held in `tiers`, one bit each. */
static inline uint64_t rdx_ledger_word(uint64_t prefix, uint8_t tiers, uint32_t generations)
{
	return (prefix & ~(uint64_t)UINT32_MAX) | (generations & rdx_ledger_bytes(tiers));
}

/* The generations after a clear of the scope. */
static inline uint32_t rdx_ledger_next(uint32_t generations, uint8_t scope)
{
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		uint32_t byte = generations >> 8 * tier & 0xff;

		if (scope == RDX_SCOPE_ALL || scope == tier)
			generations += ((byte == 0xff ? 1 : byte + 1) - byte) << 8 * tier;
	}
	return generations;
}

/* The next event ends at `end_position`; its words follow. */
static inline void rdx_ledger_intend(struct rdx_segment_live *live, uint64_t end_position)
{
	/* relaxed: L1's fence orders it before the words */
	atomic_store_explicit(&live->intent, end_position, memory_order_relaxed);
	RDX_HOOK(RDX_HOOK_LEDGER_INTENT);
	rdx_fence_release(); /* L1, with rdx_ledger_intended */
}

/* What the record is about from now on. No tier holds it. */
static inline void rdx_ledger_describe(struct rdx_ledger_record *record, uint64_t prefix,
				       uint64_t local, uint64_t parent)
{
	rdx_word_store(&record->prefix, prefix);
	RDX_HOOK(RDX_HOOK_LEDGER_DESCRIBED);
	rdx_word_store(&record->local, local);
	rdx_word_store(&record->parent, parent);
}

/* The tiers that hold the described block, by rdx_ledger_word. */
static inline void rdx_ledger_mark(struct rdx_ledger_record *record, uint64_t word)
{
	rdx_word_store(&record->word, word);
}

/* The same, as a part of an event. */
static inline void rdx_ledger_put(struct rdx_segment_live *live, struct rdx_ledger *ledger,
				  uint64_t i, uint64_t word)
{
	rdx_ledger_mark(&ledger->records[i], word);
	RDX_HOOK(RDX_HOOK_LEDGER_WORD);
	if (i < ledger->used)
		return;
	ledger->used = i + 1;
	rdx_word_store(&live->used, ledger->used);
}

/* The tiers whose generation changed are empty. O(1); after a clear of all nothing is in use. */
static inline void rdx_ledger_clear(struct rdx_segment_live *live, struct rdx_ledger *ledger,
				    uint8_t scope, uint32_t generations)
{
	rdx_word_store(&live->generations, generations);
	if (scope != RDX_SCOPE_ALL)
		return;
	ledger->used = 0;
	rdx_word_store(&live->used, 0);
}

/* The file has room for so many records now: words of any of them may follow. */
static inline void rdx_ledger_extend(struct rdx_ledger *ledger, uint64_t count)
{
	ledger->count = count; /* L1's fence orders the file's length before `used` */
}

/* Records to look at. Not trusted: the caller bounds it by the file's length, looked at after it. */
static inline uint64_t rdx_ledger_used(const struct rdx_segment_live *live)
{
	uint64_t used = rdx_word_load(&live->used);

	rdx_fence_acquire(); /* L4, with rdx_ledger_extend */
	return used;
}

static inline uint32_t rdx_ledger_generations(const struct rdx_segment_live *live)
{
	return (uint32_t)rdx_word_load(&live->generations);
}

/* The prefix hash of a record, and the bytes of its tiers: 0 where it is being changed. Not
 * trusted: a prefix hash of 0 is none. */
static inline uint32_t rdx_ledger_get(const struct rdx_ledger_record *record, uint64_t *ret_prefix)
{
	uint64_t word = rdx_word_load(&record->word), prefix;

	RDX_HOOK(RDX_HOOK_SCAN_WORD);
	prefix = rdx_word_load(&record->prefix);
	*ret_prefix = prefix;
	return (word ^ prefix) >> 32 ? 0 : (uint32_t)word;
}

/* Does a tier hold a record with these bytes? */
static inline int rdx_ledger_holds(uint32_t bytes, uint8_t tier, uint32_t generations)
{
	uint32_t byte = bytes >> 8 * tier & 0xff;

	return (byte != 0) & (byte == (generations >> 8 * tier & 0xff));
}

/* I. Load it after the scan. */
static inline uint64_t rdx_ledger_intended(const struct rdx_segment_live *live)
{
	rdx_fence_acquire(); /* L1, with rdx_ledger_intend */
	return rdx_word_load(&live->intent);
}

#endif
