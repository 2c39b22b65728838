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
	size_t large; /* of that, in large pieces */
	size_t most;
	uint64_t refused; /* times */
};

/* A piece has `to` bytes instead of `from`. NULL: nobody counts. */
static inline void budget_change(struct budget *budget, size_t from, size_t to)
{
	if (!budget)
		return;
	budget->used += to - from;
	budget->large += (to > BUDGET_LARGE ? to : 0) - (from > BUDGET_LARGE ? from : 0);
}

/* Likewise, where `to` is more. -ENOBUFS: it may not. */
static inline int budget_grow(struct budget *budget, size_t from, size_t to)
{
	size_t used = budget ? budget->used : 0, large = budget ? budget->large : 0;

	budget_change(budget, from, to);
	if (!budget || to <= BUDGET_GIVEN ||
	    (budget->used <= budget->most &&
	     (budget->large <= large || budget->large <= budget->most / 2)))
		return 0;
	budget->used = used;
	budget->large = large;
	budget->refused++;
	return -ENOBUFS;
}

#endif
