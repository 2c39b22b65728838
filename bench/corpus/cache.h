/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache of one simulated worker: named blocks, the least recently used evicted first. Blocks
 * that are in use cannot be evicted.
 */
#ifndef CORPUS_CACHE_H
#define CORPUS_CACHE_H

#include "tools/trace/random.h"

#define CACHE_NONE UINT32_MAX

struct cache_block {
	uint64_t name;
	uint32_t older; /* neighbours among those not in use */
	uint32_t newer;
	uint8_t in_use;
};

struct cache {
	struct cache_block *blocks; /* 0 .. count - 1 are held */
	uint32_t *places;           /* hash table of `blocks` */
	uint32_t place_mask;
	uint32_t capacity;
	uint32_t count;
	uint32_t oldest;
	uint32_t newest;
};

/* -ENOMEM. */
int cache_open(struct cache *ret_cache, uint32_t capacity);
void cache_close(struct cache *cache);

int cache_has(const struct cache *cache, uint64_t name);

/* If it is held, put it in use and return 1. */
int cache_use(struct cache *cache, uint64_t name);

/* Add a block, in use. It is not held yet and there is room. */
void cache_add(struct cache *cache, uint64_t name);

/* Evict a block that is not in use, the oldest or, where `random` is given, any. Its name, or 0 if
 * all are in use. */
uint64_t cache_evict(struct cache *cache, struct random_state *random);

/* The block is in use no more: it is the newest now. */
void cache_free(struct cache *cache, uint64_t name);

/* Forget everything. */
void cache_clear(struct cache *cache);

#endif
