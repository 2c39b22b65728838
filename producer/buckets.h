/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private hash table of 8-byte buckets: 32 bits of a key's hash, and 1 + the index of the entry
 * that it leads to. Linear probing at a load of at most one half; removal shifts buckets back, so
 * no tombstones slow a probe. A bucket's home position follows from its own bits: moving it touches
 * nothing else.
 */
#ifndef RDX_BUCKETS_H
#define RDX_BUCKETS_H

#include <stdint.h>

#define RDX_BUCKETS_NONE UINT32_MAX

struct rdx_buckets {
	uint64_t *bucket; /* zeroed; at least two for every key there can be */
	uint64_t count;   /* at most 2^32 */
};

static inline uint64_t rdx_buckets_home(const struct rdx_buckets *table, uint32_t tag)
{
	return (uint64_t)tag * table->count >> 32;
}

static inline uint64_t rdx_buckets_next(const struct rdx_buckets *table, uint64_t i)
{
	return i + 1 == table->count ? 0 : i + 1;
}

static inline uint64_t rdx_buckets_word(uint32_t tag, uint32_t index)
{
	return (uint64_t)tag << 32 | (index + 1);
}

static inline void rdx_buckets_prefetch(const struct rdx_buckets *table, uint32_t tag)
{
	__builtin_prefetch(&table->bucket[rdx_buckets_home(table, tag)], 1);
}

/*
 * Walk the indexes filed under `tag`: start with *at = rdx_buckets_home, call until
 * RDX_BUCKETS_NONE; *at is then a free bucket where the tag may be inserted. The tag is not the
 * key: compare the entry at the index.
 */
static inline uint32_t rdx_buckets_walk(const struct rdx_buckets *table, uint32_t tag, uint64_t *at)
{
	for (;;) {
		uint64_t word = table->bucket[*at];

		if (word == 0)
			return RDX_BUCKETS_NONE;
		*at = rdx_buckets_next(table, *at);
		if (word >> 32 == tag)
			return (uint32_t)word - 1;
	}
}

/* `at` is where a walk under the tag ended, and nothing was inserted or removed since. */
static inline void rdx_buckets_insert(struct rdx_buckets *table, uint64_t at, uint32_t tag,
				      uint32_t index)
{
	table->bucket[at] = rdx_buckets_word(tag, index);
}

static inline uint64_t rdx_buckets_distance(const struct rdx_buckets *table, uint64_t from,
					    uint64_t to)
{
	return to >= from ? to - from : to + table->count - from;
}

/* Remove what was inserted with the same tag and index. */
static inline void rdx_buckets_remove(struct rdx_buckets *table, uint32_t tag, uint32_t index)
{
	uint64_t hole = rdx_buckets_home(table, tag);
	uint64_t i;

	while (table->bucket[hole] != rdx_buckets_word(tag, index))
		hole = rdx_buckets_next(table, hole);
	for (i = rdx_buckets_next(table, hole); table->bucket[i]; i = rdx_buckets_next(table, i)) {
		uint64_t home = rdx_buckets_home(table, (uint32_t)(table->bucket[i] >> 32));

		if (rdx_buckets_distance(table, home, i) < rdx_buckets_distance(table, hole, i))
			continue;
		table->bucket[hole] = table->bucket[i];
		hole = i;
	}
	table->bucket[hole] = 0;
}

#endif
