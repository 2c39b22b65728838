/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection to an engine's stream. libzmq makes it again when it breaks, after 0.1 to 1 second; where
 * the engine connects, the engine's does. The socket and its queue are the same for all connections: what
 * stands in it when one breaks is of that one.
 */
#ifndef BRIDGE_LINK_H
#define BRIDGE_LINK_H

#include "tools/bridge/message.h"

#define LINK_QUEUE_MAX 100000 /* messages of a connection that wait, as in an engine's own queue */

enum link_event { LINK_NOTHING, LINK_CONNECTED, LINK_BROKE };

struct link {
	void *stream;
	void *monitor;
	const char *topic;
	int binds;
	int is_stranger; /* who goes next never spoke as an engine does */
	int is_followed; /* who connected beside another one is not told of yet */
	uint32_t peers;  /* connections to it: more than one only where engines connect */
};

/* Begin to connect, or with `binds` to listen. Whatever happens to it, epoll answers `who`. -errno; then
 * nothing is open. */
int link_open(struct link *ret_link, void *context, const char *endpoint, const char *topic,
	      int binds, int epoll_fd, void *who);
void link_close(struct link *link, int epoll_fd);

/* What happened next to the connection: it is made, breaks, is made. Who connects beside one that is there is
 * its successor: the older one breaks with that, and its end is nothing. Who receives all there is after BROKE,
 * before the next question, gets nothing of that connection after CONNECTED. */
enum link_event link_next(struct link *link);

/* Has the message exactly the topic that was asked for? "" takes all. A subscription to "a" also gets
 * messages of "ab". */
int link_is_topic(const struct link *link, struct message *message);

#endif
