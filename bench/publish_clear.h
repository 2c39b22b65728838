/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a clear costs on the engine's thread, of all tiers and of one of two: the call, and calls after
 * it, which tidy up.
 */
#ifndef RDX_BENCH_PUBLISH_CLEAR_H
#define RDX_BENCH_PUBLISH_CLEAR_H

#include "bench/report.h"

/* Of a rank that holds so many blocks. */
void publish_clear(struct report *report, const struct options *options, uint64_t blocks);

#endif
