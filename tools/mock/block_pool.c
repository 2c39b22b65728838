/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mock/block_pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define BLOCKS_MAX (UINT32_C(1) << 30)

struct block {
	uint64_t name; /* 0: not cached */
	uint64_t content;
	uint32_t references;
	uint32_t same_bucket; /* next block of the name's bucket */
	uint32_t older;       /* neighbours in the queue, while free */
	uint32_t newer;
};

/* Physical blocks of one tier: found by name, reused in the order of the queue. */
struct tier {
	struct block *blocks;
	uint32_t *buckets;
	uint32_t bucket_mask;
	uint32_t capacity;
	uint32_t oldest;
	uint32_t newest;
	uint32_t free;
};

struct pool {
	struct tier tiers[POOL_TIERS];
	struct pool_options options;
	struct block *evicted; /* of the allocation in progress */
};

static void queue_append(struct tier *tier, uint32_t at)
{
	struct block *block = &tier->blocks[at];

	block->older = tier->newest;
	block->newer = POOL_NONE;
	if (tier->newest == POOL_NONE)
		tier->oldest = at;
	else
		tier->blocks[tier->newest].newer = at;
	tier->newest = at;
	tier->free++;
}

static void queue_remove(struct tier *tier, uint32_t at)
{
	const struct block *block = &tier->blocks[at];

	if (block->older == POOL_NONE)
		tier->oldest = block->newer;
	else
		tier->blocks[block->older].newer = block->newer;
	if (block->newer == POOL_NONE)
		tier->newest = block->older;
	else
		tier->blocks[block->newer].older = block->older;
	tier->free--;
}

/* Names are hashes: their low bits are as good as any. */
static uint32_t *bucket_of(const struct tier *tier, uint64_t name)
{
	return &tier->buckets[name & tier->bucket_mask];
}

static void name_block(struct tier *tier, uint32_t at, uint64_t name, uint64_t content)
{
	uint32_t *bucket = bucket_of(tier, name);

	tier->blocks[at].name = name;
	tier->blocks[at].content = content;
	tier->blocks[at].same_bucket = *bucket;
	*bucket = at;
}

static void unname_block(struct tier *tier, uint32_t at)
{
	uint32_t *link = bucket_of(tier, tier->blocks[at].name);

	while (*link != at)
		link = &tier->blocks[*link].same_bucket;
	*link = tier->blocks[at].same_bucket;
	tier->blocks[at].name = 0;
}

static uint32_t find_name(const struct tier *tier, uint64_t name)
{
	uint32_t at;

	if (!tier->capacity)
		return POOL_NONE;
	at = *bucket_of(tier, name);
	while (at != POOL_NONE && tier->blocks[at].name != name)
		at = tier->blocks[at].same_bucket;
	return at;
}

static int tier_open(struct tier *tier, uint32_t capacity)
{
	uint32_t buckets = 1;

	tier->oldest = tier->newest = POOL_NONE;
	tier->capacity = capacity;
	if (!capacity)
		return 0;
	while (buckets < capacity)
		buckets *= 2;
	tier->bucket_mask = buckets - 1;
	tier->blocks = calloc(capacity, sizeof(*tier->blocks));
	tier->buckets = malloc(buckets * sizeof(*tier->buckets));
	if (!tier->blocks || !tier->buckets)
		return -ENOMEM;
	for (uint32_t i = 0; i < buckets; i++)
		tier->buckets[i] = POOL_NONE;
	for (uint32_t i = 0; i < capacity; i++)
		queue_append(tier, i);
	return 0;
}

int block_pool_open(struct pool **ret_pool, const struct pool_options *options)
{
	struct pool *pool;

	if (!options->device_blocks || options->device_blocks > BLOCKS_MAX ||
	    options->host_blocks > BLOCKS_MAX)
		return -EINVAL;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	pool->options = *options;
	pool->evicted = malloc(options->device_blocks * sizeof(*pool->evicted));
	if (!pool->evicted || tier_open(&pool->tiers[POOL_DEVICE], options->device_blocks) < 0 ||
	    tier_open(&pool->tiers[POOL_HOST], options->host_blocks) < 0) {
		block_pool_close(pool);
		return -ENOMEM;
	}
	*ret_pool = pool;
	return 0;
}

void block_pool_close(struct pool *pool)
{
	if (!pool)
		return;
	for (int i = 0; i < POOL_TIERS; i++) {
		free(pool->tiers[i].blocks);
		free(pool->tiers[i].buckets);
	}
	free(pool->evicted);
	free(pool);
}

uint32_t block_pool_find(const struct pool *pool, uint8_t tier, uint64_t name)
{
	return find_name(&pool->tiers[tier], name);
}

uint32_t block_pool_free(const struct pool *pool)
{
	return pool->tiers[POOL_DEVICE].free;
}

