/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK: rte_ring for one producer and one consumer, messages in it by value, without DPDK's own
 * memory. More readers are more rings.
 */
#include "bench/measure.h"
#include "bench/peers/channel/channel.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <stdlib.h>

struct rings {
	uint32_t readers;
	struct rte_ring *ring[];
};

struct end {
	struct rte_ring **ring;
	uint32_t count;
};

static struct rte_ring *make_ring(void)
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
	struct rings *rings = calloc(1, sizeof(*rings) + readers * sizeof(rings->ring[0]));

	(void)dir;
	if (!rings)
		return NULL;
	rings->readers = readers;
	for (uint32_t i = 0; i < readers; i++)
		if (!(rings->ring[i] = make_ring()))
			return NULL;
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
		uint32_t spins = 0;

		while (rte_ring_sp_enqueue_elem(end->ring[i], &copy, sizeof(copy)) != 0)
			channel_spin(&spins);
	}
}

static void receive(void *of, struct message *ret_message)
{
	const struct end *end = of;
	uint32_t spins = 0;

	while (rte_ring_sc_dequeue_elem(end->ring[0], ret_message, sizeof(*ret_message)) != 0)
		channel_spin(&spins);
}

const struct channel channel_peer = {
	.name = "dpdk",
	.what = "DPDK, rte_ring",
	.make = make,
	.join = join,
	.send = send,
	.receive = receive,
};
