/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /workers: who feeds the indexes, in the form of Dynamo's stand-alone indexer. Context: struct desk.
 */
#ifndef RINGDEXD_WORKERS_H
#define RINGDEXD_WORKERS_H

#include "tools/ringdexd/server.h"

/* ?model_name= and &routing_group= choose. */
void workers_answer(void *context, const struct request *request, struct answer *ret_answer);

#endif
