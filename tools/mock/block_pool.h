/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mock engine's blocks, kept as vLLM keeps them.
 *
 * The device tier is a fixed number of physical blocks with reference counts. A full block
 * whose content is computed has a name and is found by it; several blocks may have one name
 * (copies). A block that nobody refers to waits in a queue, least recently freed first, and
 * stays cached until it is taken for something else: then it is evicted. With a host tier,
 * the content of an evicted block moves there; that tier holds each name once and drops its
 * least recently used.
 *
 * Nothing here knows of events, requests or time. One thread.
 */
#ifndef MOCK_BLOCK_POOL_H
#define MOCK_BLOCK_POOL_H

#include <ringdex/rdx_types.h>

#define POOL_NONE   UINT32_MAX
#define POOL_DEVICE RDX_TIER_DEVICE
#define POOL_HOST   RDX_TIER_HOST
#define POOL_TIERS  2

struct pool;

struct pool_options {
	uint32_t device_blocks; /* 1 .. 2^30 */
	uint32_t host_blocks;   /* 0: no host tier */
	/*
	 * Called for each block that leaves a tier by eviction (RDX_EVENT_REMOVED) or moves
	 * to the host (RDX_EVENT_STORED there), in the order in which it happens; all
	 * removals from the device of one pool_allocate come before what the host does.
	 * May be NULL. It must not call the pool.
	 */
	void (*changed)(void *context, uint8_t kind, uint8_t tier, uint64_t name);
	void *context;
};

/* -EINVAL, -ENOMEM. */
int block_pool_open(struct pool **ret_pool, const struct pool_options *options);
void block_pool_close(struct pool *pool);

/* A block of the tier that has this name, the one named last, or POOL_NONE. */
uint32_t block_pool_find(const struct pool *pool, uint8_t tier, uint64_t name);

/* Device blocks that nobody refers to. */
uint32_t block_pool_free(const struct pool *pool);

/* References to a device block. */
uint32_t block_pool_references(const struct pool *pool, uint32_t block);

/* Refer to a cached device block: it leaves the queue of free ones. */
void block_pool_take(struct pool *pool, uint32_t block);

/* Take `count` free device blocks, evicting what is cached in them; each is without a name
 * and has one reference. 0, or -ENOSPC with nothing changed where too few are free. */
int block_pool_allocate(struct pool *pool, uint32_t count, uint32_t *ret_blocks);

/* The referenced device block now holds what `name` (not 0) names; `content` is the
 * caller's note, given back by pool_content. The block must have no name yet. */
void block_pool_name(struct pool *pool, uint32_t block, uint64_t name, uint64_t content);

/* Drop one reference of each block, the last first: a request's tail is evicted before its
 * head. */
void block_pool_release(struct pool *pool, const uint32_t *blocks, uint32_t count);

/* The host's block of this name was used. */
void block_pool_touch(struct pool *pool, uint64_t name);

/* Forget the names of a tier. Device blocks in use stay in use. Calls nothing. */
void block_pool_clear(struct pool *pool, uint8_t tier);

/* Number of blocks of a tier; the name (0: none) and the note of one of them. */
uint32_t block_pool_capacity(const struct pool *pool, uint8_t tier);
uint64_t block_pool_block_name(const struct pool *pool, uint8_t tier, uint32_t block);
uint64_t block_pool_content(const struct pool *pool, uint8_t tier, uint32_t block);

#endif
