/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that grow.
 */
#ifndef RINGDEXD_GROWN_H
#define RINGDEXD_GROWN_H

#include "tools/ringdexd/budget.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* {0} is empty. */
struct grown {
	char *bytes;
	size_t count;
	size_t capacity;
	struct budget *budget; /* that its capacity is of; NULL: of none */
};

/* Append, with so many zeros behind that are not counted. -ENOMEM; -ENOBUFS: not of this budget */
static inline int grown_add(struct grown *grown, const char *bytes, size_t count, size_t spare)
{
	size_t capacity = grown->capacity ? grown->capacity : 256;

	while (capacity < grown->count + count + spare)
		capacity *= 2;
	if (capacity > grown->capacity) {
		int r = budget_enlarge(grown->budget, &grown->bytes, &grown->capacity, capacity);

		if (r < 0)
			return r;
	}
	memcpy(grown->bytes + grown->count, bytes, count);
	grown->count += count;
	memset(grown->bytes + grown->count, 0, spare);
	return 0;
}

static inline void grown_free(struct grown *grown)
{
	budget_change(grown->budget, grown->capacity, 0);
	free(grown->bytes);
	*grown = (struct grown){.budget = grown->budget};
}

#endif
