/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a pass, ringdex-mock for each worker and one indexer, ringdex-follow, and
 * this process's own look at what they share.
 */
#ifndef DEMO_CREW_H
#define DEMO_CREW_H

#include "shm/segment_layout.h"
#include "tools/demo/child.h"
#include "tools/demo/settings.h"

#include <json-c/json.h>
#include <ringdex/rdx_index.h>

struct worker {
	uint64_t epoch; /* of its life; 0 before it is ready */
	uint64_t lives;
	uint64_t pending;           /* lines sent and not answered */
	uint64_t used_blocks;       /* by what runs there, as it said last */
	uint64_t asked_blocks;      /* that requests not answered yet need */
	struct json_object *answer; /* the last one */
};

enum crew_indexer {
	CREW_DOWN,
	CREW_COMING, /* started or let go on, and not all workers are exact in the index since */
	CREW_UP,
	CREW_STOPPED, /* by SIGSTOP */
};

struct crew {
	const struct settings *settings;
	const char *dir; /* the namespace */
	/* of the workers, and after them of the indexer */
	struct child children[DEMO_WORKERS_MAX + 1];
	struct worker workers[DEMO_WORKERS_MAX];
	enum crew_indexer indexer;
	uint64_t indexer_since_ns;                    /* started or let go on */
	struct json_object *indexer_state;            /* as it said last */
	struct rdx_index *index;                      /* NULL before the indexer has made it */
	struct rdx_index_rank rows[DEMO_WORKERS_MAX]; /* of the workers, as it shows them */
	uint64_t looked_ns;                           /* when, or a little earlier */
	uint64_t published[RDX_COUNTER_COUNT]; /* sums of all workers' counters, dead lives too */
};

/* One at a time. At exit its processes are killed. */
void crew_open(struct crew *ret_crew, const struct settings *settings, const char *dir);

/* End all processes, if some are left. */
void crew_close(struct crew *crew);

/* Of a worker's number, or the number of workers for the indexer: start it; SIGKILL, and wait
 * for the end. What a killed worker published is added to the sums. */
void crew_start(struct crew *crew, uint32_t who);
void crew_kill(struct crew *crew, uint32_t who);

/* The indexer: SIGSTOP, and wait until it has stopped; SIGCONT. */
void crew_stop_indexer(struct crew *crew);
void crew_continue_indexer(struct crew *crew);

/* Once each turn: see what the index shows. */
void crew_look(struct crew *crew);

/* Send a line to a worker. */
void crew_tell(struct crew *crew, uint32_t w, const char *line);

/* Take note of what a child says. 0 where it is nothing that was to be said. */
int crew_heard(struct crew *crew, uint32_t who, struct json_object *object);

/* Is all that runs ready, and exact in the index where there is an indexer? */
int crew_is_up(const struct crew *crew);

/* A member of what they say; 0 where it is not there. */
static inline uint64_t crew_number(struct json_object *object, const char *name)
{
	return json_object_get_uint64(json_object_object_get(object, name));
}

static inline double crew_real(struct json_object *object, const char *name)
{
	return json_object_get_double(json_object_object_get(object, name));
}

#endif
