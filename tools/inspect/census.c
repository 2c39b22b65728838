/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/inspect/census.h"

#include "tools/program/messages.h"

#include <stdlib.h>

int census_take(const struct space *space, const struct ranks *wanted, struct census *ret_census)
{
	struct census census = {0};
	int r = ranks_find(space, wanted, &census.found);

	if (r < 0)
		return r;
	census.sightings = calloc(census.found.count + 1, sizeof(*census.sightings));
	if (!census.sightings)
		messages_no_memory();
	for (size_t i = 0; i < census.found.count; i++)
		if (sighting_look(space, &census.found.names[i], &census.sightings[census.count]) ==
		    0)
			census.count++;
	standing_look(space, &census.standing);
	*ret_census = census;
	return 0;
}

void census_free(struct census *census)
{
	ranks_free(&census->found);
	standing_free(&census->standing);
	free(census->sightings);
	*census = (struct census){0};
}
