/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/namespaces.h"

#include <string.h>

/* Odd, about half of its bits set: spreads sums of hashes over the buckets. */
#define SPREAD UINT64_C(0xd6e8feb86659fd93)

uint64_t rdx_namespaces_bytes(uint32_t capacity)
{
	return capacity * (uint64_t)(sizeof(struct rdx_namespace_parts) + sizeof(uint32_t));
}

void rdx_namespaces_init(struct rdx_namespaces *spaces, void *memory, uint32_t capacity)
{
	*spaces = (struct rdx_namespaces){.parts = memory, .capacity = capacity, .fresh = 1};
	spaces->buckets = (uint32_t *)(spaces->parts + capacity);
	spaces->parts[0].holders = 1; /* never free, and in no bucket */
}

static uint32_t *bucket_of(const struct rdx_namespaces *spaces, uint64_t lora, uint64_t salt)
{
	uint64_t hash = (lora * SPREAD ^ salt) * SPREAD >> 32;

	return &spaces->buckets[hash * spaces->capacity >> 32];
}

void rdx_namespaces_copy(struct rdx_namespaces *spaces, const struct rdx_namespaces *from)
{
	memcpy(spaces->parts, from->parts, from->fresh * sizeof(*from->parts));
	for (uint32_t number = 1; number < from->fresh; number++) {
		struct rdx_namespace_parts *parts = &spaces->parts[number];
		uint32_t *bucket = bucket_of(spaces, parts->lora, parts->salt);

		if (!parts->holders)
			continue; /* its `next` is of the free ones */
		parts->next = *bucket;
		*bucket = number + 1;
	}
	spaces->fresh = from->fresh;
	spaces->free = from->free;
}

static uint32_t take_number(struct rdx_namespaces *spaces)
{
	uint32_t number = spaces->free;

	if (number) {
		spaces->free = spaces->parts[number - 1].next;
		return number - 1;
	}
	return spaces->fresh < spaces->capacity ? spaces->fresh++ : RDX_NAMESPACES_NONE;
}

uint32_t rdx_namespaces_enter(struct rdx_namespaces *spaces, uint64_t lora, uint64_t salt)
{
	uint32_t *bucket = bucket_of(spaces, lora, salt), number;

	if (!lora && !salt)
		return 0;
	for (uint32_t at = *bucket; at; at = spaces->parts[at - 1].next) {
		if (spaces->parts[at - 1].lora == lora && spaces->parts[at - 1].salt == salt) {
			spaces->parts[at - 1].holders++;
			return at - 1;
		}
	}
	number = take_number(spaces);
	if (number == RDX_NAMESPACES_NONE)
		return number;
	spaces->parts[number] = (struct rdx_namespace_parts){lora, salt, 1, *bucket};
	*bucket = number + 1;
	return number;
}

void rdx_namespaces_join(struct rdx_namespaces *spaces, uint32_t number)
{
	if (number)
		spaces->parts[number].holders++;
}

void rdx_namespaces_leave(struct rdx_namespaces *spaces, uint32_t number)
{
	struct rdx_namespace_parts *parts = &spaces->parts[number];
	uint32_t *link;

	if (!number || --parts->holders)
		return;
	link = bucket_of(spaces, parts->lora, parts->salt);
	while (*link != number + 1)
		link = &spaces->parts[*link - 1].next;
	*link = parts->next;
	parts->next = spaces->free;
	spaces->free = number + 1;
}
