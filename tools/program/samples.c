/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/samples.h"

#include <stdlib.h>

#define FIRST_CAPACITY 65536

static int make_room(struct samples *samples)
{
	uint64_t capacity = samples->capacity ? 2 * samples->capacity : FIRST_CAPACITY;
	uint64_t *ns;

	if (samples->count < samples->capacity)
		return 1;
	if (capacity > SAMPLES_MAX)
		return 0;
	ns = realloc(samples->ns, capacity * sizeof(*ns));
	if (!ns)
		return 0;
	samples->ns = ns;
	samples->capacity = capacity;
	return 1;
}

void samples_add(struct samples *samples, uint64_t ns)
{
	samples->total_ns += ns;
	samples->total_count++;
	if (ns > samples->max_ns)
		samples->max_ns = ns;
	if (!make_room(samples))
		return;
	samples->ns[samples->count++] = ns;
	samples->sorted = 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

uint64_t samples_percentile(struct samples *samples, uint32_t per_mille)
{
	if (!samples->count)
		return 0;
	if (!samples->sorted)
		qsort(samples->ns, samples->count, sizeof(*samples->ns), compare);
	samples->sorted = 1;
	return samples->ns[(samples->count * per_mille + 999) / 1000 - 1];
}

void samples_free(struct samples *samples)
{
	free(samples->ns);
	*samples = (struct samples){0};
}
