/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/measure.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static cpu_set_t may; /* before the first pin */

uint32_t measure_processors(void)
{
	if (CPU_COUNT(&may) == 0 && sched_getaffinity(0, sizeof(may), &may) < 0)
		CPU_SET(0, &may);
	return (uint32_t)CPU_COUNT(&may);
}

int measure_pin(uint32_t place)
{
	uint32_t skip = place % measure_processors();
	cpu_set_t one;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &may) || skip-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		return sched_setaffinity(0, sizeof(one), &one) < 0 ? -errno : 0;
	}
	return -EINVAL;
}

pid_t measure_fork(void)
{
	pid_t parent = getpid(), child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return child;
}

uint64_t measure_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void *measure_memory(uint64_t bytes, enum measure_kind kind)
{
	int visible = kind == MEASURE_SHARED ? MAP_SHARED : MAP_PRIVATE;
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | visible, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, bytes, kind == MEASURE_PRIVATE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(memory, 0, bytes);
	return memory;
}

void measure_memory_free(void *memory, uint64_t bytes)
{
	if (memory)
		munmap(memory, bytes);
}

double *measure_values(uint32_t count)
{
	double *values = calloc(count ? count : 1, sizeof(*values));

	if (!values) {
		fprintf(stderr, "no memory for %u figures\n", count);
		exit(1);
	}
	return values;
}

void measure_alternate(const struct measure_side *sides, uint32_t count, uint32_t warm_up,
		       uint32_t rounds)
{
	for (uint32_t round = 0; round < warm_up + rounds; round++)
		for (uint32_t i = 0; i < count; i++) {
			const struct measure_side *side = &sides[round % 2 ? count - 1 - i : i];
			double value = side->slice(side->context);

			if (round >= warm_up)
				side->values[round - warm_up] = value;
		}
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
