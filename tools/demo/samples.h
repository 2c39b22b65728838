/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durations and their percentiles.
 */
#ifndef DEMO_SAMPLES_H
#define DEMO_SAMPLES_H

#include <stdint.h>

struct samples {
	uint64_t *ns;
	uint64_t count;
	uint64_t capacity;
};

/* Start from {0}. Without memory the program ends. */
void samples_add(struct samples *samples, uint64_t ns);

/* Nearest rank, `per_mille` 1 .. 1000; 0 without any. Sorts. */
uint64_t samples_percentile(struct samples *samples, uint32_t per_mille);

void samples_free(struct samples *samples);

#endif
