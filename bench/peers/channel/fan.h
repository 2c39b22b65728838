/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel of which more readers are more rings: the writer's end is all of them, a reader's end is
 * its own.
 */
#ifndef CHANNEL_FAN_H
#define CHANNEL_FAN_H

#include "bench/peers/channel/channel.h"

#include <stdlib.h>

struct fan {
	uint32_t readers;
	void *ring[];
};

struct fan_end {
	void *const *ring;
	uint32_t count;
};

/* `make` gives one ring, or NULL. */
static inline void *fan_make(uint32_t readers, void *(*make)(void))
{
	struct fan *fan = calloc(1, sizeof(*fan) + readers * sizeof(fan->ring[0]));

	if (!fan)
		return NULL;
	fan->readers = readers;
	for (uint32_t i = 0; i < readers; i++) {
		fan->ring[i] = make();
		if (!fan->ring[i])
			return NULL;
	}
	return fan;
}

static inline void *fan_join(void *shared, int32_t reader)
{
	const struct fan *fan = shared;
	struct fan_end *end = calloc(1, sizeof(*end));

	if (!end)
		return NULL;
	end->ring = &fan->ring[reader == CHANNEL_WRITER ? 0 : reader];
	end->count = reader == CHANNEL_WRITER ? fan->readers : 1;
	return end;
}

#endif
