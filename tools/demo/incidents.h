/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a pass on purpose, one thing at a time: workers and the indexer killed
 * with SIGKILL and started again, caches cleared, the indexer stopped for a while. Each
 * incident goes through its stages as the turns of the pass's loop find that it may.
 *
 * What is killed is killed right after requests were sent: so there is always something to be
 * saved. Before an indexer is killed some worker is cleared, so that its recovery finds a
 * barrier; the others' rings have wrapped by then.
 */
#ifndef DEMO_INCIDENTS_H
#define DEMO_INCIDENTS_H

#include "tools/demo/traffic.h"

#define INCIDENTS_WAYS 3 /* to recover */

enum incident_kind { INCIDENT_KILL_WORKER, INCIDENT_KILL_INDEXER, INCIDENT_CLEAR, INCIDENT_PAUSE };

enum incident_stage {
	INCIDENT_PLANNED,
	INCIDENT_AWAY,   /* the worker is dead and still in the index, or the indexer is stopped */
	INCIDENT_COMING, /* started or let go on, and not exact in the index yet */
	INCIDENT_BACK,   /* exact; the indexer has not said how it recovered */
	INCIDENT_OVER,
	INCIDENT_CHECKED, /* the index was compared since, or need not be */
};

struct incident {
	enum incident_kind kind;
	enum incident_stage stage;
	uint64_t at; /* before this request is answered */
	uint32_t worker;
	uint8_t host_only;    /* of a clear: the host tier's */
	uint8_t until_lapped; /* of a pause: until a ring has wrapped */
	uint64_t again;       /* of a killed worker: requests sent to another */
	uint64_t without;     /* of a pause: requests routed round robin meanwhile */
	uint64_t since_ns;    /* killed or stopped; of a pause that ended: let go on */
	uint64_t dropped_ns;  /* of a killed worker: until the index no longer showed it */
	uint64_t back_ns;     /* until all was as before: ready, in the index, caught up */
};

struct incidents {
	struct crew *crew;
	struct traffic *traffic;
	struct incident *items;
	uint32_t count;
	uint32_t begun;
	struct incident *now; /* the one begun last; NULL */
	/* of ranks, as the indexer reported them or the rows of the index show them: as in
	   ringdex-follow, and "after" what, when so many "request"s were answered */
	struct json_object *recoveries;
	uint32_t ways[INCIDENTS_WAYS];                /* so many since the incident begun last */
	uint32_t recovery_wanted;                     /* so many are to be reported after it */
	struct rdx_index_rank rows[DEMO_WORKERS_MAX]; /* when the indexer was stopped */
};

const char *incidents_name(enum incident_kind kind);

/* Plan them over the trace, or none. */
void incidents_open(struct incidents *ret_incidents, struct crew *crew, struct traffic *traffic,
		    int disturbed);

/* Where the one begun last is; CHECKED where there is none. */
enum incident_stage incidents_stage(const struct incidents *incidents);

/* Must the next tick wait for it? A short stop of the indexer ends before, and what the next
 * incident waits for; after the last tick it must be over. */
int incidents_holds(const struct incidents *incidents, int is_last);

/* Begin what is due, or take the one under way further, if it may go. Once each turn, after
 * the requests that may be sent are sent. */
void incidents_step(struct incidents *incidents);

/* The indexer reports recoveries. */
void incidents_heard(struct incidents *incidents, struct json_object *list);

#endif
