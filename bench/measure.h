/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The base of the benchmarks: clocks, processors, memory touched beforehand, and slices of the
 * floor and of the subject in turn, so that ratios hold where absolute figures drift.
 */
#ifndef RDX_BENCH_MEASURE_H
#define RDX_BENCH_MEASURE_H

#include <sched.h>
#include <stdint.h>
#include <sys/types.h>

/* How many processors this process could use at the first call of this or the next. */
uint32_t measure_processors(void);

/* This thread stays on the `place`-th of them, modulo their number. -errno. */
int measure_pin(uint32_t place);

/* As fork(2); the child is killed when this thread ends, however it ends. */
pid_t measure_fork(void);

/* CPU time of this thread, in nanoseconds. Wall time is rdx_clock_ns(). */
uint64_t measure_cpu_ns(void);

/* Memory of `bytes`, every page written. PRIVATE asks for huge pages, the others for small ones.
 * NULL: no memory. */
enum measure_kind { MEASURE_PRIVATE, MEASURE_SMALL_PAGES, MEASURE_SHARED };
void *measure_memory(uint64_t bytes, enum measure_kind kind);
void measure_memory_free(void *memory, uint64_t bytes);

/* `count` figures to fill; ends the program without memory. free() them. */
double *measure_values(uint32_t count);

/* One of the things that are measured in turn. */
struct measure_side {
	double (*slice)(void *context); /* one slice of it: its figure */
	void *context;
	double *values; /* `rounds` of them */
};

/* `warm_up` rounds that do not count, then `rounds`: one slice of each side a round, forth in one
 * and back in the next, so that none always comes after the same. */
void measure_alternate(const struct measure_side *sides, uint32_t count, uint32_t warm_up,
		       uint32_t rounds);

/* The p-th percentile, 0 .. 100, by nearest rank. Sorts `values`. */
double measure_percentile(double *values, uint32_t count, double p);

/* Tell the spinning other side of a hyper-thread that this is a spin. */
static inline void measure_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ __volatile__("" ::: "memory");
#endif
}

/* Likewise, for one who waits for another: after a while without it, whoever else wants to run is
 * let. `spins` is the caller's count, 0 at first. */
static inline void measure_spin(uint32_t *spins)
{
	if (++*spins % 65536 == 0)
		sched_yield();
	measure_pause();
}

/* The compiler takes the value as used. */
static inline void measure_use(uint64_t value)
{
	__asm__ __volatile__("" ::"r"(value) : "memory");
}

/* Fetch a line; written so that no compiler leaves it out. */
static inline void measure_fetch(const void *line)
{
#if defined(__x86_64__)
	__asm__ __volatile__("prefetcht0 %0" ::"m"(*(const char *)line));
#else
	__builtin_prefetch(line);
#endif
}

/* The next of a sequence of random numbers; `state` is not 0. */
static inline uint64_t measure_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
