/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK: rte_ring for one producer and one consumer, messages in it by value, without DPDK's own
 * memory. More readers are more rings.
 */
#include "bench/measure.h"
#include "bench/peers/channel/fan.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

static void *make_ring(void)
{
	ssize_t bytes = rte_ring_get_memsize_elem(sizeof(struct message), CHANNEL_MESSAGES);
	struct rte_ring *ring = bytes < 0 ? NULL : measure_memory((uint64_t)bytes, MEASURE_SHARED);

	if (!ring ||
	    rte_ring_init(ring, "peer", CHANNEL_MESSAGES, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0)
		return NULL;
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
		uint32_t spins = 0;

		while (rte_ring_sp_enqueue_elem(end->ring[i], &copy, sizeof(copy)) != 0)
			channel_spin(&spins);
	}
}

static void receive(void *of, struct message *ret_message)
{
	const struct fan_end *end = of;
	uint32_t spins = 0;

	while (rte_ring_sc_dequeue_elem(end->ring[0], ret_message, sizeof(*ret_message)) != 0)
		channel_spin(&spins);
}

const struct channel channel_peer = {
	.name = "dpdk",
	.what = "DPDK, rte_ring",
	.make = make,
	.join = fan_join,
	.send = send,
	.receive = receive,
};
