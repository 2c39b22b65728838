/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that maintains the indexes: what ringdex follow does, beside requests, so that neither waits
 * for the other. While another process maintains them it stands by, and takes over when that one is dead.
 */
#ifndef RINGDEXD_KEEPER_H
#define RINGDEXD_KEEPER_H

#include "tools/ringdexd/histogram.h"
#include "tools/ringdexd/history.h"

#include <ringdex/rdx_indexer.h>

struct keeper;

enum keeper_state {
	KEEPER_STARTING,
	KEEPER_AT_WORK,
	KEEPER_STANDING_BY, /* another process maintains them */
	KEEPER_IN_TROUBLE,  /* it cannot, and tries again */
	KEEPER_STUCK,       /* its thread has not gone on for KEEPER_STUCK_NS */
};

/* It rests for less than a tenth of a second: so long no machine lets it wait that gets anything done. */
#define KEEPER_STUCK_NS UINT64_C(5000000000)

struct keeper_report {
	enum keeper_state state;
	int error;                      /* -errno, where it is in trouble */
	struct rdx_indexer_stats stats; /* since it was at work last; gauges are 0 elsewhere */
	struct histogram polls;         /* how long each took, since the start */
};

/*
 * Start it. `options` and its texts stay until keeper_stop. What has been dead for `dead_for_ns` is removed
 * while it is at work; HOUSE_NEVER: nothing is. -errno
 */
int keeper_start(struct keeper **ret_keeper, const struct rdx_indexer_options *options,
		 uint64_t dead_for_ns);

/* It ends within a fifth of a second; keeper_stop waits for that. */
void keeper_ask_to_stop(struct keeper *keeper);

/* End it: within a fifth of a second. NULL is allowed. */
void keeper_stop(struct keeper *keeper);

/* Any thread. */
void keeper_report(struct keeper *keeper, struct keeper_report *ret_report);

/* Any thread: what happened while it was at work, since the start. */
void keeper_history(struct keeper *keeper, struct history *ret_history);

/* Any thread: more than at the last call where it has done something since, if only to try again. */
uint64_t keeper_beats(const struct keeper *keeper);

/* "starting", "at work", "standing by", "in trouble", "stuck". */
const char *keeper_state_text(enum keeper_state state);

#endif
