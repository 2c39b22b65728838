/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private hash table of 4-byte entries in lines: 15 entries, each some bits of a key's hash above
 * 1 + the index that it leads to, and how many entries went past the line because it was full. A
 * search ends at a line that none went past; removal clears the entry and lowers the counts on its
 * way, so nothing is ever moved.
 */
#ifndef RDX_BUCKETS_H
#define RDX_BUCKETS_H

#include "shm/prefetch.h"

#include <stdint.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define RDX_BUCKETS_NONE       UINT32_MAX
#define RDX_BUCKETS_LINE       16 /* words: the count, then the entries */
#define RDX_BUCKETS_LINE_BYTES 64
#define RDX_BUCKETS_LINE_KEYS  8 /* of the 15 entries, where the table holds all it may */

struct rdx_buckets {
	uint32_t *words;     /* zeroed, on a line's boundary */
	uint64_t lines;      /* at most 2^32 */
	uint32_t index_mask; /* of an entry: 1 + index; the rest is of the hash */
};

/* A search in progress. */
struct rdx_buckets_walk {
	uint64_t line;
	uint32_t matches; /* bit i: entry i has the hash's bits, and was not looked at */
};

static inline uint64_t rdx_buckets_lines(uint32_t keys)
{
	return keys / RDX_BUCKETS_LINE_KEYS + 1;
}

/* A table takes a quarter more keys than it is made for, and their indexes, at longer searches. */
static inline uint32_t rdx_buckets_most(uint32_t keys)
{
	return keys + keys / 4;
}

static inline void rdx_buckets_init(struct rdx_buckets *table, void *memory, uint32_t keys)
{
	uint32_t bits = 1;

	while (rdx_buckets_most(keys) >> bits)
		bits++;
	*table = (struct rdx_buckets){memory, rdx_buckets_lines(keys),
				      (uint32_t)((UINT64_C(1) << bits) - 1)};
}

/* The reference, and what runs where there is no SSE2. */
static inline uint32_t rdx_buckets_match_plain(const uint32_t *line, uint32_t wanted, uint32_t mask)
{
	uint32_t matches = 0;

	for (uint32_t i = 1; i < RDX_BUCKETS_LINE; i++)
		matches |= (uint32_t)((line[i] & mask) == wanted) << i;
	return matches;
}

/* Bit i: entry i, under the mask, is `wanted`. */
static inline uint32_t rdx_buckets_match(const uint32_t *line, uint32_t wanted, uint32_t mask)
{
#if defined(__SSE2__)
	/* not in a loop: gcc 12 would keep the vectors on the stack */
	const __m128i *quarter = (const __m128i *)line;
	__m128i want = _mm_set1_epi32((int)wanted), under = _mm_set1_epi32((int)mask);
	__m128i a = _mm_cmpeq_epi32(_mm_and_si128(_mm_load_si128(quarter), under), want);
	__m128i b = _mm_cmpeq_epi32(_mm_and_si128(_mm_load_si128(quarter + 1), under), want);
	__m128i c = _mm_cmpeq_epi32(_mm_and_si128(_mm_load_si128(quarter + 2), under), want);
	__m128i d = _mm_cmpeq_epi32(_mm_and_si128(_mm_load_si128(quarter + 3), under), want);
	__m128i all = _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d));

	return (uint32_t)_mm_movemask_epi8(all) & ~1u;
#else
	return rdx_buckets_match_plain(line, wanted, mask);
#endif
}

static inline uint64_t rdx_buckets_home(const struct rdx_buckets *table, uint64_t hash)
{
	return (hash >> 32) * table->lines >> 32;
}

static inline uint64_t rdx_buckets_after(const struct rdx_buckets *table, uint64_t line)
{
	return line + 1 == table->lines ? 0 : line + 1;
}

static inline uint32_t *rdx_buckets_at(const struct rdx_buckets *table, uint64_t line)
{
	return table->words + line * RDX_BUCKETS_LINE;
}

static inline uint32_t rdx_buckets_tag(const struct rdx_buckets *table, uint64_t hash)
{
	return (uint32_t)hash & ~table->index_mask;
}

RDX_PREFETCHES void rdx_buckets_prefetch(const struct rdx_buckets *table, uint64_t hash)
{
	__builtin_prefetch(rdx_buckets_at(table, rdx_buckets_home(table, hash)), 1);
}

static inline struct rdx_buckets_walk rdx_buckets_begin(const struct rdx_buckets *table,
							uint64_t hash)
{
	struct rdx_buckets_walk walk = {.line = rdx_buckets_home(table, hash)};

	walk.matches = rdx_buckets_match(rdx_buckets_at(table, walk.line),
					 rdx_buckets_tag(table, hash), ~table->index_mask);
	return walk;
}

/* The next index that may be of the key, RDX_BUCKETS_NONE at the end: compare what it leads to. */
static inline uint32_t rdx_buckets_next(const struct rdx_buckets *table, uint64_t hash,
					struct rdx_buckets_walk *walk)
{
	for (;;) {
		const uint32_t *line = rdx_buckets_at(table, walk->line);

		while (walk->matches) {
			uint32_t i = (uint32_t)__builtin_ctz(walk->matches);
			uint32_t index = line[i] & table->index_mask;

			walk->matches &= walk->matches - 1;
			if (index)
				return index - 1;
		}
		if (line[0] == 0)
			return RDX_BUCKETS_NONE;
		walk->line = rdx_buckets_after(table, walk->line);
		walk->matches = rdx_buckets_match(rdx_buckets_at(table, walk->line),
						  rdx_buckets_tag(table, hash), ~table->index_mask);
	}
}

/* There are fewer keys in the table than it was made for. */
static inline void rdx_buckets_insert(struct rdx_buckets *table, uint64_t hash, uint32_t index)
{
	uint64_t at = rdx_buckets_home(table, hash);
	uint32_t *line = rdx_buckets_at(table, at);
	uint32_t free;

	while (!(free = rdx_buckets_match(line, 0, UINT32_MAX))) {
		line[0]++;
		at = rdx_buckets_after(table, at);
		line = rdx_buckets_at(table, at);
	}
	line[__builtin_ctz(free)] = rdx_buckets_tag(table, hash) | (index + 1);
}

/* Remove what was inserted with the same hash and index. */
static inline void rdx_buckets_remove(struct rdx_buckets *table, uint64_t hash, uint32_t index)
{
	uint32_t entry = rdx_buckets_tag(table, hash) | (index + 1);
	uint64_t at = rdx_buckets_home(table, hash);
	uint32_t *line = rdx_buckets_at(table, at);
	uint32_t found;

	while (!(found = rdx_buckets_match(line, entry, UINT32_MAX))) {
		line[0]--;
		at = rdx_buckets_after(table, at);
		line = rdx_buckets_at(table, at);
	}
	line[__builtin_ctz(found)] = 0;
}

#endif
