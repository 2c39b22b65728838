/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Free words of one tier's ledger: a stack of those given back, and a high-water mark, so that a
 * clear is O(1).
 */
#ifndef RDX_RESIDENT_H
#define RDX_RESIDENT_H

#include <assert.h>
#include <stdint.h>

struct rdx_resident {
	uint32_t *given; /* room for `capacity` */
	uint32_t given_count;
	uint32_t fresh; /* words at or above were never used */
	uint32_t capacity;
};

uint64_t rdx_resident_bytes(uint32_t capacity);

/* `memory`: the caller's to free. */
void rdx_resident_init(struct rdx_resident *resident, void *memory, uint32_t capacity);

static inline int rdx_resident_full(const struct rdx_resident *resident)
{
	return resident->given_count == 0 && resident->fresh == resident->capacity;
}

/* Not full. Words that were never used come in order: the ledger grows one by one. */
static inline uint32_t rdx_resident_take(struct rdx_resident *resident)
{
	assert(!rdx_resident_full(resident));
	if (resident->given_count)
		return resident->given[--resident->given_count];
	return resident->fresh++;
}

static inline void rdx_resident_give(struct rdx_resident *resident, uint32_t word)
{
	assert(word < resident->fresh && resident->given_count < resident->fresh);
	resident->given[resident->given_count++] = word;
}

/* The word that the nth take from now on will return. */
static inline uint32_t rdx_resident_peek(const struct rdx_resident *resident, uint32_t nth)
{
	if (nth < resident->given_count)
		return resident->given[resident->given_count - 1 - nth];
	return resident->fresh + (nth - resident->given_count);
}

/* All words are free. */
static inline void rdx_resident_clear(struct rdx_resident *resident)
{
	resident->given_count = 0;
	resident->fresh = 0;
}

#endif
