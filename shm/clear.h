/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker-wide clear: some engines clear all ranks of a worker and report it on one of them. That
 * one raises the worker's stamp; what has an older one is dead.
 *
 *   C1  stamp + 1 (acq_rel) -> stamp seen (acquire): a reader that sees the new stamp, in the file
 *       or in an event, drops what is older
 *
 * A clear file may lose its name while ranks have it mapped. Who notices makes another one that goes on
 * from it, and the others go over as they notice. Until then clears in either file are not seen in the
 * other, and of two such clears neither is the other one: so who goes over adds to the new file what the
 * lost one has had since, each clear once, whoever comes first. These come late for who uses the new
 * file: what it published since is dropped too, though its engine may hold it, and it is LACKING.
 *
 * All of that is one word, `clears`: the stamp (32 bits), whether its clear came late (1), and how many
 * were brought over from the lost file (31). Who comes from a file about which this one says nothing adds
 * a late clear, since there may have been some.
 */
#ifndef RDX_CLEAR_H
#define RDX_CLEAR_H

#include "shm/hook.h"
#include "shm/namespace_layout.h"
#include "shm/words.h"

#define RDX_CLEAR_ONE     (UINT64_C(1) << 32)
#define RDX_CLEAR_LATE    (UINT64_C(1) << 31)
#define RDX_CLEAR_BROUGHT (RDX_CLEAR_LATE - 1)

/* Is clear stamp `a` before `b`? They wrap; compare them nowhere else. */
static inline int rdx_clear_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline uint32_t rdx_clear_stamp_of(uint64_t clears)
{
	return (uint32_t)(clears >> 32);
}

/* Is it, still, the file of that id? Noise may be written over it, or it may be cut, also now. */
static inline int rdx_clear_is_sound(const struct rdx_clear *clear, uint64_t id)
{
	return rdx_word_load((const _Atomic uint64_t *)&clear->magic) == RDX_CLEAR_MAGIC &&
	       rdx_word_load((const _Atomic uint64_t *)&clear->id) == id &&
	       rdx_word_load((const _Atomic uint64_t *)&clear->end) == id;
}

static inline uint64_t rdx_clear_load(const struct rdx_clear *clear)
{
	return atomic_load_explicit(&clear->clears, memory_order_acquire); /* C1 */
}

static inline uint32_t rdx_clear_stamp(const struct rdx_clear *clear)
{
	return rdx_clear_stamp_of(rdx_clear_load(clear));
}

/* Change `clears` to `next`; 0: try again, with *seen as it is now. */
static inline int rdx_clear_change(struct rdx_clear *clear, uint64_t *seen, uint64_t next)
{
	/* C1, with rdx_clear_load */
	return atomic_compare_exchange_strong_explicit(&clear->clears, seen, next,
						       memory_order_acq_rel, memory_order_acquire);
}

/* Raise the stamp and return the new one. Wait-free: who meets another rank's change leaves the mark of a
 * late clear as it is, which makes ranks LACKING at worst. */
static inline uint32_t rdx_clear_bump(struct rdx_clear *clear)
{
	uint64_t seen = rdx_clear_load(clear), next = (seen & ~RDX_CLEAR_LATE) + RDX_CLEAR_ONE;

	if (!(seen & RDX_CLEAR_LATE) || !rdx_clear_change(clear, &seen, next))
		/* C1, with rdx_clear_load */
		next = RDX_CLEAR_ONE + atomic_fetch_add_explicit(&clear->clears, RDX_CLEAR_ONE,
								 memory_order_acq_rel);
	RDX_HOOK(RDX_HOOK_CLEAR_BUMPED);
	return rdx_clear_stamp_of(next);
}

/* Add what the file that this one was made from has had since: its stamp is `lost`. Returns the stamp then;
 * where that is not `lost`, there were clears of which the lost file knows nothing. */
static inline uint32_t rdx_clear_take_over(struct rdx_clear *clear, uint32_t lost)
{
	uint64_t seen = rdx_clear_load(clear), next;

	do {
		uint32_t brought = (uint32_t)(seen & RDX_CLEAR_BROUGHT);
		uint32_t counted = (uint32_t)clear->from + brought;

		if (!rdx_clear_before(counted, lost))
			return rdx_clear_stamp_of(seen);
		next = (uint64_t)(rdx_clear_stamp_of(seen) + lost - counted) << 32;
		next |= RDX_CLEAR_LATE | (brought + lost - counted);
	} while (!rdx_clear_change(clear, &seen, next));
	return rdx_clear_stamp_of(next);
}

/* Add one clear that comes late. Returns the stamp. */
static inline uint32_t rdx_clear_add_late(struct rdx_clear *clear)
{
	uint64_t seen = rdx_clear_load(clear), next;

	do
		next = (seen + RDX_CLEAR_ONE) | RDX_CLEAR_LATE;
	while (!rdx_clear_change(clear, &seen, next));
	return rdx_clear_stamp_of(next);
}

/*
 * A rank that has followed the stamp `followed` goes over to the file that has the name now, from `lost`, or
 * from NULL: a damaged one. `*ret_stamp`: that to be followed from then on. 1: there may have been clears
 * that the rank has not followed, which are late for it; 0: there were none.
 */
static inline int rdx_clear_go_over(struct rdx_clear *clear, const struct rdx_clear *lost,
				    uint32_t followed, uint32_t *ret_stamp)
{
	if (lost && clear->made_from == lost->id) {
		*ret_stamp = rdx_clear_take_over(clear, rdx_clear_stamp(lost));
		return *ret_stamp != followed;
	}
	*ret_stamp = rdx_clear_add_late(clear);
	return 1;
}

/* The content of a file that goes on from one of this id and stamp, as far as known; 0, 0: of none. */
static inline void rdx_clear_fill(struct rdx_clear *clear, uint64_t id, uint64_t made_from,
				  uint32_t stamp)
{
	/* word by word: the models run this, and GenMC copies no structures */
	clear->magic = RDX_CLEAR_MAGIC;
	clear->id = id;
	clear->made_from = made_from;
	clear->from = stamp;
	atomic_store_explicit(&clear->clears, stamp * RDX_CLEAR_ONE, memory_order_relaxed);
	clear->reserved[0] = clear->reserved[1] = 0;
	clear->end = id;
}

#endif
