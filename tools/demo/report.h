/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What came of the passes. Every number was measured in this run.
 */
#ifndef DEMO_REPORT_H
#define DEMO_REPORT_H

#include "tools/demo/pass.h"

/* As tables, or as one JSON object. The first pass is the one with the incidents. */
void report_print(const struct pass *passes, uint32_t count);
void report_print_json(const struct pass *passes, uint32_t count);

#endif
