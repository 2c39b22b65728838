/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recorded durations and their percentiles.
 */
#ifndef MOCK_SAMPLES_H
#define MOCK_SAMPLES_H

#include <stdint.h>

/* Recording stops here: 64 MiB of samples. */
#define SAMPLES_MAX (UINT64_C(1) << 24)

struct samples {
	uint32_t *ns; /* longer ones count as UINT32_MAX, 4.3 s */
	uint64_t count;
	uint64_t capacity;
	uint64_t total_ns; /* of all, recorded or not */
	uint64_t total_count;
	uint64_t max_ns;
	int sorted;
};

/* Start from {0}. Never fails: what does not fit is counted in the totals only. */
void samples_add(struct samples *samples, uint64_t ns);

/* The nearest-rank percentile of what is recorded, `per_mille` 1 .. 1000; 0 without any. */
uint64_t samples_percentile(struct samples *samples, uint32_t per_mille);

void samples_free(struct samples *samples);

#endif
