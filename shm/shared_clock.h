/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times that other processes read. CLOCK_MONOTONIC is one for all processes of a time namespace; those
 * of containers that were restored, and of `unshare --time`, are set off against each other. So times
 * in shared memory are those of the host's clock, which the kernel's offset gives.
 */
#ifndef RDX_SHARED_CLOCK_H
#define RDX_SHARED_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

/* This process's CLOCK_MONOTONIC less the host's, as it was last learnt; 0 before. */
extern _Atomic int64_t rdx_shared_clock_offset_ns;

/* Ask the kernel for the offset, which a process that was restored finds changed. A few system calls;
 * where there is no /proc the last answer stays. Any thread. 0, -errno. */
int rdx_shared_clock_learn(void);

/* From this process's clock (rdx_clock_ns) to the shared one; 0, no time, stays 0. */
static inline uint64_t rdx_shared_clock_from(uint64_t own_ns)
{
	int64_t offset = atomic_load_explicit(&rdx_shared_clock_offset_ns, memory_order_relaxed);

	if (own_ns == 0 || offset == 0)
		return own_ns;
	/* a time from before the host's boot is somebody's mistake */
	return offset > 0 && own_ns <= (uint64_t)offset ? 1 : own_ns - (uint64_t)offset;
}

/* And back. */
static inline uint64_t rdx_shared_clock_to(uint64_t shared_ns)
{
	int64_t offset = atomic_load_explicit(&rdx_shared_clock_offset_ns, memory_order_relaxed);

	if (shared_ns == 0 || offset == 0)
		return shared_ns;
	return offset < 0 && shared_ns <= (uint64_t)-offset ? 1 : shared_ns + (uint64_t)offset;
}

#endif
