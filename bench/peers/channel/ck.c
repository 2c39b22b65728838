/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Concurrency Kit: ck_ring for one producer and one consumer, messages in it by value. More
 * readers are more rings.
 */
#include "bench/measure.h"
#include "bench/peers/channel/channel.h"

#include <ck_ring.h>
#include <stdalign.h>
#include <stdlib.h>

CK_RING_PROTOTYPE(message, message)

struct ring {
	alignas(128) struct ck_ring ring;
	alignas(128) struct message message[CHANNEL_MESSAGES];
};

struct rings {
	uint32_t readers;
	struct ring ring[];
};

struct end {
	struct ring *ring;
	uint32_t count;
};

static void *make(const char *dir, uint32_t readers)
{
	struct rings *rings =
		measure_memory(sizeof(*rings) + readers * sizeof(*rings->ring), MEASURE_SHARED);

	(void)dir;
	if (!rings)
		return NULL;
	rings->readers = readers;
	for (uint32_t i = 0; i < readers; i++)
		ck_ring_init(&rings->ring[i].ring, CHANNEL_MESSAGES);
	return rings;
}

static void *join(void *shared, int32_t reader)
{
	struct rings *rings = shared;
	struct end *end = calloc(1, sizeof(*end));

	if (!end)
		return NULL;
	end->ring = &rings->ring[reader == CHANNEL_WRITER ? 0 : reader];
	end->count = reader == CHANNEL_WRITER ? rings->readers : 1;
	return end;
}

static void send(void *of, const struct message *message)
{
	const struct end *end = of;
	struct message copy = *message;

	for (uint32_t i = 0; i < end->count; i++) {
		struct ring *ring = &end->ring[i];
		uint32_t spins = 0;

		while (!ck_ring_enqueue_spsc_message(&ring->ring, ring->message, &copy))
			channel_spin(&spins);
	}
}

static void receive(void *of, struct message *ret_message)
{
	const struct end *end = of;
	uint32_t spins = 0;

	while (!ck_ring_dequeue_spsc_message(&end->ring->ring, end->ring->message, ret_message))
		channel_spin(&spins);
}

const struct channel channel_peer = {
	.name = "ck",
	.what = "Concurrency Kit, ck_ring",
	.make = make,
	.join = join,
	.send = send,
	.receive = receive,
};
