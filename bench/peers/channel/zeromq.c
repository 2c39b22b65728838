/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ZeroMQ over ipc: publisher and subscribers, as inference engines announce their blocks; set to
 * wait where it would drop.
 */
#include "bench/peers/channel/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct place {
	uint32_t readers;
	char address[256];
};

struct end {
	void *context;
	void *socket;
};

static void *make(const char *dir, uint32_t readers)
{
	static int made;
	struct place *place = calloc(1, sizeof(*place));

	if (!place)
		return NULL;
	place->readers = readers;
	snprintf(place->address, sizeof(place->address), "ipc://%s/zeromq-%d", dir, made++);
	return place;
}

static void set(void *socket, int option, int value)
{
	zmq_setsockopt(socket, option, &value, sizeof(value));
}

static int subscribe(struct end *end, const struct place *place)
{
	end->socket = zmq_socket(end->context, ZMQ_SUB);
	if (!end->socket)
		return -1;
	set(end->socket, ZMQ_RCVHWM, CHANNEL_MESSAGES);
	if (zmq_setsockopt(end->socket, ZMQ_SUBSCRIBE, "", 0) < 0)
		return -1;
	return zmq_connect(end->socket, place->address);
}

/* Each subscriber says so in a message of one byte. */
static int publish(struct end *end, const struct place *place)
{
	char byte;

	end->socket = zmq_socket(end->context, ZMQ_XPUB);
	if (!end->socket)
		return -1;
	set(end->socket, ZMQ_SNDHWM, CHANNEL_MESSAGES);
	set(end->socket, ZMQ_XPUB_NODROP, 1);
	set(end->socket, ZMQ_XPUB_VERBOSE, 1);
	if (zmq_bind(end->socket, place->address) < 0)
		return -1;
	for (uint32_t i = 0; i < place->readers; i++)
		if (zmq_recv(end->socket, &byte, 1, 0) < 0)
			return -1;
	return 0;
}

static void *join(void *shared, int32_t reader)
{
	struct end *end = calloc(1, sizeof(*end));

	if (!end)
		return NULL;
	end->context = zmq_ctx_new();
	if ((reader == CHANNEL_WRITER ? publish(end, shared) : subscribe(end, shared)) < 0)
		return NULL;
	return end;
}

static void send(void *of, const struct message *message)
{
	const struct end *end = of;

	if (zmq_send(end->socket, message, sizeof(*message), 0) < 0)
		abort();
}

static void receive(void *of, struct message *ret_message)
{
	const struct end *end = of;

	if (zmq_recv(end->socket, ret_message, sizeof(*ret_message), 0) < 0)
		abort();
}

static void leave(void *of)
{
	struct end *end = of;

	zmq_close(end->socket);
	zmq_ctx_term(end->context);
	free(end);
}

const struct channel channel_peer = {
	.name = "zeromq",
	.what = "ZeroMQ, publish and subscribe over ipc",
	.make = make,
	.join = join,
	.send = send,
	.receive = receive,
	.leave = leave,
};
