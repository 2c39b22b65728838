/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a benchmark found: rows of figures with their spread, each beside its floor slice by slice,
 * and the program's own checks. A table for people, and JSON (docs/benchmarks.md has its form).
 */
#ifndef RDX_BENCH_REPORT_H
#define RDX_BENCH_REPORT_H

#include "bench/options.h"

struct report;

/* Ends the program without memory. */
struct report *report_begin(const struct options *options);

struct report_row {
	/* Stable, unique: question, case, whose. "apply.A.floor", "lookup.A.268.p99.ringdex". What
	 * differs in the last part only is compared. */
	const char *id;
	const char *what;     /* for people */
	const char *unit;     /* "ns", "us", "ms", "s", "bytes", "MiB", "x", "%", "M/s", "" */
	const double *values; /* one a slice or repetition; copied, like the texts */
	uint32_t count;
	/* An earlier row with as many values, whose slices were taken in turn with these; NULL */
	const char *floor;
};
void report_row(struct report *report, const struct report_row *row);
#define REPORT_ROW(report, ...) report_row(report, &(struct report_row){__VA_ARGS__})

/* A row of one number. */
void report_number(struct report *report, const char *id, const char *what, const char *unit,
		   double value);

/* A fact that explains the figures. */
void report_note(struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A check of the program's own: what was expected, and whether it held. */
void report_check(struct report *report, int held, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Print, write the file and free. The exit status: 0, or 1 where a check did not hold or the file
 * could not be written. */
int report_end(struct report *report);

#endif
