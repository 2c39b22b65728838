/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/server.h"

#include "tools/ringdexd/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NS_PER_S       UINT64_C(1000000000)
#define STRANGERS_PART 4 /* of the memory, that one is theirs */

const struct server_limits server_limits_default = {
	.head_bytes = 16 * 1024,
	.body_bytes = 8 * 1024 * 1024,
	.memory_mib = 256,
	.idle_ns = 300 * NS_PER_S,
	.request_ns = 30 * NS_PER_S,
	.answer_ns = 30 * NS_PER_S,
};

struct listener {
	struct loop_socket socket; /* first */
	struct server *server;
	struct listener *next;
	int is_unix;
};

/* An eventfd, by which other threads wake the loop. */
struct waker {
	struct loop_socket socket; /* first */
	struct server *server;
};

struct server {
	struct connection_host host;
	struct listener *listeners;
	struct waker *waker;
};

static void on_accepted(struct loop_socket *socket, int fd)
{
	struct listener *listener = (struct listener *)socket;

	connection_open(&listener->server->host, fd, listener->is_unix);
}

static void on_closed(struct loop_socket *socket)
{
	free(socket); /* a listener, which is no longer in the list, or the waker */
}

static const struct loop_handler handler = {
	.accepted = on_accepted,
	.closed = on_closed,
};

static void on_woken(struct loop_socket *socket, const char *bytes, size_t count)
{
	struct waker *waker = (struct waker *)socket;
	eventfd_t times;

	(void)bytes, (void)count;
	if (eventfd_read(socket->fd, &times) == 0)
		connection_ask_streams(&waker->server->host);
}

static const struct loop_handler waker_handler = {.received = on_woken, .closed = on_closed};

/* -errno */
static int open_waker(struct server *server)
{
	struct waker *waker = calloc(1, sizeof(*waker));
	int r;

	if (!waker)
		return -ENOMEM;
	waker->server = server;
	waker->socket.handler = &waker_handler;
	waker->socket.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (waker->socket.fd < 0) {
		r = -errno;
		free(waker);
		return r;
	}
	r = loop_watch(server->host.loop, &waker->socket);
	if (r < 0)
		loop_close(server->host.loop, &waker->socket);
	else
		server->waker = waker;
	return r;
}

static void set_budget(struct connection_host *host)
{
	host->budget.most = (size_t)host->options.limits.memory_mib << 20;
	host->strangers.of = &host->budget;
	host->strangers.most = host->budget.most / STRANGERS_PART;
}

int server_open(struct server **ret_server, struct loop *loop, const struct server_options *options)
{
	struct server *server = calloc(1, sizeof(*server));
	int r;

	if (!server)
		return -ENOMEM;
	server->host.loop = loop;
	server->host.options = *options;
	set_budget(&server->host);
	r = open_waker(server);
	if (r < 0) {
		free(server);
		return r;
	}
	*ret_server = server;
	return 0;
}

void server_wake(struct server *server)
{
	(void)eventfd_write(server->waker->socket.fd, 1); /* full: it is awake */
}

int server_listen(struct server *server, int fd, int is_unix)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int r;

	if (!listener)
		return -ENOMEM;
	listener->socket.fd = fd;
	listener->socket.handler = &handler;
	listener->server = server;
	listener->is_unix = is_unix;
	r = loop_listen(server->host.loop, &listener->socket);
	if (r < 0) {
		loop_close(server->host.loop, &listener->socket);
		return r;
	}
	listener->next = server->listeners;
	server->listeners = listener;
	return 0;
}

void server_change(struct server *server, const struct server_limits *limits, const char *token,
		   const struct users *users)
{
	server->host.options.limits = *limits;
	set_budget(&server->host);
	server->host.options.token = token;
	server->host.options.users = users;
}

void server_look(struct server *server, uint64_t now_ns)
{
	struct connection *next;

	for (struct connection *at = server->host.first; at; at = next) {
		next = connection_next(at);
		connection_look(at, now_ns);
	}
	connection_ask_streams(&server->host);
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
	loop_close(server->host.loop, &server->waker->socket);
}

void server_free(struct server *server)
{
	free(server);
}

const struct server_counters *server_get_counters(const struct server *server)
{
	return &server->host.counters;
}

const struct budget *server_get_budget(const struct server *server)
{
	return &server->host.budget;
}
