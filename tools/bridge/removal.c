/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/removal.h"

#include <string.h>

int removal_join(struct said *removal, const struct said *next,
		 const struct rdx_engine_options *options)
{
	struct rdx_engine_event *event = &removal->event;
	uint64_t before = event->count * (uint64_t)event->name_bytes;
	uint64_t more = next->event.count * (uint64_t)event->name_bytes;
	uint8_t *names;

	if (!rdx_engine_joins(options, event, &next->event))
		return 0;
	names = vector_reserve(&removal->names, before + more);
	memcpy(names + before, next->event.names, more);
	event->names = names;
	event->count += next->event.count;
	return 1;
}
