/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of one generation: probe, set and drop one key.
 *
 * A key's home line is (p * lines) >> 64, where p is the key times `spread`, a random odd number: a
 * worker that makes up the words of its ledger cannot aim at a line, the number of lines need not
 * be a power of two, and a table can be copied into another from end to end. A key that finds its
 * line full goes to the next. Keys are never removed or replaced within a generation: a key with no
 * bit set is merely absent. So probing ends at the first line with an empty place, and a reader
 * never takes one key's mask for another's.
 *
 * Words are relaxed: where order matters to readers a version (version.h) gives it, and elsewhere
 * one bit alone is the truth.
 */
#ifndef RDX_TABLE_H
#define RDX_TABLE_H

#include "shm/index_layout.h"
#include "shm/words.h"

struct rdx_table {
	_Atomic uint64_t *base;
	uint64_t lines;
	uint64_t spread;
	uint32_t mask_words;
	uint32_t stride_words;
};

/* 64-bit words from one line to the next. */
static inline uint32_t rdx_table_stride(uint32_t mask_words)
{
	uint32_t words = RDX_LINE_KEYS * (1 + mask_words);

	return (words + RDX_LINE_ALIGN - 1) / RDX_LINE_ALIGN * RDX_LINE_ALIGN;
}

__extension__ typedef unsigned __int128 rdx_product;

static inline uint64_t rdx_table_home(const struct rdx_table *table, uint64_t key)
{
	return (uint64_t)((rdx_product)(key * table->spread) * table->lines >> 64);
}

static inline _Atomic uint64_t *rdx_table_line(const struct rdx_table *table, uint64_t line)
{
	return table->base + line * table->stride_words;
}

static inline uint64_t rdx_table_next(const struct rdx_table *table, uint64_t line)
{
	return line + 1 < table->lines ? line + 1 : 0;
}

/* Prefetch what a probe for `key` touches first; `word` is the mask word that it will read. */
static inline void rdx_table_prefetch(const struct rdx_table *table, uint64_t key, uint32_t word)
{
	const _Atomic uint64_t *line = rdx_table_line(table, rdx_table_home(table, key));

	__builtin_prefetch((const void *)line);
	if (word)
		__builtin_prefetch((const void *)(line + RDX_LINE_KEYS * (1 + word)));
}

static inline uint32_t rdx_table_probe_limit(const struct rdx_table *table)
{
	return table->lines < RDX_PROBE_LINES_MAX ? (uint32_t)table->lines : RDX_PROBE_LINES_MAX;
}

/* Bit i: the line's key i is `key`. No branch. */
static inline uint32_t rdx_table_match(const _Atomic uint64_t *line, uint64_t key)
{
	return (uint32_t)(rdx_word_load(line) == key) |
	       (uint32_t)(rdx_word_load(line + 1) == key) << 1 |
	       (uint32_t)(rdx_word_load(line + 2) == key) << 2 |
	       (uint32_t)(rdx_word_load(line + 3) == key) << 3;
}

/* Mask 0 of the key (mask w lies RDX_LINE_KEYS * w further), or NULL. Never endless. */
static inline _Atomic uint64_t *rdx_table_find(const struct rdx_table *table, uint64_t key)
{
	uint64_t at = rdx_table_home(table, key);

	for (uint32_t left = rdx_table_probe_limit(table); left; left--) {
		_Atomic uint64_t *line = rdx_table_line(table, at);
		uint32_t match = rdx_table_match(line, key);

		if (match)
			return line + RDX_LINE_KEYS + __builtin_ctz(match);
		if (!rdx_word_load(line + RDX_LINE_KEYS - 1))
			return 0;
		at = rdx_table_next(table, at);
	}
	return 0;
}

/* Which columns of mask word `word` hold the key. */
static inline uint64_t rdx_table_mask(const struct rdx_table *table, uint64_t key, uint32_t word)
{
	const _Atomic uint64_t *mask = rdx_table_find(table, key);

	return mask ? rdx_word_load(mask + RDX_LINE_KEYS * word) : 0;
}

/* The writer's: like rdx_table_find, but the key gets a place if it has none, and
 * *used counts it. NULL: no room. */
static inline _Atomic uint64_t *rdx_table_claim(const struct rdx_table *table, uint64_t key,
						uint64_t *used, uint64_t used_max)
{
	uint64_t at = rdx_table_home(table, key);

	for (uint32_t left = rdx_table_probe_limit(table); left; left--) {
		_Atomic uint64_t *line = rdx_table_line(table, at);
		uint32_t match = rdx_table_match(line, key);

		if (!match && !rdx_word_load(line + RDX_LINE_KEYS - 1)) {
			if (*used >= used_max)
				return 0;
			match = rdx_table_match(line, 0);
			(*used)++;
			rdx_word_store(line + __builtin_ctz(match), key);
		}
		if (match)
			return line + RDX_LINE_KEYS + __builtin_ctz(match);
		at = rdx_table_next(table, at);
	}
	return 0;
}

/* Set bits of one mask word. Returns 1 if any was not set before. */
static inline int rdx_table_mask_set(_Atomic uint64_t *mask, uint32_t word, uint64_t bits)
{
	uint64_t before = rdx_word_load(mask + RDX_LINE_KEYS * word);

	if (!(bits & ~before))
		return 0;
	rdx_word_store(mask + RDX_LINE_KEYS * word, before | bits);
	return 1;
}

/* Drop bits of one mask word. Returns 1 if any was set before. */
static inline int rdx_table_mask_drop(_Atomic uint64_t *mask, uint32_t word, uint64_t bits)
{
	uint64_t before = rdx_word_load(mask + RDX_LINE_KEYS * word);

	if (!(bits & before))
		return 0;
	rdx_word_store(mask + RDX_LINE_KEYS * word, before & ~bits);
	return 1;
}

#endif
