/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a pass, ringdex-mock for each worker and one indexer, ringdex-follow, and
 * this process's own look at what they share.
 */
#ifndef DEMO_CREW_H
#define DEMO_CREW_H

#include "tools/demo/child.h"
#include "tools/demo/settings.h"
#include "tools/inspect/sighting.h"

#include <json-c/json.h>
#include <ringdex/rdx_index.h>

enum crew_state {
	CREW_DOWN,
	CREW_STARTING, /* a worker: not ready; the indexer: has not caught up with all workers */
	CREW_UP,
	CREW_STOPPED, /* by SIGSTOP, and has not caught up since */
};

struct member {
	enum crew_state state;
	uint64_t since_ns; /* it was started, stopped or let go on */
	uint64_t lives;
	/* of a worker */
	uint32_t pending; /* lines sent and not answered */
	uint64_t epoch;
	uint64_t newest;            /* event that an indexer let go on must have read */
	struct json_object *answer; /* to its last command */
};

struct crew {
	const struct settings *settings;
	const char *dir; /* the namespace */
	/* the workers, and after them the indexer */
	struct child children[DEMO_WORKERS_MAX + 1];
	struct member members[DEMO_WORKERS_MAX + 1];
	struct rdx_index *index;                      /* NULL before the indexer has made it */
	struct rdx_index_rank rows[DEMO_WORKERS_MAX]; /* of the workers, as it shows them */
	uint64_t looked_ns;                           /* when */
	uint64_t index_bytes;                         /* this and the next as the indexer says */
	char wait[16];                                /* how it sleeps */
	uint64_t published[RDX_COUNTER_COUNT]; /* sums of all workers' counters, dead lives too */
};

static inline struct member *crew_indexer(struct crew *crew)
{
	return &crew->members[crew->settings->workers];
}

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

/* Once each turn: see what the index shows, and whether the indexer has caught up. */
void crew_look(struct crew *crew);

/* Send a line to one worker, or to all that are up. */
void crew_tell(struct crew *crew, uint32_t w, const char *line);
void crew_tell_all(struct crew *crew, const char *line);

/* Is all that runs up, and is every line answered? */
int crew_is_up(const struct crew *crew);
int crew_is_idle(const struct crew *crew);

/* Take note of what a worker says, but for what concerns requests, and of what the indexer
 * says. 0 where it is something else. */
int crew_heard_worker(struct crew *crew, uint32_t w, struct json_object *object);
int crew_heard_indexer(struct crew *crew, struct json_object *object);

/* Does the index show the worker's life exact, and was it seen to be so since? */
int crew_is_exact(const struct crew *crew, uint32_t w, uint64_t since_ns);

/* The worker's segment from outside: 1, or 0 where it cannot be read now. */
int crew_sight(const struct crew *crew, uint32_t w, struct sighting *ret_sighting);

/* A member of what they say; 0 or NULL where it is not there. */
static inline const char *crew_text(struct json_object *object, const char *name)
{
	return json_object_get_string(json_object_object_get(object, name));
}

static inline uint64_t crew_number(struct json_object *object, const char *name)
{
	return json_object_get_uint64(json_object_object_get(object, name));
}

static inline double crew_real(struct json_object *object, const char *name)
{
	return json_object_get_double(json_object_object_get(object, name));
}

#endif
