/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics: counters and gauges in the text format of Prometheus. Context: struct desk.
 */
#ifndef RINGDEXD_METRICS_H
#define RINGDEXD_METRICS_H

#include "tools/ringdexd/server.h"

/* As many rows per rank as there are families below: an index has 256 ranks at most. */
void metrics_answer(void *context, const struct request *request, struct answer *ret_answer);

#endif
