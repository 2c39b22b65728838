/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests under way: which worker gets each, what answers came, and what load they are.
 */
#ifndef DEMO_TRAFFIC_H
#define DEMO_TRAFFIC_H

#include "tools/demo/crew.h"
#include "tools/demo/requests.h"
#include "tools/program/samples.h"

#define TRAFFIC_ROUTER UINT32_MAX /* in place of a worker */

enum flight_state {
	FLIGHT_ASK,     /* needs a worker */
	FLIGHT_ASKED,   /* the router */
	FLIGHT_CHOSEN,  /* has a worker */
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
	uint64_t refused;        /* would never fit an engine */
	uint64_t blind;          /* routed without the router, it being stopped */
	uint64_t without_answer; /* lookups that were disturbed 64 times */
	uint64_t index_bytes;
	struct served served[DEMO_WORKERS_MAX];
	struct samples first_token_us; /* virtual: queue and prefill */
	struct samples hash_ns;
	struct samples lookup_ns;
};

void traffic_open(struct traffic *ret_traffic, struct crew *crew, const struct requests *trace,
		  enum policy policy);
void traffic_close(struct traffic *traffic);

/* Forget what has ended by then; the requests that arrive before `end_ms` are the tick's. */
void traffic_expire(struct traffic *traffic, uint64_t now_ms);
void traffic_take_off(struct traffic *traffic, uint64_t end_ms);

/* Find a worker for each request that has none, and send what has one. */
void traffic_dispatch(struct traffic *traffic);

/* Answers of a worker and of the router. 0 where nothing was asked. */
int traffic_heard_worker(struct traffic *traffic, uint32_t w, struct json_object *object);
int traffic_heard_router(struct traffic *traffic, struct json_object *object);

/* How many requests wait for an answer of this worker, or of TRAFFIC_ROUTER. With `lose`, it
 * is dead: they need another, and what ran there is gone. */
uint32_t traffic_waiting(struct traffic *traffic, uint32_t worker, int lose);

/* Of all workers together. */
struct served traffic_served(const struct traffic *traffic);

static inline double traffic_hit_rate(const struct served *served)
{
	return served->blocks ? (double)served->cached_blocks / (double)served->blocks : 0;
}

#endif
