/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The base of the benchmarks: clocks, processors, memory touched beforehand, and slices of the
 * floor and of the subject in turn, so that ratios hold where absolute figures drift.
 */
#ifndef RDX_BENCH_MEASURE_H
#define RDX_BENCH_MEASURE_H

#include <stdint.h>

/* Stay on the `place`-th processor this process may use, modulo their number. -errno. */
int measure_pin(uint32_t place);

/* Shared or private memory of `bytes`, every page written. NULL: no memory. */
void *measure_memory(uint64_t bytes, int shared);

/* Tell the spinning other side of a hyper-thread that this is a spin. */
static inline void measure_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ __volatile__("" ::: "memory");
#endif
}

/* The p-th percentile, 0 .. 100, by nearest rank. Sorts `values`. */
double measure_percentile(double *values, uint32_t count, double p);

#endif
