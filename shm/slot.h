/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Word 0 of a ring slot: which position lies there, and what part of an event it is.
 *
 *   63           16  15    14     13                 0
 *   position + 1     BUSY  FIRST  slots back to first
 *
 * 0 only in a slot never written. Positions never wrap: 48 bits last nine years at a
 * million slots a second, and publish refuses at the end of them.
 */
#ifndef RDX_SLOT_H
#define RDX_SLOT_H

#include <assert.h>
#include <ringdex/rdx_types.h>
#include <stdint.h>

#define RDX_SLOT_BUSY      (UINT64_C(1) << 15)
#define RDX_SLOT_FIRST     (UINT64_C(1) << 14)
#define RDX_SLOT_BACK_MASK (RDX_SLOT_FIRST - 1)
#define RDX_SLOT_SHIFT     16
#define RDX_POSITION_END   ((UINT64_C(1) << 48) - 1) /* positions are below this */

static_assert(RDX_EVENT_SLOTS_MAX - 1 <= RDX_SLOT_BACK_MASK, "slots back must fit");

/* Word 0 of a published slot, `back` slots after the first of its event. */
static inline uint64_t rdx_slot_word(uint64_t position, uint32_t back)
{
	return (position + 1) << RDX_SLOT_SHIFT | (back ? back : RDX_SLOT_FIRST);
}

static inline uint64_t rdx_slot_busy_word(uint64_t position)
{
	return (position + 1) << RDX_SLOT_SHIFT | RDX_SLOT_BUSY;
}

/* position + 1 of a slot, 0 for one never written */
static inline uint64_t rdx_slot_position_1(uint64_t word)
{
	return word >> RDX_SLOT_SHIFT;
}

static inline uint32_t rdx_slot_back(uint64_t word)
{
	return (uint32_t)(word & RDX_SLOT_BACK_MASK);
}

#endif
