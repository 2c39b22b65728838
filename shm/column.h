/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns: a column is one bit of a mask word; the keys that have it set are what one rank holds in
 * one tier. All columns of a rank lie in one mask word, and one packed word says which:
 *
 *   63    37  36      35    32  31   25 ... 10   4  3    1  0
 *   life      forced  orphans   tier 3 ... tier 0   word    visible
 *
 * A column number is 0..63, RDX_COLUMN_NONE where the rank has no such tier. `orphans`, bit s: set
 * s may hold a block without its parent and must be scanned; `forced`: all sets must be. `life`
 * differs after every change.
 *
 * Packed words change only under their mask word's version (version.h). A set gets its orphan bit
 * before the first orphan is stored and loses it after the last is gone: at worst it is scanned
 * without need.
 */
#ifndef RDX_COLUMN_H
#define RDX_COLUMN_H

#include "shm/index_layout.h"

#define RDX_COLUMN_NONE 64

#define RDX_COLUMNS_VISIBLE       UINT64_C(1)
#define RDX_COLUMNS_WORD_SHIFT    1
#define RDX_COLUMNS_TIER_SHIFT    4
#define RDX_COLUMNS_TIER_BITS     7
#define RDX_COLUMNS_ORPHANS_SHIFT 32
#define RDX_COLUMNS_FORCED        (UINT64_C(1) << 36)
#define RDX_COLUMNS_LIFE_SHIFT    37

static_assert(RDX_MASK_WORDS_MAX <= 8, "the mask word has 3 bits");
static_assert(RDX_COLUMNS_TIER_SHIFT + RDX_TIER_COUNT * RDX_COLUMNS_TIER_BITS ==
		      RDX_COLUMNS_ORPHANS_SHIFT,
	      "fields must not overlap");

/* A packed word, unpacked. */
struct rdx_columns {
	uint8_t visible;
	uint8_t forced;
	uint8_t orphans;
	uint8_t word;
	uint8_t column[RDX_TIER_COUNT];
	uint32_t life;
};

static inline uint64_t rdx_column_pack(const struct rdx_columns *columns)
{
	uint64_t packed = columns->visible ? RDX_COLUMNS_VISIBLE : 0;

	packed |= (uint64_t)columns->word << RDX_COLUMNS_WORD_SHIFT;
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		packed |= (uint64_t)columns->column[tier]
			  << (RDX_COLUMNS_TIER_SHIFT + tier * RDX_COLUMNS_TIER_BITS);
	packed |= (uint64_t)(columns->orphans & 15) << RDX_COLUMNS_ORPHANS_SHIFT;
	if (columns->forced)
		packed |= RDX_COLUMNS_FORCED;
	return packed | (uint64_t)columns->life << RDX_COLUMNS_LIFE_SHIFT;
}

/* Any word gives something harmless: columns are 0 .. RDX_COLUMN_NONE. */
static inline void rdx_column_unpack(uint64_t packed, struct rdx_columns *ret_columns)
{
	ret_columns->visible = packed & RDX_COLUMNS_VISIBLE;
	ret_columns->word = packed >> RDX_COLUMNS_WORD_SHIFT & (RDX_MASK_WORDS_MAX - 1);
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		uint8_t column = packed >> (RDX_COLUMNS_TIER_SHIFT + tier * RDX_COLUMNS_TIER_BITS) &
				 ((1 << RDX_COLUMNS_TIER_BITS) - 1);

		ret_columns->column[tier] = column < RDX_COLUMN_NONE ? column : RDX_COLUMN_NONE;
	}
	ret_columns->orphans = packed >> RDX_COLUMNS_ORPHANS_SHIFT & 15;
	ret_columns->forced = (packed & RDX_COLUMNS_FORCED) != 0;
	ret_columns->life = (uint32_t)(packed >> RDX_COLUMNS_LIFE_SHIFT);
}

/* The bits of a column in its mask word; none for RDX_COLUMN_NONE. */
static inline uint64_t rdx_column_bit(uint8_t column)
{
	return column < RDX_COLUMN_NONE ? UINT64_C(1) << column : 0;
}

#endif
