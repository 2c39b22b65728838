/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/server.h"

#include "tools/ringdexd/connection.h"

#include <errno.h>
#include <stdlib.h>

#define NS_PER_S UINT64_C(1000000000)

const struct server_limits server_limits_default = {
	.head_bytes = 16 * 1024,
	.body_bytes = 8 * 1024 * 1024,
	.idle_ns = 300 * NS_PER_S,
	.request_ns = 30 * NS_PER_S,
	.answer_ns = 30 * NS_PER_S,
};

struct listener {
	struct loop_socket socket; /* first */
	struct server *server;
	struct listener *next;
	int is_trusted;
};

struct server {
	struct connection_host host;
	struct listener *listeners;
};

static void on_accepted(struct loop_socket *socket, int fd)
{
	struct listener *listener = (struct listener *)socket;

	connection_open(&listener->server->host, fd, listener->is_trusted);
}

static void on_closed(struct loop_socket *socket)
{
	free(socket); /* a listener: it is no longer in the list */
}

static const struct loop_handler handler = {
	.accepted = on_accepted,
	.closed = on_closed,
};

int server_open(struct server **ret_server, struct loop *loop, const struct server_options *options)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->host.loop = loop;
	server->host.options = *options;
	*ret_server = server;
	return 0;
}

int server_listen(struct server *server, int fd, int is_trusted)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int r;

	if (!listener)
		return -ENOMEM;
	listener->socket.fd = fd;
	listener->socket.handler = &handler;
	listener->server = server;
	listener->is_trusted = is_trusted;
	r = loop_listen(server->host.loop, &listener->socket);
	if (r < 0) {
		loop_close(server->host.loop, &listener->socket);
		return r;
	}
	listener->next = server->listeners;
	server->listeners = listener;
	return 0;
}

void server_change(struct server *server, const struct server_limits *limits, const char *token)
{
	server->host.options.limits = *limits;
	server->host.options.token = token;
}

void server_look(struct server *server, uint64_t now_ns)
{
	struct connection *next;

	for (struct connection *at = server->host.first; at; at = next) {
		next = connection_next(at);
		connection_look(at, now_ns);
	}
}

uint32_t server_drain(struct server *server)
{
	while (server->listeners) {
		struct listener *listener = server->listeners;

		server->listeners = listener->next;
		loop_close(server->host.loop, &listener->socket);
	}
	server->host.is_draining = 1;
	return server->host.counters.connections;
}

void server_end(struct server *server)
{
	for (struct connection *at = server->host.first; at; at = connection_next(at))
		connection_end(at);
}

void server_free(struct server *server)
{
	free(server);
}

const struct server_counters *server_get_counters(const struct server *server)
{
	return &server->host.counters;
}
