/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests under way: which worker gets each, what answers came, and what load they are.
 */
#ifndef DEMO_TRAFFIC_H
#define DEMO_TRAFFIC_H

#include "tools/demo/crew.h"
#include "tools/demo/requests.h"
#include "tools/program/samples.h"

/* How a request's worker is chosen. */
enum policy { POLICY_OVERLAP, POLICY_RANDOM, POLICY_ROUND_ROBIN };

enum flight_state {
	FLIGHT_OPEN,    /* needs a worker */
	FLIGHT_SENT,    /* not answered yet */
	FLIGHT_RUNNING, /* admitted, decodes */
	FLIGHT_DONE,
};

struct flight {
	enum flight_state state;
	uint32_t worker;
	double until_ms; /* RUNNING, as far as its answer lets one know */
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
	uint64_t random;
	uint32_t next_worker;   /* of round robin */
	struct flight *flights; /* one for each request */
	uint64_t oldest;        /* all before it are done */
	uint64_t begin;         /* of this tick */
	uint64_t end;
	uint64_t open; /* of this tick, not admitted */

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

/* Forget what has ended by now; the requests that arrive before `end_ms` are the tick's. */
void traffic_tick(struct traffic *traffic, uint64_t now_ms, uint64_t end_ms);

/* Send each request that has no worker to one, if it may be. */
void traffic_dispatch(struct traffic *traffic);

/* The answer of a worker. 0 where nothing was asked. */
int traffic_heard(struct traffic *traffic, uint32_t w, struct json_object *object);

/* How many requests wait for an answer of this worker. With `lose`, it is dead: they need
 * another, and what ran there is gone. */
uint32_t traffic_waiting(struct traffic *traffic, uint32_t worker, int lose);

static inline double traffic_hit_rate(const struct served *served)
{
	return served->blocks ? (double)served->cached_blocks / (double)served->blocks : 0;
}

#endif