uint32_t block_pool_references(const struct pool *pool, uint32_t block)
{
	return pool->tiers[POOL_DEVICE].blocks[block].references;
}

void block_pool_take(struct pool *pool, uint32_t block)
{
	struct tier *device = &pool->tiers[POOL_DEVICE];

	if (!device->blocks[block].references++)
		queue_remove(device, block);
}

static void changed(const struct pool *pool, uint8_t kind, uint8_t tier, uint64_t name)
{
	if (pool->options.changed)
		pool->options.changed(pool->options.context, kind, tier, name);
}

static void host_drop(struct pool *pool, uint32_t at)
{
	struct tier *host = &pool->tiers[POOL_HOST];
	uint64_t name = host->blocks[at].name;

	if (!name)
		return;
	unname_block(host, at);
	changed(pool, RDX_EVENT_REMOVED, POOL_HOST, name);
}

/* Drop the host's least recently used until `wanted` of its blocks hold nothing: those
 * without a name are always the oldest. */
static void host_make_room(struct pool *pool, uint32_t wanted)
{
	struct tier *host = &pool->tiers[POOL_HOST];
	uint32_t at = host->oldest;

	for (uint32_t empty = 0; empty < wanted; empty++) {
		host_drop(pool, at);
		at = host->blocks[at].newer;
	}
}

static void host_store(struct pool *pool, const struct block *evicted)
{
	struct tier *host = &pool->tiers[POOL_HOST];
	uint32_t at = host->oldest;

	host_drop(pool, at);
	queue_remove(host, at);
	queue_append(host, at);
	name_block(host, at, evicted->name, evicted->content);
	changed(pool, RDX_EVENT_STORED, POOL_HOST, evicted->name);
}

/* Move what was evicted to the host: room for all of it first, so that removals and stores
 * are not mixed. Of more than the host can hold, the last evicted stay. */
static void host_receive(struct pool *pool, uint32_t count)
{
	const struct tier *host = &pool->tiers[POOL_HOST];
	uint32_t fresh = 0, skipped;

	if (!host->capacity)
		return;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t name = pool->evicted[i].name;

		if (find_name(host, name) == POOL_NONE)
			fresh++;
		else
			block_pool_touch(pool, name);
	}
	host_make_room(pool, fresh < host->capacity ? fresh : host->capacity);
	skipped = count > host->capacity ? count - host->capacity : 0;
	for (uint32_t i = skipped; i < count; i++) {
		if (find_name(host, pool->evicted[i].name) == POOL_NONE)
			host_store(pool, &pool->evicted[i]);
	}
}

int block_pool_allocate(struct pool *pool, uint32_t count, uint32_t *ret_blocks)
{
	struct tier *device = &pool->tiers[POOL_DEVICE];
	uint32_t evicted = 0;

	if (count > device->free)
		return -ENOSPC;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = device->oldest;
		struct block *block = &device->blocks[at];

		queue_remove(device, at);
		block->references = 1;
		ret_blocks[i] = at;
		if (block->name) {
			pool->evicted[evicted++] = *block;
			unname_block(device, at);
			changed(pool, RDX_EVENT_REMOVED, POOL_DEVICE,
				pool->evicted[evicted - 1].name);
		}
	}
	host_receive(pool, evicted);
	return 0;
}

void block_pool_name(struct pool *pool, uint32_t block, uint64_t name, uint64_t content)
{
	struct tier *device = &pool->tiers[POOL_DEVICE];

	assert(name && !device->blocks[block].name && device->blocks[block].references);
	name_block(device, block, name, content);
}

void block_pool_release(struct pool *pool, const uint32_t *blocks, uint32_t count)
{
	struct tier *device = &pool->tiers[POOL_DEVICE];

	while (count-- > 0) {
		struct block *block = &device->blocks[blocks[count]];

		assert(block->references);
		if (!--block->references)
			queue_append(device, blocks[count]);
	}
}

void block_pool_touch(struct pool *pool, uint64_t name)
{
	struct tier *host = &pool->tiers[POOL_HOST];
	uint32_t at = find_name(host, name);

	if (at == POOL_NONE)
		return;
	queue_remove(host, at);
	queue_append(host, at);
}

void block_pool_clear(struct pool *pool, uint8_t tier)
{
	struct tier *cleared = &pool->tiers[tier];

	for (uint32_t i = 0; i < cleared->capacity; i++) {
		if (cleared->blocks[i].name)
			unname_block(cleared, i);
	}
}

uint32_t block_pool_capacity(const struct pool *pool, uint8_t tier)
{
	return pool->tiers[tier].capacity;
}

uint64_t block_pool_block_name(const struct pool *pool, uint8_t tier, uint32_t block)
{
	return pool->tiers[tier].blocks[block].name;
}

uint64_t block_pool_content(const struct pool *pool, uint8_t tier, uint32_t block)
{
	return pool->tiers[tier].blocks[block].content;
}
