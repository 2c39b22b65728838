/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/replay.h"

#include "shm/clock.h"
#include "tools/bridge/polled.h"

#include <errno.h>
#include <string.h>

#define FRAMES_MIN   3 /* "", number, batch */
#define FRAMES_MAX   4 /* "", topic, number, batch */
#define NUMBER_BYTES 8

static int configure(void *socket, const char *endpoint)
{
	/* an engine sends all it has at once, and what finds no room is lost, the end too */
	int unlimited = 0, linger = 0, six = 1;
	int64_t bytes = MESSAGE_BYTES_MAX;

	if (zmq_setsockopt(socket, ZMQ_RCVHWM, &unlimited, sizeof(unlimited)) < 0 ||
	    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
	    zmq_setsockopt(socket, ZMQ_IPV6, &six, sizeof(six)) < 0 ||
	    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes, sizeof(bytes)) < 0)
		return -errno;
	return zmq_connect(socket, endpoint) < 0 ? -errno : 0;
}

static int send(void *socket, uint64_t first)
{
	uint8_t number[NUMBER_BYTES];

	for (int i = 0; i < NUMBER_BYTES; i++)
		number[i] = (uint8_t)(first >> (56 - 8 * i));
	if (zmq_send(socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
	    zmq_send(socket, number, sizeof(number), ZMQ_DONTWAIT) < 0)
		return -errno;
	return 0;
}

int replay_ask(struct replay *replay, void *context, const char *endpoint, uint64_t first,
	       int epoll_fd, void *who)
{
	int r;

	replay->socket = zmq_socket(context, ZMQ_DEALER);
	if (!replay->socket)
		return -errno;
	r = polled_add(epoll_fd, replay->socket, who);
	if (r == 0)
		r = configure(replay->socket, endpoint);
	if (r == 0)
		r = send(replay->socket, first);
	if (r < 0)
		replay_close(replay, epoll_fd);
	replay->until_ns = rdx_clock_ns() + replay->wait_ns;
	return r;
}

void replay_close(struct replay *replay, int epoll_fd)
{
	if (!replay->socket)
		return;
	polled_remove(epoll_fd, replay->socket);
	zmq_close(replay->socket);
	replay->socket = NULL;
}

enum replay_result replay_next(struct replay *replay, struct message *message)
{
	if (!message_receive(message, replay->socket))
		return REPLAY_NOTHING;
	replay->until_ns = rdx_clock_ns() + replay->wait_ns;
	if (!message_check(message, FRAMES_MIN, FRAMES_MAX))
		return REPLAY_BAD;
	return message->sequence == UINT64_MAX && message_count(message) == 0 ? REPLAY_END
									      : REPLAY_MESSAGE;
}
