/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/message.h"

#include <errno.h>
#include <string.h>

#define NUMBER_BYTES 8

void message_init(struct message *message)
{
	zmq_msg_init(&message->topic);
	zmq_msg_init(&message->number);
	zmq_msg_init(&message->batch);
	message->frames = 0;
}

void message_free(struct message *message)
{
	zmq_msg_close(&message->topic);
	zmq_msg_close(&message->number);
	zmq_msg_close(&message->batch);
}

/* Where the next frame goes: the last two are kept. */
static zmq_msg_t *next_frame(struct message *message)
{
	switch (message->frames++) {
	case 0:
		return &message->topic;
	case 1:
		return &message->number;
	case 2:
		return &message->batch;
	default:
		zmq_msg_move(&message->number, &message->batch);
		return &message->batch;
	}
}

int message_receive(struct message *message, void *socket)
{
	int more = 1;

	message_free(message);
	message_init(message);
	/* all frames of a message come at once */
	while (more) {
		zmq_msg_t *frame = next_frame(message);
		int r;

		do
			r = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT);
		while (r < 0 && errno == EINTR);
		if (r < 0)
			return 0;
		more = zmq_msg_more(frame);
	}
	return 1;
}

int message_check(struct message *message, uint32_t least, uint32_t most)
{
	const uint8_t *bytes = zmq_msg_data(&message->number);

	if (message->frames < least || message->frames > most ||
	    zmq_msg_size(&message->number) != NUMBER_BYTES)
		return 0;
	message->sequence = 0;
	for (int i = 0; i < NUMBER_BYTES; i++)
		message->sequence = message->sequence << 8 | bytes[i];
	return 1;
}
