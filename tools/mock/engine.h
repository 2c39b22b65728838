/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mock engine: requests in, cache events out, in virtual time.
 *
 * A request waits until a prefill lane, a place among the running and enough free blocks
 * are there, first come first served. It takes the cached blocks of its prefix (device,
 * then host: those are loaded back), computes the rest of its prompt at the prefill rate,
 * then its answer at the decode rate, holding its blocks until it is finished. A block gets
 * its name when it is full and computed, so two requests that compute one prefix at once
 * make two copies under one name. The last token of a prompt is always computed, as in
 * vLLM: a prompt that is cached as a whole gets a second copy of its last block. Where the
 * blocks run out while decoding, the request that came last gives its blocks back and is
 * computed again later.
 *
 * One thread. Nothing here publishes: events go to a callback.
 */
#ifndef MOCK_ENGINE_H
#define MOCK_ENGINE_H

#include "tools/mock/block_pool.h"
#include "tools/trace/request.h"
#include <ringdex/rdx_hash.h>

/* One event as an engine tells it. Pointers are valid during the call. */
struct engine_event {
	uint8_t kind; /* RDX_EVENT_STORED, _REMOVED, _CLEARED */
	uint8_t tier; /* of a clear: a scope */
	uint32_t count;
	uint32_t block_tokens;
	uint64_t parent; /* name of the block before the first; 0: none */
	const uint64_t *names;
	const uint32_t *tokens; /* of stored blocks; NULL: named only (to the host) */
	const uint64_t *locals; /* their local hashes, or NULL */
};

struct engine_options {
	uint32_t block_tokens;
	uint32_t device_blocks;
	uint32_t host_blocks;
	uint32_t running_max;   /* requests at once */
	uint32_t prefill_lanes; /* prefills at once */
	uint32_t prefill_rate;  /* tokens a second, each lane */
	uint32_t decode_rate;   /* tokens a second, each request */
	uint32_t removals_max;  /* names of one Removed event; 1: as vLLM */
	uint32_t clear_keeps;   /* 1: a clear lets running requests go on: later blocks of
				     theirs name parents from before. 0: they start again */
	uint64_t name_seed;
	struct rdx_hash_key key;
	void (*emit)(void *context, const struct engine_event *event);
	void *context;
};

/* Every field but emit, context, key and name_seed; what ringdex-mock uses. */
#define ENGINE_DEFAULTS                                                                            \
	{                                                                                          \
		.block_tokens = 16, .device_blocks = 16384, .host_blocks = 0, .running_max = 128,  \
		.prefill_lanes = 2, .prefill_rate = 20000, .decode_rate = 50, .removals_max = 1,   \
	}

struct engine_answer {
	uint64_t time_us;       /* when it was admitted */
	uint64_t queued_us;     /* since its arrival */
	uint64_t prefill_us;    /* it takes to compute the rest of the prompt */
	uint32_t total_blocks;  /* full blocks of the prompt */
	uint32_t device_blocks; /* of them found in the device tier, ... */
	uint32_t host_blocks;   /* ... and behind those in the host tier */
	uint32_t running;       /* requests, this one too */
	uint32_t free_blocks;   /* of the device tier, cached or not */
};

struct engine_stats {
	uint64_t time_us;
	uint64_t requests;
	uint64_t refused; /* never fitted */
	uint64_t preempted;
	uint64_t prompt_blocks;
	uint64_t hit_device;
	uint64_t hit_host;
	uint64_t clears;
	uint32_t running;     /* waiting ones too */
	uint32_t free_blocks; /* as in an answer */
};

struct engine;

/* -EINVAL where a size or rate is 0, -ENOMEM. */
int engine_open(struct engine **ret_engine, const struct engine_options *options);
void engine_close(struct engine *engine);

/*
 * Run virtual time on to the request's arrival, then until it is admitted. Arrivals should
 * not go back in time; one that does arrives now. 0; -E2BIG where prompt and answer need
 * more blocks than there are; -ENOMEM. Not admitted: nothing but time has changed.
 */
int engine_submit(struct engine *engine, const struct trace_request *request,
		  struct engine_answer *ret_answer);

/* Run virtual time to `time_us`, or until every request is finished. */
void engine_advance(struct engine *engine, uint64_t time_us);
void engine_finish(struct engine *engine);

/* Empty a tier, or all (RDX_SCOPE_ALL); with `tell` 0 no event says so. */
void engine_clear(struct engine *engine, uint8_t scope, int tell);

/*
 * The prefix hashes of the distinct blocks cached in a tier, ascending, straight from the
 * pool; freed by the caller. -ENOMEM.
 */
int engine_cached(const struct engine *engine, uint8_t tier, uint64_t **ret_prefixes,
		  uint32_t *ret_count);

const struct pool *engine_pool(const struct engine *engine);
void engine_stats(const struct engine *engine, struct engine_stats *ret_stats);

#endif
