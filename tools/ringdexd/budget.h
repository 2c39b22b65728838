/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that all connections have together, for what they keep of requests and answers. Nothing is reserved: it is
 * counted, and what would be too much is not given. One thread's.
 */
#ifndef RINGDEXD_BUDGET_H
#define RINGDEXD_BUDGET_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#define BUDGET_GIVEN ((size_t)4096)   /* any piece may have so much, so that there is an answer */
#define BUDGET_LARGE ((size_t)262144) /* larger pieces have half: a few keep out nobody else */

struct budget {
	size_t used;
	size_t most;
	uint64_t refused; /* times */
};

/* A piece of `from` bytes is to have `to`, which is more. -ENOBUFS: it may not. NULL: nobody counts. */
static inline int budget_grow(struct budget *budget, size_t from, size_t to)
{
	size_t most;

	if (!budget)
		return 0;
	most = to > BUDGET_LARGE ? budget->most / 2 : budget->most;
	if (to > BUDGET_GIVEN && budget->used + (to - from) > most) {
		budget->refused++;
		return -ENOBUFS;
	}
	budget->used += to - from;
	return 0;
}

static inline void budget_give_back(struct budget *budget, size_t bytes)
{
	if (budget)
		budget->used -= bytes;
}

#endif
