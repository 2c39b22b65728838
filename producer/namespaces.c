/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/namespaces.h"

/* Odd, about half of its bits set: spreads sums of hashes over the buckets. */
#define SPREAD UINT64_C(0xd6e8feb86659fd93)

uint64_t rdx_namespaces_bytes(uint32_t capacity)
{
	return capacity * (uint64_t)sizeof(struct rdx_namespace_parts);
}

void rdx_namespaces_init(struct rdx_namespaces *spaces, void *memory, uint32_t capacity)
{
	*spaces = (struct rdx_namespaces){.parts = memory, .capacity = capacity, .fresh = 1};
	spaces->parts[0].holders = 1; /* never free, and in no bucket */
}

/* The bucket, of the first `count`. Of those that a power of two would have more, each is still a part
 * of the one that lacks the highest bit. */
static uint32_t *bucket_of(const struct rdx_namespaces *spaces, uint64_t lora, uint64_t salt,
			   uint32_t count)
{
	uint32_t hash = (uint32_t)((lora * SPREAD ^ salt) * SPREAD >> 32);
	uint32_t mask = count == 1 ? 0 : UINT32_MAX >> __builtin_clz(count - 1);
	uint32_t bucket = hash & mask;

	return &spaces->parts[bucket < count ? bucket : bucket & mask >> 1].first;
}

/* There is one more bucket, for some of what is in the one that it was a part of. */
static void split(struct rdx_namespaces *spaces)
{
	uint32_t added = spaces->fresh, highest = UINT32_C(1) << (31 - __builtin_clz(added));
	uint32_t number = spaces->parts[added - highest].first;

	spaces->parts[added - highest].first = 0;
	while (number) {
		struct rdx_namespace_parts *parts = &spaces->parts[number - 1];
		uint32_t next = parts->next, *bucket;

		bucket = bucket_of(spaces, parts->lora, parts->salt, added + 1);
		parts->next = *bucket;
		*bucket = number;
		number = next;
	}
}

static uint32_t take_number(struct rdx_namespaces *spaces)
{
	uint32_t number = spaces->free;

	if (number) {
		spaces->free = spaces->parts[number - 1].next;
		return number - 1;
	}
	if (spaces->fresh == spaces->capacity)
		return RDX_NAMESPACES_NONE;
	split(spaces);
	return spaces->fresh++;
}

uint32_t rdx_namespaces_enter(struct rdx_namespaces *spaces, uint64_t lora, uint64_t salt)
{
	struct rdx_namespace_parts *parts;
	uint32_t *bucket, number;

	if (!lora && !salt)
		return 0;
	bucket = bucket_of(spaces, lora, salt, spaces->fresh);
	for (uint32_t at = *bucket; at; at = parts->next) {
		parts = &spaces->parts[at - 1];
		if (parts->lora == lora && parts->salt == salt) {
			parts->holders++;
			return at - 1;
		}
	}
	number = take_number(spaces);
	if (number == RDX_NAMESPACES_NONE)
		return number;
	bucket = bucket_of(spaces, lora, salt, spaces->fresh);
	parts = &spaces->parts[number];
	parts->lora = lora;
	parts->salt = salt;
	parts->holders = 1;
	parts->next = *bucket;
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
	link = bucket_of(spaces, parts->lora, parts->salt, spaces->fresh);
	while (*link != number + 1)
		link = &spaces->parts[*link - 1].next;
	*link = parts->next;
	parts->next = spaces->free;
	spaces->free = number + 1;
}
