/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/workers: all that the indexes know of each rank, in whatever state it is. Context: struct desk.
 */
#ifndef RINGDEXD_WORKERS_V1_H
#define RINGDEXD_WORKERS_V1_H

#include "tools/ringdexd/server.h"

/* ?model= and &tenant= choose. */
void workers_v1(void *context, const struct request *request, struct answer *ret_answer);

#endif
