/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names by open addressing: places of an array, 0 where one is free, their number a power of two and
 * more than the names.
 */
#ifndef CORPUS_NAMES_H
#define CORPUS_NAMES_H

#include <stdint.h>

static inline uint64_t names_home(uint64_t name, uint64_t mask)
{
	return (name ^ name >> 32) & mask;
}

/* Where the name is, or the free place where it would be. */
static inline uint64_t names_find(const uint64_t *names, uint64_t mask, uint64_t name)
{
	uint64_t at = names_home(name, mask);

	while (names[at] && names[at] != name)
		at = (at + 1) & mask;
	return at;
}

/* The place whose name has to move to `gap`, which becomes free, or else would not be found; `gap`
 * if there is none. */
static inline uint64_t names_mover(const uint64_t *names, uint64_t mask, uint64_t gap)
{
	for (uint64_t at = (gap + 1) & mask; names[at]; at = (at + 1) & mask) {
		if (((at - names_home(names[at], mask)) & mask) >= ((at - gap) & mask))
			return at;
	}
	return gap;
}

#endif
