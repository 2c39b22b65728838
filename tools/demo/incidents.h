/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a pass on purpose, one thing at a time: workers and the router killed
 * with SIGKILL and started again, caches cleared, the router stopped for a while. Each
 * incident goes through its stages as the turns of the pass's loop find that it may.
 *
 * A worker is killed right after a request was sent to it, the router right after it was
 * asked: so there is always something to be saved. Before a router is killed some worker is
 * cleared, so that its recovery finds a barrier; the others' rings have wrapped by then.
 */
#ifndef DEMO_INCIDENTS_H
#define DEMO_INCIDENTS_H

#include "tools/demo/traffic.h"

enum incident_kind { INCIDENT_KILL_WORKER, INCIDENT_KILL_ROUTER, INCIDENT_CLEAR, INCIDENT_PAUSE };

enum incident_stage {
	INCIDENT_PLANNED,
	INCIDENT_ARMED,  /* waits for a request to be under way */
	INCIDENT_AWAY,   /* the worker is dead and still in the index, or the router is stopped */
	INCIDENT_COMING, /* started or let go on, and not exact in the index yet */
	INCIDENT_BACK,   /* exact; the router has not said how it recovered */
	INCIDENT_OVER,
	INCIDENT_CHECKED, /* the index was compared since */
};

struct incident {
	enum incident_kind kind;
	enum incident_stage stage;
	uint64_t at; /* before this request */
	uint32_t worker;
	uint8_t tier;         /* of a clear: RDX_SCOPE_ALL or RDX_TIER_HOST */
	uint8_t until_lapped; /* of a pause: until a ring has wrapped */
	uint64_t again;       /* requests asked or sent again */
	uint64_t without;     /* of a pause: requests routed round robin meanwhile */
	uint64_t since_ns;    /* killed or stopped; of a pause that ended: let go on */
	uint64_t dropped_ns;  /* of a killed worker: until the index no longer showed it */
	uint64_t back_ns;     /* until all was as before: ready, in the index, caught up */
};

/* One recovery of one rank, as the router reported it or the rows of the index show it. */
struct recovery {
	const char *after; /* "worker_killed", "ring_wrapped", ... */
	uint64_t request;  /* so many were answered */
	uint64_t worker;
	char way[16];
	uint64_t skipped;
	uint64_t replayed;
	uint64_t ledger_blocks;
	uint64_t ns;
};

struct incidents {
	struct crew *crew;
	struct traffic *traffic;
	struct incident *items;
	uint32_t count;
	uint32_t begun;
	struct incident *now; /* the one begun last */
	struct recovery *recoveries;
	uint32_t recovery_count;
	uint32_t recovery_first;                      /* of the incident begun last */
	uint32_t recovery_wanted;                     /* so many are to be reported after it */
	int hurry;                                    /* what waits for a request does so no more */
	struct rdx_index_rank rows[DEMO_WORKERS_MAX]; /* when the router was stopped */
	uint64_t newest[DEMO_WORKERS_MAX]; /* event of each worker that must be in the index */
};

const char *incidents_name(enum incident_kind kind);

/* Plan none; plan them over the trace. */
void incidents_open(struct incidents *ret_incidents, struct crew *crew, struct traffic *traffic);
void incidents_plan(struct incidents *incidents);
void incidents_close(struct incidents *incidents);

/* Where the one begun last is; PLANNED where there is none. */
enum incident_stage incidents_stage(const struct incidents *incidents);

/* Is one to begin before request `next`? */
int incidents_is_due(const struct incidents *incidents, uint64_t next);

/* Begin the next one. */
void incidents_begin(struct incidents *incidents);

/* Take the one under way further, if it may go. Once each turn, after the requests that may
 * be sent are sent. */
void incidents_step(struct incidents *incidents);

/* The router reports a recovery. */
void incidents_heard(struct incidents *incidents, struct json_object *object);

#endif
