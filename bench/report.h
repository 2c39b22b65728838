/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a benchmark found: rows of figures with their spread, and ratios against a floor
 * taken slice by slice. A table for people, or JSON with --json.
 */
#ifndef RDX_BENCH_REPORT_H
#define RDX_BENCH_REPORT_H

#include <stdint.h>

struct report;

/* `json`: one object on standard output at the end, instead of the table. NULL: no memory. */
struct report *report_begin(const char *name, int json);

/* A figure: its repetitions (copied). */
void report_figure(struct report *report, const char *what, const char *unit, const double *values,
		   uint32_t count);

/* `a[i] / b[i]` of paired slices, with a goal (0: none) that is stated, never enforced. */
void report_ratio(struct report *report, const char *what, const double *a, const double *b,
		  uint32_t count, double goal_at_most);

/* A goal for a figure, stated beside it. */
void report_goal(struct report *report, const char *what, const char *unit, const double *values,
		 uint32_t count, double goal_at_most);

/* A fact that explains the figures. */
void report_note(struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Print and free. 0, or 1 where `failed` (a benchmark's own check did not hold). */
int report_end(struct report *report, int failed);

#endif
