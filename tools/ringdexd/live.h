/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/live: what goes on, as server-sent events, one a second.
 */
#ifndef RINGDEXD_LIVE_H
#define RINGDEXD_LIVE_H

#include "tools/ringdexd/server.h"

/* Its context is a struct desk. Who reads slowly gets fewer events, each of them of now. */
void live_answer(void *context, const struct request *request, struct answer *ret_answer);

#endif
