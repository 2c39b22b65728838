/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of bench-lookup.
 */
#ifndef RDX_BENCH_LOOKUP_H
#define RDX_BENCH_LOOKUP_H

#include "bench/asking.h"

/* Prompts made for it: workers, blocks, and how much of a prompt is held by whom. */
void lookup_made(struct asking *asking);

/* From token ids. */
void lookup_tokens(struct asking *asking);

#endif
