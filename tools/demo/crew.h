/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a pass, ringdex-mock for each worker and one router, and this process's
 * own look at what they share.
 */
#ifndef DEMO_CREW_H
#define DEMO_CREW_H

#include "tools/demo/child.h"
#include "tools/demo/settings.h"
#include "tools/inspect/sighting.h"

#include <json-c/json.h>
#include <limits.h>
#include <ringdex/rdx_index.h>

enum crew_state {
	CREW_DOWN,
	CREW_STARTING, /* started, not ready */
	CREW_UP,
	CREW_STOPPED, /* by SIGSTOP */
};

struct worker {
	struct child child;
	enum crew_state state;
	uint32_t pending; /* lines sent and not answered */
	uint64_t epoch;
	uint64_t lives;
	struct json_object *answer; /* to its last command */
};

struct crew {
	const struct settings *settings;
	char dir[PATH_MAX]; /* the namespace */
	struct worker workers[DEMO_WORKERS_MAX];
	struct child router;
	enum crew_state router_state;
	char wait[16];                         /* how its indexer sleeps */
	struct rdx_index *index;               /* NULL before there was a router */
	uint64_t published[RDX_COUNTER_COUNT]; /* sums of all workers' counters, dead lives too */
};

void crew_open(struct crew *ret_crew, const struct settings *settings, const char *base_dir,
	       const char *name);

/* End all processes, if some are left. */
void crew_close(struct crew *crew);

/* Start a process; it is up when it says so. */
void crew_start_worker(struct crew *crew, uint32_t w);
void crew_start_router(struct crew *crew);

/* SIGKILL, and wait for the end. What the worker published is added to the sums. */
void crew_kill_worker(struct crew *crew, uint32_t w);
void crew_kill_router(struct crew *crew);

/* SIGSTOP, and wait until it has stopped; SIGCONT. */
void crew_stop_router(struct crew *crew);
void crew_continue_router(struct crew *crew);

/* Send a line to all workers that are up, each counted as pending. */
void crew_tell(struct crew *crew, const char *line);

/* Is everything up, or answered by those that are up? */
int crew_is_up(const struct crew *crew);
int crew_is_idle(const struct crew *crew);

/* Take note of what a worker or the router says, but for what concerns requests and
 * recoveries. 0 where it is something else. */
int crew_heard_worker(struct crew *crew, uint32_t w, struct json_object *object);
int crew_heard_ready(struct crew *crew, struct json_object *object);

/* The worker's row in the index: 1, or 0 where there is none now. */
int crew_row(const struct crew *crew, uint32_t w, struct rdx_index_rank *ret_row);

/* The worker's segment from outside: 1, or 0 where it cannot be read now. */
int crew_sight(const struct crew *crew, uint32_t w, struct sighting *ret_sighting);

/* Add what the workers published in lives that did not end, as their segments say. */
void crew_account(struct crew *crew);

/* A number of what they say; 0 where it is not there. */
uint64_t crew_number(struct json_object *object, const char *name);
double crew_real(struct json_object *object, const char *name);

#endif
