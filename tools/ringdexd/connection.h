/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP/1.1 connection: requests are read by llhttp, answered one after the other, in their order. What
 * it takes of memory and time is bounded by its server's limits.
 */
#ifndef RINGDEXD_CONNECTION_H
#define RINGDEXD_CONNECTION_H

#include "tools/ringdexd/server.h"

struct connection;

/* What all connections of a server share. */
struct connection_host {
	struct loop *loop;
	struct server_options options;
	struct server_counters counters;
	struct budget budget;         /* of all that they keep */
	struct budget strangers;      /* the part of those that have not shown the token */
	struct connection *first;     /* of all */
	struct connection *streaming; /* of those whose answer is a stream */
	int is_draining;              /* each ends after its answer */
};

/* Take over an accepted descriptor; where that cannot be it is closed, and counted. */
void connection_open(struct connection_host *host, int fd, int is_unix);

/* End it if its time is over, or if it is idle and the host drains. */
void connection_look(struct connection *connection, uint64_t now_ns);

/* Ask the streams that wait for more. */
void connection_ask_streams(struct connection_host *host);

/* End it at once. */
void connection_end(struct connection *connection);

/* The next one of the host's, NULL: it was the last. */
struct connection *connection_next(const struct connection *connection);

#endif
