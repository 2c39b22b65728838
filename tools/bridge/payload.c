/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/payload.h"

/* Of a value: its bytes behind the first one, and how many values are in it. */
struct head {
	uint64_t bytes;
	uint64_t values;
};

static uint64_t read_number(const uint8_t *bytes, uint32_t count)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < count; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* How many bytes, behind the first one, say how long the value is; of a number: that it is long. */
static const uint8_t lengths[32] = {
	[0xc4 - 0xc0] = 1, [0xc5 - 0xc0] = 2,  [0xc6 - 0xc0] = 4, /* bin */
	[0xc7 - 0xc0] = 1, [0xc8 - 0xc0] = 2,  [0xc9 - 0xc0] = 4, /* ext */
	[0xca - 0xc0] = 4, [0xcb - 0xc0] = 8,                     /* float */
	[0xcc - 0xc0] = 1, [0xcd - 0xc0] = 2,  [0xce - 0xc0] = 4, [0xcf - 0xc0] = 8,
	[0xd0 - 0xc0] = 1, [0xd1 - 0xc0] = 2,  [0xd2 - 0xc0] = 4, [0xd3 - 0xc0] = 8,
	[0xd4 - 0xc0] = 2, [0xd5 - 0xc0] = 3,  [0xd6 - 0xc0] = 5, /* fixext, with their type */
	[0xd7 - 0xc0] = 9, [0xd8 - 0xc0] = 17, [0xd9 - 0xc0] = 1, [0xda - 0xc0] = 2,
	[0xdb - 0xc0] = 4,                    /* str */
	[0xdc - 0xc0] = 2, [0xdd - 0xc0] = 4, /* array */
	[0xde - 0xc0] = 2, [0xdf - 0xc0] = 4, /* map */
};

/* Of bin, ext, str, array and map: `length` is what the bytes behind the first one say. */
static struct head long_head(uint8_t first, uint32_t bytes, uint64_t length)
{
	if (first >= 0xde)
		return (struct head){bytes, 2 * length};
	if (first >= 0xdc)
		return (struct head){bytes, length};
	if (first >= 0xd9 || first <= 0xc6)
		return (struct head){bytes + length, 0};
	return (struct head){bytes + length + 1, 0};
}

/* Of the value whose first byte is `bytes[0]`; what is cut off needs more bytes than there are. */
static struct head read_head(const uint8_t *bytes, size_t count)
{
	uint8_t first = bytes[0];
	uint32_t length;

	if (first < 0x80 || first >= 0xe0)
		return (struct head){0, 0};
	if (first < 0x90)
		return (struct head){0, 2 * (uint64_t)(first & 15)};
	if (first < 0xa0)
		return (struct head){0, first & 15};
	if (first < 0xc0)
		return (struct head){first & 31, 0};
	length = lengths[first - 0xc0];
	/* numbers, as most values of a batch are, and what else is as long as it is */
	if (!length || length >= count || (first >= 0xca && first <= 0xd8))
		return (struct head){length, 0};
	return long_head(first, length, read_number(bytes + 1, length));
}

int payload_claims_fit(const uint8_t *bytes, size_t count)
{
	uint64_t wanted = 1; /* values that are still to come */

	while (wanted) {
		struct head head;

		if (wanted > count) /* each has a byte at least */
			return 0;
		head = read_head(bytes, count);
		if (head.bytes >= count)
			return 0;
		bytes += 1 + head.bytes;
		count -= 1 + head.bytes;
		wanted += head.values - 1;
	}
	return 1;
}

static enum fault read_batch(struct payload *payload, const msgpack_object *batch)
{
	const msgpack_object *at = batch->via.array.ptr;
	uint32_t size = batch->type == MSGPACK_OBJECT_ARRAY ? batch->via.array.size : 0;

	if (size < 2 || at[1].type != MSGPACK_OBJECT_ARRAY)
		return FAULT_BATCH;
	payload->events = at[1].via.array.ptr;
	payload->event_count = at[1].via.array.size;
	payload->has_rank = size > 2 && at[2].type != MSGPACK_OBJECT_NIL;
	if (payload->has_rank &&
	    (at[2].type != MSGPACK_OBJECT_POSITIVE_INTEGER || at[2].via.u64 > UINT32_MAX))
		return FAULT_BATCH;
	payload->dp_rank = payload->has_rank ? (uint32_t)at[2].via.u64 : 0;
	if (at[0].type == MSGPACK_OBJECT_FLOAT64 || at[0].type == MSGPACK_OBJECT_FLOAT32)
		payload->time_s = at[0].via.f64;
	return FAULT_NONE;
}

enum fault payload_read(struct payload *payload, const void *bytes, size_t count)
{
	size_t end = 0;

	payload->events = NULL;
	payload->event_count = 0;
	payload->time_s = 0;
	payload->bytes = count;
	/* msgpack makes room for what a list claims before it has seen it */
	if (!payload_claims_fit(bytes, count) ||
	    msgpack_unpack_next(&payload->value, bytes, count, &end) != MSGPACK_UNPACK_SUCCESS ||
	    end != count)
		return FAULT_MSGPACK;
	return read_batch(payload, &payload->value.data);
}

void payload_free(struct payload *payload)
{
	msgpack_unpacked_destroy(&payload->value);
	*payload = (struct payload){0};
}
