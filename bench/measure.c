/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/measure.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int measure_pin(uint32_t place)
{
	cpu_set_t may, one;
	uint32_t skip;

	if (sched_getaffinity(0, sizeof(may), &may) < 0)
		return -errno;
	skip = place % (uint32_t)CPU_COUNT(&may);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &may) || skip-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		return sched_setaffinity(0, sizeof(one), &one) < 0 ? -errno : 0;
	}
	return -EINVAL;
}

void *measure_memory(uint64_t bytes, int shared)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE), -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (!shared)
		madvise(memory, bytes, MADV_HUGEPAGE);
	memset(memory, 0, bytes);
	return memory;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double measure_percentile(double *values, uint32_t count, double p)
{
	uint32_t rank;

	if (count == 0)
		return 0;
	qsort(values, count, sizeof(*values), compare);
	rank = (uint32_t)ceil(p / 100 * count);
	return values[rank ? rank - 1 : 0];
}
