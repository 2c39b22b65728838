/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long things took, as Prometheus wants it: counts below fixed bounds, from a microsecond to ten seconds.
 */
#ifndef RINGDEXD_HISTOGRAM_H
#define RINGDEXD_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 17

struct histogram {
	uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* between two bounds; the last: above all */
	uint64_t sum_ns;
};

/* An upper bound, included. Its text in seconds is what Prometheus itself writes. */
struct histogram_bound {
	uint64_t ns;
	const char *text;
};
extern const struct histogram_bound histogram_bounds[HISTOGRAM_BOUNDS];

void histogram_add(struct histogram *histogram, uint64_t ns);

#endif
