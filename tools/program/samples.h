/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded durations and their percentiles.
 */
#ifndef PROGRAM_SAMPLES_H
#define PROGRAM_SAMPLES_H

#include <stdint.h>

#define SAMPLES_MAX (UINT64_C(1) << 23) /* recorded: 64 MiB of them */

struct samples {
	uint64_t *ns;
	uint64_t count;
	uint64_t capacity;
	uint64_t total_ns; /* of all, recorded or not */
	uint64_t total_count;
	uint64_t max_ns; /* likewise */
	int sorted;
};

/* Start from {0}. Never fails: what does not fit only counts in the totals. */
void samples_add(struct samples *samples, uint64_t ns);

/* The nearest-rank percentile of what is recorded, `per_mille` 1 .. 1000; 0 without any. */
uint64_t samples_percentile(struct samples *samples, uint32_t per_mille);

void samples_free(struct samples *samples);

#endif
