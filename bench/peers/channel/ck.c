/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Concurrency Kit: ck_ring for one producer and one consumer, messages in it by value. More
 * readers are more rings.
 */
#include "bench/measure.h"
#include "bench/peers/channel/fan.h"

#include <ck_ring.h>
#include <stdalign.h>

CK_RING_PROTOTYPE(message, message)

struct ring {
	alignas(128) struct ck_ring ring;
	alignas(128) struct message message[CHANNEL_MESSAGES];
};

static void *make_ring(void)
{
	struct ring *ring = measure_memory(sizeof(*ring), MEASURE_SHARED);

	if (ring)
		ck_ring_init(&ring->ring, CHANNEL_MESSAGES);
	return ring;
}

static void *make(const char *dir, uint32_t readers)
{
	(void)dir;
	return fan_make(readers, make_ring);
}

static void send(void *of, const struct message *message)
{
	const struct fan_end *end = of;
	struct message copy = *message;

	for (uint32_t i = 0; i < end->count; i++) {
		struct ring *ring = end->ring[i];
		uint32_t spins = 0;

		while (!ck_ring_enqueue_spsc_message(&ring->ring, ring->message, &copy))
			channel_spin(&spins);
	}
}

static void receive(void *of, struct message *ret_message)
{
	const struct fan_end *end = of;
	struct ring *ring = end->ring[0];
	uint32_t spins = 0;

	while (!ck_ring_dequeue_spsc_message(&ring->ring, ring->message, ret_message))
		channel_spin(&spins);
}

const struct channel channel_peer = {
	.name = "ck",
	.what = "Concurrency Kit, ck_ring",
	.make = make,
	.join = fan_join,
	.send = send,
	.receive = receive,
};
