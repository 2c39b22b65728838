/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which worker gets a request: asks the router process, or chooses by itself where the
 * policy needs no index or the router is stopped.
 */
#ifndef DEMO_DISPATCH_H
#define DEMO_DISPATCH_H

#include "tools/demo/pass.h"

/* Start the router process; it is ready when it says so. */
int router_start(struct pass *pass);

/* Start it, wait, and open this process's own handle of its index. */
int router_open(struct pass *pass);

/* After the router died and another one said it is ready: open that one's index. 1; 0 while
 * only the dead one's is there. */
int router_reopen(struct pass *pass);

/* Find a worker for each flight that has none: sent to a worker, or asked of the router. */
int dispatch(struct pass *pass);

/* A line of the router. */
int dispatch_line(struct pass *pass, const char *line);

/* An answered request decodes on at its worker until then. */
void dispatch_running(struct pass *pass, uint32_t worker, double until_ms, uint32_t blocks);

/* Forget what has ended by then; and all that ran at a worker that died. */
void dispatch_expire(struct pass *pass, double now_ms);
void dispatch_forget(struct pass *pass, uint32_t worker);

/* Flights of a worker that died, or, with NOBODY, that were asked of a router that died,
 * need another. Returns how many. */
uint32_t dispatch_again(struct pass *pass, uint32_t worker);

#endif
