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
#include <stdlib.h>

#define BUDGET_GIVEN ((size_t)4096)   /* any piece may have so much, so that there is an answer */
#define BUDGET_LARGE ((size_t)262144) /* larger pieces have half: a few keep out nobody else */

struct budget {
	struct budget *of; /* that it is a part of; NULL: it is all */
	size_t used;
	size_t large; /* of that, in large pieces */
	size_t most;
	uint64_t refused; /* times */
};

/* What a piece of so many bytes has of the large ones' half. */
static inline size_t budget_large(size_t bytes)
{
	return bytes > BUDGET_LARGE ? bytes : 0;
}

/* A piece has `to` bytes instead of `from`. NULL: nobody counts. */
static inline void budget_change(struct budget *budget, size_t from, size_t to)
{
	for (; budget; budget = budget->of) {
		budget->used += to - from;
		budget->large += budget_large(to) - budget_large(from);
	}
}

/* May a piece of `from` bytes have `to`, which is more? */
static inline int budget_allows(const struct budget *budget, size_t from, size_t to)
{
	int allows = 1;

	for (; allows && budget && to > BUDGET_GIVEN; budget = budget->of) {
		size_t large = budget->large + budget_large(to) - budget_large(from);

		allows = budget->used + (to - from) <= budget->most &&
			 (to <= BUDGET_LARGE || large <= budget->most / 2);
	}
	return allows;
}

static inline void budget_refuse(struct budget *budget)
{
	for (; budget; budget = budget->of)
		budget->refused++;
}

/* A piece of so many bytes is of another budget from now on. */
static inline void budget_move(struct budget **at, size_t bytes, struct budget *to)
{
	budget_change(*at, bytes, 0);
	budget_change(to, 0, bytes);
	*at = to;
}

/* Give a piece of `*capacity` bytes `to`, which is more; it may move. -ENOBUFS: it may not have them; -ENOMEM */
static inline int budget_enlarge(struct budget *budget, char **bytes, size_t *capacity, size_t to)
{
	char *larger;

	if (!budget_allows(budget, *capacity, to)) {
		budget_refuse(budget);
		return -ENOBUFS;
	}
	larger = realloc(*bytes, to);
	if (!larger)
		return -ENOMEM;
	budget_change(budget, *capacity, to);
	*bytes = larger;
	*capacity = to;
	return 0;
}

#endif
