/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/corpus/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANDOM_TRIES 64

int cache_open(struct cache *ret_cache, uint32_t capacity)
{
	uint32_t places = 64;

	while (places < 2 * (uint64_t)capacity)
		places *= 2;
	*ret_cache = (struct cache){
		.blocks = malloc(capacity * sizeof(struct cache_block)),
		.places = malloc(places * sizeof(uint32_t)),
		.place_mask = places - 1,
		.capacity = capacity,
	};
	if (!ret_cache->blocks || !ret_cache->places) {
		cache_close(ret_cache);
		return -ENOMEM;
	}
	cache_clear(ret_cache);
	return 0;
}

void cache_close(struct cache *cache)
{
	free(cache->blocks);
	free(cache->places);
	*cache = (struct cache){0};
}

void cache_clear(struct cache *cache)
{
	memset(cache->places, 0xff, (cache->place_mask + (size_t)1) * sizeof(uint32_t));
	cache->count = 0;
	cache->oldest = cache->newest = CACHE_NONE;
}

static uint32_t home(const struct cache *cache, uint64_t name)
{
	return (uint32_t)(name * RDX_TRACE_GOLDEN >> 32) & cache->place_mask;
}

/* The place of the name, or the empty one where it would be. */
static uint32_t place_of(const struct cache *cache, uint64_t name)
{
	uint32_t place = home(cache, name);

	while (cache->places[place] != CACHE_NONE &&
	       cache->blocks[cache->places[place]].name != name)
		place = (place + 1) & cache->place_mask;
	return place;
}

/* Empty the place and move back what was put behind it because it was taken. */
static void remove_place(struct cache *cache, uint32_t place)
{
	uint32_t mask = cache->place_mask, next = place;

	for (;;) {
		uint32_t block = cache->places[next = (next + 1) & mask];

		if (block == CACHE_NONE)
			break;
		if (((next - home(cache, cache->blocks[block].name)) & mask) >=
		    ((next - place) & mask)) {
			cache->places[place] = block;
			place = next;
		}
	}
	cache->places[place] = CACHE_NONE;
}

/* What points to a block in the queue. */
static uint32_t *link_from_older(struct cache *cache, uint32_t at)
{
	uint32_t older = cache->blocks[at].older;

	return older == CACHE_NONE ? &cache->oldest : &cache->blocks[older].newer;
}

static uint32_t *link_from_newer(struct cache *cache, uint32_t at)
{
	uint32_t newer = cache->blocks[at].newer;

	return newer == CACHE_NONE ? &cache->newest : &cache->blocks[newer].older;
}

static void unlink_block(struct cache *cache, uint32_t at)
{
	*link_from_older(cache, at) = cache->blocks[at].newer;
	*link_from_newer(cache, at) = cache->blocks[at].older;
	cache->blocks[at].in_use = 1;
}

int cache_has(const struct cache *cache, uint64_t name)
{
	return cache->places[place_of(cache, name)] != CACHE_NONE;
}

int cache_use(struct cache *cache, uint64_t name)
{
	uint32_t at = cache->places[place_of(cache, name)];

	if (at == CACHE_NONE)
		return 0;
	if (!cache->blocks[at].in_use)
		unlink_block(cache, at);
	return 1;
}

void cache_add(struct cache *cache, uint64_t name)
{
	uint32_t at = cache->count++;

	cache->blocks[at] = (struct cache_block){.name = name, .in_use = 1};
	cache->places[place_of(cache, name)] = at;
}

void cache_free(struct cache *cache, uint64_t name)
{
	uint32_t at = cache->places[place_of(cache, name)];
	struct cache_block *block = &cache->blocks[at];

	block->in_use = 0;
	block->newer = CACHE_NONE;
	block->older = cache->newest;
	if (cache->newest == CACHE_NONE)
		cache->oldest = at;
	else
		cache->blocks[cache->newest].newer = at;
	cache->newest = at;
}

/* The last block takes the place of the one that goes, so that `count` blocks are held. */
static void drop_block(struct cache *cache, uint32_t at)
{
	uint32_t last = cache->count - 1;

	remove_place(cache, place_of(cache, cache->blocks[at].name));
	if (at != last) {
		cache->places[place_of(cache, cache->blocks[last].name)] = at;
		if (!cache->blocks[last].in_use) {
			*link_from_older(cache, last) = at;
			*link_from_newer(cache, last) = at;
		}
		cache->blocks[at] = cache->blocks[last];
	}
	cache->count--;
}

uint64_t cache_evict(struct cache *cache, struct random_state *random)
{
	uint32_t victim = cache->oldest;
	uint64_t name;

	for (int i = 0; random && i < RANDOM_TRIES; i++) {
		uint32_t at = random_below(random, cache->count);

		if (!cache->blocks[at].in_use) {
			victim = at;
			break;
		}
	}
	if (victim == CACHE_NONE)
		return 0;
	name = cache->blocks[victim].name;
	unlink_block(cache, victim);
	drop_block(cache, victim);
	return name;
}
