/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message of an engine from a socket of libzmq: its topic, number and batch.
 */
#ifndef BRIDGE_MESSAGE_H
#define BRIDGE_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

/* A longer frame ends its connection: no batch needs it. */
#define MESSAGE_BYTES_MAX (INT64_C(16) << 20)

/* Frames of it: the first one and the last two. */
struct message {
	zmq_msg_t topic;
	zmq_msg_t number;
	zmq_msg_t batch;
	uint32_t frames;
	uint64_t sequence; /* after message_check */
};

void message_init(struct message *message);
void message_free(struct message *message);

/* Take the next one of a socket in place of what was there, without waiting: 1; 0: there is none. */
int message_receive(struct message *message, void *socket);

/* Are its last two frames a number and a batch, and are there as many as there should be? Then
 * `sequence` is read: 1, else 0. */
int message_check(struct message *message, uint32_t least, uint32_t most);

static inline const void *message_bytes(struct message *message)
{
	return zmq_msg_data(&message->batch);
}

static inline size_t message_count(const struct message *message)
{
	return zmq_msg_size(&message->batch);
}

#endif
