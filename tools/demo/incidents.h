/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is done to a pass on purpose, one thing at a time: workers and the router killed
 * with SIGKILL and started again, caches cleared, the router stopped for a while.
 *
 * A worker is killed right after a request was sent to it, the router right after it was
 * asked: so there is always something to be saved. Before a router is killed some worker is
 * cleared, so that its recovery finds a barrier; the others' rings have gone round by then.
 */
#ifndef DEMO_INCIDENTS_H
#define DEMO_INCIDENTS_H

#include "tools/demo/pass.h"

/* Plan them over the trace, by settings and seed. */
void incidents_plan(struct pass *pass);

/* Begin what is due before request `next`; waits for the incident before it to end. */
int incidents_begin(struct pass *pass, uint64_t next);

/* Look whether the one under way has come further. Called from pass_pump. */
int incidents_watch(struct pass *pass);

/* Is one being waited for, so that the index must be looked at often? */
int incidents_watching(const struct pass *pass);

/* What a recovery told of now came after: its place, or AFTER_... */
uint64_t incidents_cause(const struct pass *pass);

/* Between ticks: a pause may end, what has ended is checked. */
int incidents_after_tick(struct pass *pass);

/* At the end: wait for the last one. */
int incidents_end(struct pass *pass);

/* From dispatch: the moment has come. */
int incident_kill_worker(struct pass *pass, struct worker *worker);
int incident_kill_router(struct pass *pass);

#endif
