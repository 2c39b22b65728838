/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a pass on purpose, one thing at a time: workers and the indexer killed
 * with SIGKILL and started again, caches cleared, the indexer stopped for a while. Each
 * incident goes through its stages as the turns of the pass's loop find that it may.
 */
#ifndef DEMO_INCIDENTS_H
#define DEMO_INCIDENTS_H

#include "tools/demo/traffic.h"

enum incident_stage {
	INCIDENT_NONE,
	INCIDENT_AWAY,   /* the worker is dead and still in the index, or the indexer is stopped */
	INCIDENT_COMING, /* started or let go on, and not exact in the index yet */
	INCIDENT_OVER,   /* exact again; the index is to be compared */
};

/* How the index came to show a worker as it does, by the worker's row in it. */
struct recovery {
	const char *after; /* an incident, or what happened by itself */
	const char *way;
	uint64_t request; /* so many were answered */
	uint64_t worker;
	uint64_t events_skipped;
	uint64_t events_read;
	uint64_t blocks; /* held then */
	uint64_t took_ns;
};

struct incidents {
	struct crew *crew;
	struct traffic *traffic;
	uint32_t begun[DEMO_INCIDENTS]; /* so many of each */
	uint32_t picked;                /* workers, in turn */
	struct json_object *list;       /* of those begun */

	/* the one under way, or the last */
	const struct incident_kind *kind;
	enum incident_stage stage;
	uint32_t worker;
	uint64_t blind_wanted;   /* of a pause: requests to be routed meanwhile */
	uint64_t since_ns;       /* killed or stopped; of a pause that ended: let go on */
	struct json_object *row; /* its own in the list */
	uint32_t ways[4];        /* recoveries after it, by RDX_RECOVERED_... */

	struct recovery *recoveries;
	uint32_t recovery_count;
	struct rdx_index_rank known[DEMO_WORKERS_MAX]; /* rows when all was exact */
};

void incidents_open(struct incidents *ret_incidents, struct crew *crew, struct traffic *traffic);

/* Must the next tick wait for the one under way? A stop of the indexer that was long enough ends
 * before, and what the next incident waits for; after the last tick it must be over. */
int incidents_holds(const struct incidents *incidents);

/* Take note of recoveries, take the incident under way further, if it may go, or begin what is
 * due. Once each turn, after the requests that may be sent are sent. */
void incidents_step(struct incidents *incidents);

#endif
