/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch as an engine sends it, in msgpack: [time, events, rank]. Its bytes are anybody's: memory is
 * bounded by their count, and what is not as it should be is refused by a fault.
 */
#ifndef BRIDGE_PAYLOAD_H
#define BRIDGE_PAYLOAD_H

#include "tools/bridge/fault.h"

#include <msgpack.h>
#include <stdint.h>

/* {0} is none. Refers to the bytes, which stay until the next is read. */
struct payload {
	msgpack_unpacked value;
	const msgpack_object *events;
	uint32_t event_count;
	uint32_t dp_rank; /* where has_rank */
	int has_rank;
	double time_s;    /* since 1970; 0: not said */
	enum fault fault; /* what was wrong when it was read */
	uint64_t bytes;
};

/* Read a batch in place of what was there. */
enum fault payload_read(struct payload *payload, const void *bytes, size_t count);
void payload_free(struct payload *payload);

/* Does no list, map or text claim more than `count` bytes can hold? */
int payload_claims_fit(const uint8_t *bytes, size_t count);

#endif
