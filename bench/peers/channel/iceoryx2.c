/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iceoryx2: publish and subscribe, in Rust (iceoryx2.rs); this is its C side.
 */
#include "bench/peers/channel/channel.h"

#include <stdlib.h>

void *peers_iceoryx2_make(const char *dir, uint32_t readers);
void *peers_iceoryx2_join(void *shared, int32_t reader);
int peers_iceoryx2_send(void *end, const struct message *message);
int peers_iceoryx2_receive(void *end, struct message *ret_message);
void peers_iceoryx2_leave(void *end);
void peers_iceoryx2_discard(void *shared);

static void send(void *end, const struct message *message)
{
	if (peers_iceoryx2_send(end, message) < 0)
		abort();
}

static void receive(void *end, struct message *ret_message)
{
	uint32_t spins = 0;
	int r;

	while ((r = peers_iceoryx2_receive(end, ret_message)) == 0)
		channel_spin(&spins);
	if (r < 0)
		abort();
}

const struct channel channel_peer = {
	.name = "iceoryx2",
	.what = "iceoryx2, publish and subscribe",
	.make = peers_iceoryx2_make,
	.join = peers_iceoryx2_join,
	.send = send,
	.receive = receive,
	.leave = peers_iceoryx2_leave,
	.discard = peers_iceoryx2_discard,
};
