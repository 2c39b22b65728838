/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns: a column is one bit of every set (set.h); the keys whose sets have it are what one rank
 * holds in one tier. One packed word says which columns a rank has:
 *
 *   5    forced
 *   1-4  orphans
 *   0    visible
 *   8-17, 18-27, 28-37, 38-47  column of tier 0, 1, 2, 3
 *
 * A column number is 0 .. RDX_COLUMNS_MAX - 1, RDX_COLUMN_NONE where the rank has no such tier.
 * `orphans`, bit s: set s of tiers may hold a block without its parent and must be scanned;
 * `forced`: all of them must be.
 *
 * Packed words change only under the version (version.h). A set of tiers gets its orphan bit before
 * the first orphan is stored and loses it after the last is gone: at worst it is scanned without
 * need.
 */
#ifndef RDX_COLUMN_H
#define RDX_COLUMN_H

#include "shm/index_layout.h"

#define RDX_COLUMN_NONE RDX_COLUMNS_MAX

#define RDX_COLUMNS_VISIBLE       UINT64_C(1)
#define RDX_COLUMNS_ORPHANS_SHIFT 1
#define RDX_COLUMNS_FORCED        (UINT64_C(1) << 5)
#define RDX_COLUMNS_TIER_SHIFT    8
#define RDX_COLUMNS_TIER_BITS     10

static_assert(RDX_COLUMN_NONE < 1 << RDX_COLUMNS_TIER_BITS, "a column fits");
static_assert(RDX_COLUMNS_TIER_SHIFT + RDX_TIER_COUNT * RDX_COLUMNS_TIER_BITS <= 64, "so do all");

/* A packed word, unpacked. */
struct rdx_columns {
	uint8_t visible;
	uint8_t forced;
	uint8_t orphans;
	uint8_t reserved;
	uint16_t column[RDX_TIER_COUNT];
};

static inline uint64_t rdx_column_pack(const struct rdx_columns *columns)
{
	uint64_t packed = columns->visible ? RDX_COLUMNS_VISIBLE : 0;

	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		packed |= (uint64_t)columns->column[tier]
			  << (RDX_COLUMNS_TIER_SHIFT + tier * RDX_COLUMNS_TIER_BITS);
	packed |= (uint64_t)(columns->orphans & 15) << RDX_COLUMNS_ORPHANS_SHIFT;
	return columns->forced ? packed | RDX_COLUMNS_FORCED : packed;
}

/* Any word gives something harmless: columns are 0 .. RDX_COLUMN_NONE. */
static inline void rdx_column_unpack(uint64_t packed, struct rdx_columns *ret_columns)
{
	ret_columns->visible = packed & RDX_COLUMNS_VISIBLE;
	ret_columns->forced = (packed & RDX_COLUMNS_FORCED) != 0;
	ret_columns->orphans = packed >> RDX_COLUMNS_ORPHANS_SHIFT & 15;
	ret_columns->reserved = 0;
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		uint16_t column =
			packed >> (RDX_COLUMNS_TIER_SHIFT + tier * RDX_COLUMNS_TIER_BITS) &
			((1 << RDX_COLUMNS_TIER_BITS) - 1);

		ret_columns->column[tier] = column < RDX_COLUMN_NONE ? column : RDX_COLUMN_NONE;
	}
}

static inline uint32_t rdx_column_word(uint32_t column)
{
	return column / RDX_COLUMN_WORD_BITS;
}

/* The column's bit in its word. */
static inline uint64_t rdx_column_bit(uint32_t column)
{
	return UINT64_C(1) << column % RDX_COLUMN_WORD_BITS;
}

/* Sets of columns as the processes keep them, RDX_COLUMN_WORDS words. */
static inline int rdx_column_in(const uint64_t *columns, uint32_t column)
{
	return (columns[rdx_column_word(column)] & rdx_column_bit(column)) != 0;
}

/* How many there are: 0, 1, or 2 for all that are more. */
static inline uint32_t rdx_column_few(const uint64_t *columns)
{
	uint32_t count = 0;

	for (uint32_t word = 0; word < RDX_COLUMN_WORDS && count < 2; word++) {
		if (columns[word])
			count += columns[word] & (columns[word] - 1) ? 2 : 1;
	}
	return count < 2 ? count : 2;
}

static inline void rdx_column_add(uint64_t *columns, uint32_t column)
{
	columns[rdx_column_word(column)] |= rdx_column_bit(column);
}

static inline void rdx_column_drop(uint64_t *columns, uint32_t column)
{
	columns[rdx_column_word(column)] &= ~rdx_column_bit(column);
}

#endif
