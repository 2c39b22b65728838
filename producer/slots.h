/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private hash table of 8-byte slots: 32 bits of a key's hash, and the index + 1 of what
 * it stands for. Linear probing at a load of at most one half; removal shifts back, so no
 * tombstone ever slows a probe. A slot's home comes from its own bits: moving it touches
 * nothing else.
 */
#ifndef RDX_SLOTS_H
#define RDX_SLOTS_H

#include <stdint.h>

#define RDX_SLOTS_NONE UINT32_MAX

struct rdx_slots {
	uint64_t *slot; /* zeroed; at least two for every key there can be */
	uint64_t count; /* at most 2^32 */
};

static inline uint64_t rdx_slots_home(const struct rdx_slots *table, uint32_t tag)
{
	return (uint64_t)tag * table->count >> 32;
}

static inline uint64_t rdx_slots_next(const struct rdx_slots *table, uint64_t i)
{
	return i + 1 == table->count ? 0 : i + 1;
}

static inline uint64_t rdx_slots_word(uint32_t tag, uint32_t index)
{
	return (uint64_t)tag << 32 | (index + 1);
}

static inline void rdx_slots_prefetch(const struct rdx_slots *table, uint32_t tag)
{
	__builtin_prefetch(&table->slot[rdx_slots_home(table, tag)], 1);
}

/*
 * Walk the indexes filed under `tag`: start with *at = rdx_slots_home, call until
 * RDX_SLOTS_NONE; *at is then a free slot where the tag may be inserted. The tag is not
 * the key: compare what the index stands for.
 */
static inline uint32_t rdx_slots_walk(const struct rdx_slots *table, uint32_t tag, uint64_t *at)
{
	for (;;) {
		uint64_t word = table->slot[*at];

		if (word == 0)
			return RDX_SLOTS_NONE;
		*at = rdx_slots_next(table, *at);
		if (word >> 32 == tag)
			return (uint32_t)word - 1;
	}
}

/* `at` is where a walk under the tag ended, and nothing was inserted or removed since. */
static inline void rdx_slots_insert(struct rdx_slots *table, uint64_t at, uint32_t tag,
				    uint32_t index)
{
	table->slot[at] = rdx_slots_word(tag, index);
}

static inline uint64_t rdx_slots_distance(const struct rdx_slots *table, uint64_t from, uint64_t to)
{
	return to >= from ? to - from : to + table->count - from;
}

/* Take out what was inserted with the same tag and index. */
static inline void rdx_slots_remove(struct rdx_slots *table, uint32_t tag, uint32_t index)
{
	uint64_t hole = rdx_slots_home(table, tag);
	uint64_t i;

	while (table->slot[hole] != rdx_slots_word(tag, index))
		hole = rdx_slots_next(table, hole);
	for (i = rdx_slots_next(table, hole); table->slot[i]; i = rdx_slots_next(table, i)) {
		uint64_t home = rdx_slots_home(table, (uint32_t)(table->slot[i] >> 32));

		if (rdx_slots_distance(table, home, i) < rdx_slots_distance(table, hole, i))
			continue;
		table->slot[hole] = table->slot[i];
		hole = i;
	}
	table->slot[hole] = 0;
}

#endif
