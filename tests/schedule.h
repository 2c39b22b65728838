/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two sides as coroutines in one thread, switched at protocol steps by a seed: interleavings that
 * two threads meet once in a million runs, found on purpose and found again by the seed. The test
 * itself is one side; the other one runs for ever.
 *
 * It does not show stores that become visible out of order; every step here is in order.
 */
#ifndef RDX_TESTS_SCHEDULE_H
#define RDX_TESTS_SCHEDULE_H

#include <stdint.h>
#include <ucontext.h>

/* Coroutines and ThreadSanitizer do not go together. */
#if defined(RDX_HOOKS) && !defined(__SANITIZE_THREAD__)
#define SCHEDULE_POSSIBLE 1
#define SCHEDULE_SKIPPED  ""
#else
#define SCHEDULE_POSSIBLE 0
#define SCHEDULE_SKIPPED  "skipped: needs RDX_HOOKS, and no thread sanitizer\n"
#endif

struct schedule {
	uint64_t random;
	uint32_t switch_in;  /* one step of the test in so many lets the other side on, */
	uint32_t steps_most; /* for so many steps at most */
	uint64_t steps;      /* that are left to it */
	uint64_t switches;
	int in_other;
	ucontext_t own_context, other_context;
	char *stack;
};

/* `other` begins when it is let on for the first time, and must not return. */
void schedule_begin(struct schedule *schedule, uint64_t seed, void (*other)(void));

/* Let the other side on for so many steps. */
void schedule_let(struct schedule *schedule, uint64_t steps);

/* In the other side: end its turn now. */
void schedule_yield(struct schedule *schedule);

/* The other side is never let on again. */
void schedule_end(struct schedule *schedule);

#endif
