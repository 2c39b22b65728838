/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/samples.h"

#include "tools/program/messages.h"

#include <stdlib.h>

void samples_add(struct samples *samples, uint64_t ns)
{
	if (samples->count == samples->capacity) {
		uint64_t capacity = 2 * samples->capacity + 1024;
		uint64_t *grown = reallocarray(samples->ns, capacity, sizeof(*grown));

		if (!grown)
			exit_no_memory();
		samples->ns = grown;
		samples->capacity = capacity;
	}
	samples->ns[samples->count++] = ns;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t samples_percentile(struct samples *samples, uint32_t per_mille)
{
	uint64_t rank;

	if (!samples->count)
		return 0;
	qsort(samples->ns, samples->count, sizeof(*samples->ns), ascending);
	rank = (samples->count * per_mille + 999) / 1000;
	return samples->ns[rank - 1];
}

void samples_free(struct samples *samples)
{
	free(samples->ns);
	*samples = (struct samples){0};
}
