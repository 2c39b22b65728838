/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router process: maintains the index in one thread, answers in another.
 *
 * Started by the demo as `ringdex-demo --router`. Standard input: one question per line, a
 * request of a trace with
 *
 *   "id", "loads": [...]  blocks in use at each worker, -1 for one that must not be chosen
 *
 * Standard output, one JSON object per line:
 *
 *   {"ready":true,"wait":"io_uring"|"epoll"}  every rank found is caught up with
 *   {"id","worker","hash_ns","lookup_ns","disturbed","index_bytes"}  the answer; worker -1:
 *                         nobody; disturbed 1: the lookup was, 64 times
 *   {"recovered":"barrier"|"ledger","worker","skipped","replayed","ledger_blocks","ns"}  at
 *                         any time
 *
 * The choice is the least of
 *
 *   cost = overlap_weight * (blocks of the prompt - leading blocks held) + load
 *
 * where what is held in the host tier counts as held, and a tie goes to the lesser load,
 * then to the lesser number: the formula of NVIDIA Dynamo's KV router at temperature 0. The
 * process keeps nothing that is not in shared memory: killed and started again it answers
 * as before.
 */
#ifndef DEMO_ROUTER_H
#define DEMO_ROUTER_H

#include "tools/demo/settings.h"

/* Run until standard input ends. Returns the exit code. */
int router_run(const struct settings *settings);

#endif
