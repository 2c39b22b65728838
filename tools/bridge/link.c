/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/link.h"

#include "tools/bridge/polled.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RECONNECT_MS  100
#define RECONNECT_MAX 1000
#define BEAT_MS       5000 /* an engine's machine that is gone closes no connection */
#define BEAT_MAX      15000

static int set(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value));
}

static int configure(struct link *link, const char *endpoint)
{
	int64_t bytes = MESSAGE_BYTES_MAX;
	void *stream = link->stream;

	if (set(stream, ZMQ_RCVHWM, LINK_QUEUE_MAX) < 0 || set(stream, ZMQ_LINGER, 0) < 0 ||
	    set(stream, ZMQ_RECONNECT_IVL, RECONNECT_MS) < 0 ||
	    set(stream, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX) < 0 ||
	    set(stream, ZMQ_HEARTBEAT_IVL, BEAT_MS) < 0 ||
	    set(stream, ZMQ_HEARTBEAT_TIMEOUT, BEAT_MAX) < 0 || set(stream, ZMQ_IPV6, 1) < 0 ||
	    zmq_setsockopt(stream, ZMQ_MAXMSGSIZE, &bytes, sizeof(bytes)) < 0 ||
	    zmq_setsockopt(stream, ZMQ_SUBSCRIBE, link->topic, strlen(link->topic)) < 0)
		return -errno;
	return (link->binds ? zmq_bind(stream, endpoint) : zmq_connect(stream, endpoint)) < 0
		       ? -errno
		       : 0;
}

static int listen_to(struct link *link, void *context)
{
	char address[64];

	snprintf(address, sizeof(address), "inproc://link-%p", link->stream);
	link->monitor = zmq_socket(context, ZMQ_PAIR);
	if (!link->monitor ||
	    zmq_socket_monitor(link->stream, address,
			       ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
				       ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
				       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
				       ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) < 0 ||
	    zmq_connect(link->monitor, address) < 0)
		return -errno;
	return 0;
}

int link_open(struct link *ret_link, void *context, const char *endpoint, const char *topic,
	      int binds, int epoll_fd, void *who)
{
	struct link link = {.stream = zmq_socket(context, ZMQ_SUB), .topic = topic, .binds = binds};
	int r = link.stream ? listen_to(&link, context) : -errno;

	if (r == 0)
		r = polled_add(epoll_fd, link.stream, who);
	if (r == 0)
		r = polled_add(epoll_fd, link.monitor, who);
	if (r == 0)
		r = configure(&link, endpoint);
	if (r < 0)
		link_close(&link, epoll_fd);
	else
		*ret_link = link;
	return r;
}

void link_close(struct link *link, int epoll_fd)
{
	if (link->monitor) {
		zmq_socket_monitor(link->stream, NULL, 0);
		polled_remove(epoll_fd, link->monitor);
		zmq_close(link->monitor);
	}
	if (link->stream) {
		polled_remove(epoll_fd, link->stream);
		zmq_close(link->stream);
	}
	*link = (struct link){0};
}

/* The number of the monitor's next event; 0: there is none. */
static uint16_t next_number(const struct link *link)
{
	uint16_t number = 0;
	zmq_msg_t frame;
	int more = 1;

	while (more) {
		zmq_msg_init(&frame);
		if (zmq_msg_recv(&frame, link->monitor, ZMQ_DONTWAIT) < 0) {
			zmq_msg_close(&frame);
			return 0;
		}
		if (!number && zmq_msg_size(&frame) >= sizeof(number))
			memcpy(&number, zmq_msg_data(&frame), sizeof(number));
		more = zmq_msg_more(&frame);
		zmq_msg_close(&frame);
	}
	return number;
}

enum link_event link_next(struct link *link)
{
	if (link->is_followed) {
		link->is_followed = 0;
		return LINK_CONNECTED;
	}
	for (;;) {
		uint16_t number = next_number(link);
		int was_stranger = link->is_stranger;

		if (number == 0)
			return LINK_NOTHING; /* a stranger's end may be on its way */
		link->is_stranger = 0;
		if (number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
			link->is_followed = link->peers++ > 0;
			return link->is_followed ? LINK_BROKE : LINK_CONNECTED;
		}
		if (number != ZMQ_EVENT_DISCONNECTED)
			link->is_stranger = 1; /* its end comes next, and is no engine's */
		else if (!was_stranger && link->peers && --link->peers == 0)
			return LINK_BROKE;
	}
}

int link_is_topic(const struct link *link, struct message *message)
{
	size_t length = strlen(link->topic);

	return !length || (zmq_msg_size(&message->topic) == length &&
			   memcmp(zmq_msg_data(&message->topic), link->topic, length) == 0);
}
