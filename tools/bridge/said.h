/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event of a batch, as it was said: msgpack into the translator's structure. What it means,
 * producer/engine knows.
 */
#ifndef BRIDGE_SAID_H
#define BRIDGE_SAID_H

#include "tools/bridge/fault.h"
#include "tools/bridge/payload.h"
#include "tools/bridge/vector.h"
#include <ringdex/rdx_engine.h>

#define SAID_NAME_BYTES_MAX 32

/* What an event refers to belongs to this and is used again. {0} is none. */
struct said {
	struct rdx_engine_event event;
	uint8_t parent[SAID_NAME_BYTES_MAX];
	struct vector names;
	struct vector remaining; /* uint32_t */
	struct vector tokens;    /* uint32_t */
	struct vector keys;      /* struct rdx_engine_key */
	struct vector texts;     /* with a NUL each */
	uint64_t texts_used;
};

/*
 * Read one event of a batch. `engine` knows which fields mean nothing; NULL: the built-in ones. A fault
 * refuses the event; without memory the program ends.
 */
enum fault said_read(struct said *said, const struct payload *payload, uint32_t index,
		     const struct rdx_engine *engine);
void said_free(struct said *said);

#endif
