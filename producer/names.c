/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "producer/names.h"

#include <errno.h>

/* A life is 8 bits: entries must be swept before it wraps. */
#define LIVES_MAX 250

/* Entries checked in one step of the search for a name that a clear dropped. */
#define SWEEP_STEP 64

/* Stale places of the queue may be as many again. */
#define QUEUE_PER_NAME 2

/* Batches of names to forget that are prefetched at once. */
#define PREFETCH_BATCHES 3

/* The map is mostly full of remembered names: an emptier table is faster. */
#define BUCKETS_PER_NAME 4

uint64_t rdx_names_bytes(uint32_t capacity)
{
	return (uint64_t)capacity * (sizeof(struct rdx_name) + BUCKETS_PER_NAME * sizeof(uint64_t) +
				     sizeof(uint64_t) + QUEUE_PER_NAME * sizeof(uint32_t));
}

void rdx_names_init(struct rdx_names *names, void *memory, uint32_t capacity, const uint64_t *key,
		    struct rdx_lineage *lineage)
{
	*names = (struct rdx_names){
		.entries = memory,
		.lineage = lineage,
		.capacity = capacity,
		.queue_size = QUEUE_PER_NAME * capacity,
		.free_head = RDX_NAME_NONE,
		.key = {key[0], key[1]},
	};
	names->table.bucket = (uint64_t *)(names->entries + capacity);
	names->table.count = BUCKETS_PER_NAME * (uint64_t)capacity;
	names->salts = names->table.bucket + names->table.count;
	names->queue = (uint32_t *)(names->salts + capacity);
}

uint64_t rdx_names_hash(const struct rdx_names *names, const void *text)
{
	return XXH3_64bits_withSeed(text, sizeof(((struct rdx_name *)0)->text), names->key[1]);
}

static void free_entry(struct rdx_names *names, uint32_t index)
{
	struct rdx_name *entry = &names->entries[index];

	rdx_buckets_remove(&names->table, entry->tag, index);
	rdx_lineage_unname(names->lineage, entry->node);
	entry->flags = 0;
	entry->node = names->free_head;
	names->free_head = index;
	assert(names->count > 0);
	names->count--;
}

/* A place is stale when its name has been held since, or is gone. */
static int oldest_is_stale(const struct rdx_names *names)
{
	const struct rdx_name *entry = &names->entries[names->queue[names->queue_head]];

	return !(entry->flags & RDX_NAME_REMEMBERED) || entry->queued_at != names->queue_head;
}

/* Remove the queue's oldest place, and forget its name unless the place is stale. */
static void forget_oldest(struct rdx_names *names)
{
	uint32_t at = names->queue_head;

	if (!oldest_is_stale(names))
		free_entry(names, names->queue[at]);
	names->queue_head = at + 1 == names->queue_size ? 0 : at + 1;
	assert(names->queue_count > 0);
	names->queue_count--;
}

void rdx_names_remember(struct rdx_names *names, uint32_t index)
{
	struct rdx_name *entry = &names->entries[index];
	uint64_t at;

	/* full only where stale places fill it: its oldest name is older than as many
	 * removals as there are names */
	if (names->queue_count == names->queue_size)
		forget_oldest(names);
	at = (uint64_t)names->queue_head + names->queue_count;
	if (at >= names->queue_size)
		at -= names->queue_size;
	names->queue[at] = index;
	names->queue_count++;
	entry->queued_at = (uint32_t)at;
	entry->flags = (uint8_t)((entry->flags & ~RDX_NAME_HELD) | RDX_NAME_REMEMBERED);
}

void rdx_names_settle(struct rdx_names *names, uint32_t index)
{
	struct rdx_name *entry = &names->entries[index];

	if (entry->life == names->life)
		return;
	entry->life = names->life;
	memset(entry->copies, 0, sizeof(entry->copies));
	if (entry->flags & RDX_NAME_HELD)
		rdx_names_remember(names, index);
}

static void settle_more(struct rdx_names *names, uint32_t count)
{
	if (!names->lives)
		return;
	for (; count && names->swept < names->fresh; count--)
		rdx_names_settle(names, names->swept++);
	if (names->swept == names->fresh)
		names->lives = 0;
}

int rdx_names_reserve(struct rdx_names *names, uint32_t count)
{
	while (names->capacity - names->count < count) {
		if (names->queue_count)
			forget_oldest(names);
		else if (names->lives)
			settle_more(names, SWEEP_STEP);
		else
			return -ENOSPC;
	}
	return 0;
}

void rdx_names_clear(struct rdx_names *names)
{
	if (names->lives == LIVES_MAX)
		settle_more(names, UINT32_MAX);
	names->life++;
	names->lives++;
	names->swept = 0;
}

void rdx_names_sweep(struct rdx_names *names, uint32_t count)
{
	settle_more(names, count);
	for (; count && names->queue_count && oldest_is_stale(names); count--)
		forget_oldest(names);
}

/* How many of the queue's places from the nth on, at most `count`, are contiguous. */
static uint32_t places(const struct rdx_names *names, uint32_t nth, uint32_t count)
{
	uint32_t most = names->queue_size - names->queue_head;

	if (names->queue_count < most)
		most = names->queue_count;
	if (most <= nth)
		return 0;
	return most - nth < count ? most - nth : count;
}

void rdx_names_prefetch_oldest(const struct rdx_names *names, uint32_t count)
{
	const struct rdx_lineage *lineage = names->lineage;
	const uint32_t *place = names->queue + names->queue_head;
	uint32_t end;

	if (names->capacity - names->count >= PREFETCH_BATCHES * count)
		return;
	end = places(names, 2 * count, count);
	for (uint32_t i = 2 * count; i < 2 * count + end; i++)
		__builtin_prefetch(&names->entries[place[i]], 1);

	end = places(names, count, count);
	for (uint32_t i = count; i < count + end; i++) {
		const struct rdx_name *entry = &names->entries[place[i]];

		rdx_buckets_prefetch(&names->table, entry->tag);
		__builtin_prefetch(&lineage->nodes[entry->node], 1);
	}

	end = places(names, 0, count);
	for (uint32_t i = 0; i < end; i++) {
		const struct rdx_name *entry = &names->entries[place[i]];
		const struct rdx_node *node;

		if (!(entry->flags & RDX_NAME_REMEMBERED))
			continue; /* stale: a free entry has no node */
		node = &lineage->nodes[entry->node];
		rdx_buckets_prefetch(&lineage->table, rdx_lineage_tag(node->prefix));
		__builtin_prefetch(&lineage->nodes[node->parent], 1);
	}
}
