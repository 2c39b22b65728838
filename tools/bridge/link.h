/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection to an engine's stream. libzmq makes it again when it breaks, after 0.1 to 1 second; where
 * the engine connects, the engine's does.
 */
#ifndef BRIDGE_LINK_H
#define BRIDGE_LINK_H

#include "tools/bridge/message.h"

enum link_event { LINK_NOTHING, LINK_CONNECTED, LINK_BROKE };

struct link {
	void *stream;
	void *monitor;
	const char *topic;
	int binds;
	int is_stranger; /* who goes next never spoke as an engine does */
};

/* Begin to connect, or with `binds` to listen. Whatever happens to it, epoll answers `who`. -errno; then
 * nothing is open. */
int link_open(struct link *ret_link, void *context, const char *endpoint, const char *topic,
	      int binds, int epoll_fd, void *who);
void link_close(struct link *link, int epoll_fd);

/* What happened next to the connection. */
enum link_event link_next(struct link *link);

/* Has the message exactly the topic that was asked for? "" takes all. A subscription to "a" also gets
 * messages of "ab". */
int link_is_topic(const struct link *link, struct message *message);

#endif
