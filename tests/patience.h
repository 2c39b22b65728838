/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How tests deal with time. They wait for conditions, never for durations, and give up only if
 * something hangs: a machine that does twenty other things is slow, not wrong. And they bound their
 * work, not their time: a part of it always, the rest while there is time.
 */
#ifndef RDX_TESTS_PATIENCE_H
#define RDX_TESTS_PATIENCE_H

#include "shm/clock.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 240 /* less than CTest's, so that a test says what it waited for */

/* How long to wait for anything. Set RDX_PATIENCE, in seconds, if you expect a failure. */
static inline uint64_t patience_ns(void)
{
	const char *given = getenv("RDX_PATIENCE");

	return (given ? strtoull(given, NULL, 0) : PATIENCE_S) * UINT64_C(1000000000);
}

struct patience {
	uint64_t until_ns;
};

static inline struct patience patience_begin(void)
{
	return (struct patience){rdx_clock_ns() + patience_ns()};
}

static inline int patience_is_over(const struct patience *patience)
{
	return rdx_clock_ns() > patience->until_ns;
}

static inline void patience_check(const struct patience *patience, const char *condition,
				  const char *file, int line)
{
	if (!patience_is_over(patience))
		return;
	print_error("waited %llu s for: %s\n", (unsigned long long)(patience_ns() / 1000000000),
		    condition);
	_fail(file, line);
}

/* UNTIL(is_done()) { a step towards it, or a nap }; the test fails if it never is. */
#define UNTIL_NAMED(condition, name)                                                               \
	for (struct patience name = patience_begin(); !(condition);                                \
	     patience_check(&name, #condition, __FILE__, __LINE__))
#define UNTIL_AT(condition, line)   UNTIL_NAMED(condition, until_##line)
#define UNTIL_JOIN(condition, line) UNTIL_AT(condition, line)
#define UNTIL(condition)            UNTIL_JOIN(condition, __LINE__)

/* Between looks at what another thread does: at first yield, then sleep, so that the scheduler of a
 * busy machine does not make this thread wait for all others again. */
static inline void patience_nap(int tries)
{
	if (tries < 10)
		sched_yield();
	else
		usleep(20);
}

/* Work of which `least` units are always done, and up to `most` while `seconds` last; with
 * RDX_LONG=1 all of them: while (effort_goes_on(&effort)) one unit; */
struct effort {
	uint64_t least, most, done;
	uint64_t until_ns, give_up_ns;
};

static inline int is_long(void)
{
	const char *given = getenv("RDX_LONG");

	return given && *given && *given != '0';
}

static inline struct effort effort_begin(uint64_t least, uint64_t most, uint64_t seconds)
{
	return (struct effort){
		.least = least,
		.most = most,
		.until_ns =
			is_long() ? UINT64_MAX : rdx_clock_ns() + seconds * UINT64_C(1000000000),
	};
}

static inline int effort_goes_on(struct effort *effort)
{
	if (effort->done >= effort->most ||
	    (effort->done >= effort->least && rdx_clock_ns() >= effort->until_ns))
		return 0;
	effort->done++;
	return 1;
}

/* The same, and on with patience until what the work is to meet with was met. */
static inline int effort_goes_on_until(struct effort *effort, int met)
{
	if (effort_goes_on(effort))
		return 1;
	if (!effort->give_up_ns)
		effort->give_up_ns = rdx_clock_ns() + patience_ns();
	return !met && rdx_clock_ns() < effort->give_up_ns;
}

#endif
