/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario of public calls, made once for each call of the system and of the heap that it makes,
 * that one failing, and for each errno that it can have. After each, checked: what the scenario
 * answered; that no descriptor, mapping or block of the heap is left; that the directory has what the
 * documents say and nothing else; that the scenario works when nothing fails.
 */
#ifndef RDX_TESTS_FAILING_H
#define RDX_TESTS_FAILING_H

#include "tests/failing/faults.h"
#include "tests/rig.h"
#include <ringdex/rdx_publisher.h>

/* What else than its errno a scenario may answer when a call fails. An interrupted call may be made
 * again: that needs no entry. */
struct failing_answer {
	const char *call;
	int answer;    /* 0: it is done without */
	uint32_t most; /* of the calls of this name */
};

#define FAILING_ANSWERS_MAX 32

struct failing {
	/* The calls in question. 0, or the first -errno. */
	int (*run)(struct rig *rig);
	/* Before each run; NULL: nothing. */
	void (*prepare)(struct rig *rig);
	/* A call without an entry is answered by -errno. Ends with {NULL}. */
	const struct failing_answer *answers;
	uint32_t least; /* calls it makes at least: the test sees what it should */
	int is_whole; /* it goes on after a failure itself until all is right: it is not run again */
	int goes_on;  /* whatever fails is tried again: 0 is an answer to all */
	const char *lock; /* NULL, or a file that may be left, and is not after the next run */
};

/* Of a small worker, 1:0. */
struct rdx_publisher_options failing_publisher(const char *dir, uint32_t clear_scope,
					       uint64_t blocks);

/* In the directory of `rig`, which is as it was before when it returns. */
void failing_each(struct rig *rig, const struct failing *failing);

#endif
