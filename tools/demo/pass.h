/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass of the demo: a trace replayed through workers, and what came of it.
 *
 * Time in the trace is virtual. It is cut into ticks: at each the workers' engines run on
 * to it, then the requests that arrive within it are routed and sent all at once, and the
 * next tick begins when all have been admitted. So what a router sees is as old as a tick
 * at most, however fast the pass goes.
 */
#ifndef DEMO_PASS_H
#define DEMO_PASS_H

#include "tools/demo/child.h"
#include "tools/demo/requests.h"
#include "tools/program/samples.h"

#include <limits.h>
#include <ringdex/rdx_index.h>

#define PASS_TICK_MS 100
#define NOBODY       UINT32_MAX

enum worker_state {
	WORKER_UP,
	WORKER_DEAD,     /* killed, still in the index */
	WORKER_STARTING, /* started, not ready */
};

struct worker {
	struct child child;
	enum worker_state state;
	uint32_t id;
	uint32_t pending;       /* lines sent and not answered */
	uint32_t arm_kill;      /* 1: kill it when the next request has been sent to it */
	uint64_t epoch;
	uint64_t requests;      /* answered, in all its lives */
	uint64_t blocks;
	uint64_t cached_blocks;
	uint64_t host_blocks;   /* of cached_blocks */
	uint64_t lives;
	struct json_object *answer; /* to the last command, kept for who asked */
};

enum router_state {
	ROUTER_NONE, /* this pass has none */
	ROUTER_UP,
	ROUTER_STARTING,
	ROUTER_STOPPED, /* by SIGSTOP */
};

/* What happened on purpose. */
enum incident_kind { INCIDENT_KILL_WORKER, INCIDENT_KILL_ROUTER, INCIDENT_CLEAR, INCIDENT_PAUSE };

struct incident {
	enum incident_kind kind;
	uint64_t at;           /* before this request */
	uint32_t worker;
	uint8_t tier;          /* of a clear: RDX_SCOPE_ALL or RDX_TIER_HOST */
	uint8_t until_lapped;  /* of a pause: until a ring has gone round */
	uint8_t finished;
	uint8_t checked;       /* the index was compared since */
	uint64_t rerouted;     /* requests asked or sent again */
	uint64_t without;      /* of a pause: requests routed round robin meanwhile */
	uint64_t dropped_ns;   /* of a killed worker: until the index no longer showed it */
	uint64_t back_ns;      /* until all was as before: ready, in the index, read up */
};

#define AFTER_START  UINT64_MAX       /* the router found the worker, empty as yet */
#define AFTER_LAPPED (UINT64_MAX - 1) /* the ring went round before it was read */

/* One recovery of one rank, as the router told of it. */
struct recovery {
	uint64_t after;        /* place in the incidents, or one of the next two */
	uint64_t request;      /* so many were answered */
	uint32_t worker;
	char way[16];
	uint64_t skipped;
	uint64_t replayed;
	uint64_t ledger_blocks;
	uint64_t ns;
};

/* A request of this tick. */
enum flight_state { FLIGHT_ASK, FLIGHT_ASKED, FLIGHT_SENT, FLIGHT_DONE };

struct flight {
	uint64_t request;
	enum flight_state state;
	uint32_t worker;
};

/* A request that decodes somewhere, as far as its answer lets one know. */
struct running {
	double until_ms;
	uint32_t worker;
	uint32_t blocks;
};

/* Sums of what the engines published, dead lives too. */
struct published {
	uint64_t events;
	uint64_t blocks_stored;
	uint64_t blocks_removed;
	uint64_t clears;
	uint64_t inexact_marks;
};

struct comparison {
	uint64_t times;        /* all workers once is one */
	uint64_t blocks;       /* looked at on the engines' side, in all tiers */
	uint64_t divergences;
	uint64_t failed;       /* could not be compared */
};

/* Publish latency of a worker's last life, as it measured it. */
struct publish_latency {
	uint64_t calls;
	uint64_t p50_ns;
	uint64_t p99_ns;
	uint64_t max_ns;
	double per_block_ns;
};

struct pass {
	const struct settings *settings;
	const struct requests *trace;
	enum policy policy;
	uint64_t random;
	uint32_t next_worker;      /* of round robin */
	char dir[PATH_MAX];
	struct worker workers[DEMO_WORKERS_MAX];

	enum router_state router_state;
	struct child router;
	char wait[16];             /* how its indexer sleeps */
	struct rdx_index *index;   /* this process's own look at it */

	struct flight *flights;    /* of this tick */
	uint32_t flight_count;
	uint32_t flight_capacity;
	uint32_t open;             /* flights not done */
	struct running *running;
	uint32_t running_count;
	uint32_t running_capacity;

	struct incident *incidents;
	uint32_t incident_count;
	uint64_t incident_now;     /* place of the last begun; UINT64_MAX: none yet */
	uint64_t incident_ns;      /* when */
	uint64_t resumed_ns;       /* of a pause */
	uint64_t figures[DEMO_WORKERS_MAX]; /* of a pause: slots, then events */
	uint32_t arm_router_kill;
	int reopened;              /* `index` is that of the router started last */

	/* what came of it */
	uint64_t done;
	uint64_t refused;          /* would never fit an engine */
	uint64_t blocks;
	uint64_t cached_blocks;
	uint64_t host_blocks;
	uint64_t without_answer;   /* lookups that were disturbed 64 times */
	uint64_t wall_ns;
	uint64_t index_bytes;
	struct samples first_token_us; /* virtual: queue and prefill */
	struct samples hash_ns;
	struct samples lookup_ns;
	struct recovery *recoveries;
	uint32_t recovery_count;
	struct published published;
	struct publish_latency latency[DEMO_WORKERS_MAX];
	struct comparison comparison;
};

/* Replay the trace. `incidents`: with kills, clears and pauses. A message and -errno where
 * it cannot be done; -EINTR when told to stop. The result stays with `pass`. */
int pass_run(struct pass *pass, const struct settings *settings, const struct requests *trace,
	     enum policy policy, int incidents, const char *base_dir);

/* End its processes, if some are left, and free all. */
void pass_close(struct pass *pass);

/* -- for the parts of a pass -- */

/* Take in what the children say, for at most `timeout_ms`. */
int pass_pump(struct pass *pass, int timeout_ms);

/* Until all that was sent to workers that are up is answered and no flight is open. */
int pass_settle(struct pass *pass);

/* Send a command line to a worker and return its answer, the caller's; all else goes on. */
int pass_command(struct pass *pass, uint32_t worker, const char *line,
		 struct json_object **ret_answer);

#endif
