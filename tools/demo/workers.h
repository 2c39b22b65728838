/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker processes of a pass: ringdex-mock, one for each rank.
 */
#ifndef DEMO_WORKERS_H
#define DEMO_WORKERS_H

#include "tools/demo/pass.h"

/* Start the process; it is ready when it says so. */
int worker_start(struct pass *pass, struct worker *worker);

/* Start all and wait for them. */
int workers_start(struct pass *pass);

/* A line, counted as pending. A worker that is gone meanwhile is an error unless killed. */
int worker_send(struct worker *worker, const char *text, size_t length);

/* What the worker told of its life that ended, from its segment: the sums go on. */
void worker_bury(struct pass *pass, struct worker *worker);

/* Ask all for their statistics, for the sums and latencies at the end. */
int workers_account(struct pass *pass);

#endif
