/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that ranks hold: the route of NVIDIA Dynamo's stand-alone indexer (dynamo-kv-router 1.6.1) by which its
 * peers fill themselves. The route's context is a struct desk.
 *
 * Each dump has a thread of its own, which reads one rank's ledger after the other and makes the text, a piece
 * ahead of what the client has taken: neither who asks something else waits for it, nor the indexer.
 */
#ifndef RINGDEXD_DUMP_H
#define RINGDEXD_DUMP_H

#include "tools/ringdexd/server.h"

/* GET /dump: of ranks that are EXACT, LACKING or INEXACT, by model and routing group. */
void dump_answer(void *context, const struct request *request, struct answer *ret_answer);

#endif
