/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One look at a whole namespace: its segments, and what its indexes say of them.
 */
#ifndef INSPECT_CENSUS_H
#define INSPECT_CENSUS_H

#include "tools/inspect/sighting.h"
#include "tools/inspect/standing.h"

struct census {
	struct ranks found; /* also what was gone when it was looked at */
	struct sighting *sightings;
	size_t count;
	struct standing standing; /* seen later: what was seen before may be in it by now */
};

/* Look at the ranks that are wanted; an empty list wants all. Says why it cannot; -errno. */
int census_take(const struct space *space, const struct ranks *wanted, struct census *ret_census);
void census_free(struct census *census);

#endif
