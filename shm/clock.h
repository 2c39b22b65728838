/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This process's clock, for durations and timeouts. What other processes read is of the shared
 * clock, see shared_clock.h.
 */
#ifndef RDX_CLOCK_H
#define RDX_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC, in nanoseconds. */
static inline uint64_t rdx_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

#endif
