/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What came of the passes, for people and as JSON. Every number was measured in this run.
 */
#ifndef DEMO_REPORT_H
#define DEMO_REPORT_H

#include "tools/demo/pass.h"

/* Of all passes together. */
struct comparison report_comparison(const struct pass *passes, uint32_t count);

/* The first pass is the one with the incidents. */
void report_print(struct pass *passes, uint32_t count);

/*
 * One object on one line. At the top: "divergences" (a number), "recoveries" (a list),
 * "hit_rate" (of overlap routing, 0 .. 1; "hit_rates" has every policy's), and more.
 */
void report_print_json(struct pass *passes, uint32_t count);

#endif
