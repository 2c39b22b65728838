/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests under way: which worker gets each, and what answers came.
 */
#ifndef DEMO_TRAFFIC_H
#define DEMO_TRAFFIC_H

#include "tools/demo/crew.h"
#include "tools/demo/requests.h"
#include "tools/program/samples.h"
#include "tools/trace/random.h"

/* How a request's worker is chosen. */
enum policy { POLICY_OVERLAP, POLICY_RANDOM, POLICY_ROUND_ROBIN };

/* A request of this tick or an earlier one. */
struct flight {
	enum { FLIGHT_OPEN, FLIGHT_SENT, FLIGHT_DONE } state;
	uint32_t worker;
};

/* Answered requests and the full blocks of their prompts. */
struct served {
	uint64_t requests;
	uint64_t blocks;
	uint64_t cached_blocks;
	uint64_t host_blocks; /* of cached_blocks */
};

struct traffic {
	struct crew *crew;
	const struct requests *trace;
	enum policy policy;
	struct random_state random;
	uint32_t next_worker;   /* of round robin */
	struct flight *flights; /* one for each request */
	uint64_t begin;         /* of this tick: all before it are done */
	uint64_t end;

	uint64_t done;
	uint64_t refused; /* would never fit an engine */
	uint64_t blind;   /* routed round robin, the indexer being stopped */
	struct served all;
	struct served served[DEMO_WORKERS_MAX];
	struct samples first_token_us; /* virtual: queue and prefill */
	uint64_t without_answer;       /* lookups that were disturbed 64 times */
	struct samples hash_ns;
	struct samples lookup_ns;
	uint32_t *tokens; /* room for a lookup */
	uint64_t *hashes;
};

void traffic_open(struct traffic *ret_traffic, struct crew *crew, const struct requests *trace,
		  enum policy policy);

/* The requests that arrive before `end_ms` are the tick's. Those before must be done. */
void traffic_tick(struct traffic *traffic, uint64_t end_ms);

/* Send each request that has no worker to one, if it may be. */
void traffic_dispatch(struct traffic *traffic);

/* The answer of a worker. 0 where nothing was asked. */
int traffic_heard(struct traffic *traffic, uint32_t w, struct json_object *object);

/* The worker is dead: what it has not answered needs another. */
void traffic_lost(struct traffic *traffic, uint32_t worker);

static inline int traffic_is_done(const struct traffic *traffic)
{
	return traffic->end == traffic->trace->count;
}

static inline double traffic_hit_rate(const struct served *served)
{
	return served->blocks ? (double)served->cached_blocks / (double)served->blocks : 0;
}

#endif
