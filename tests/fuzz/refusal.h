/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How programs refuse a line.
 */
#ifndef RDX_TESTS_FUZZ_REFUSAL_H
#define RDX_TESTS_FUZZ_REFUSAL_H

#include "tools/program/json_line.h"

/* A line was read, or `fault` says something, which is one line without control characters where it is
 * printed, whatever the line had that it is about. */
void refusal_check(int r, const struct json_line_fault *fault);

#endif
