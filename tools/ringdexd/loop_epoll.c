/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop on epoll, for kernels that refuse io_uring.
 */
#include "tools/ringdexd/loop_kinds.h"

#include "shm/clock.h"

#include <errno.h>
#include <ringdex/rdx_indexer.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE  256
#define ACCEPTS_AT_ONCE 64
#define RECEIVED_BYTES  (64 * 1024)

struct epoll_loop {
	struct loop loop; /* first */
	int fd;
	char received[RECEIVED_BYTES];
};

static struct epoll_loop *of(struct loop *loop)
{
	return (struct epoll_loop *)loop;
}

static int ask(struct loop *loop, struct loop_socket *socket, int operation)
{
	struct epoll_event event = {.data.ptr = socket};

	event.events = (socket->wanted ? EPOLLIN : 0) | (socket->send_left ? EPOLLOUT : 0);
	if (operation == EPOLL_CTL_MOD && event.events == socket->events)
		return 0;
	socket->events = event.events;
	return epoll_ctl(of(loop)->fd, operation, socket->fd, &event) < 0 ? -errno : 0;
}

static int begin(struct loop *loop, struct loop_socket *socket)
{
	return ask(loop, socket, EPOLL_CTL_ADD);
}

static void fail(struct loop_socket *socket, int error)
{
	if (!socket->closing)
		socket->handler->failed(socket, error);
}

static void want(struct loop *loop, struct loop_socket *socket)
{
	int r = ask(loop, socket, EPOLL_CTL_MOD);

	if (r < 0)
		fail(socket, r);
}

/* As much as goes; the rest when there is room. */
static void go_on_sending(struct loop *loop, struct loop_socket *socket)
{
	while (socket->send_left) {
		ssize_t sent = send(socket->fd, socket->send_at, socket->send_left,
				    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN) {
			socket->send_left = 0;
			fail(socket, -errno);
			return;
		}
		if (sent < 0)
			break;
		socket->send_at += sent;
		socket->send_left -= (size_t)sent;
	}
	if (!socket->send_left) {
		socket->told_sent = 1;
		loop_list(loop, socket);
	}
	want(loop, socket);
}

static void close_socket(struct loop *loop, struct loop_socket *socket)
{
	(void)loop;
	close(socket->fd); /* leaves the set */
	socket->fd = -1;
}

static void accept_all(struct loop *loop, struct loop_socket *socket)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE && socket->wanted; i++) {
		int fd = accept4(socket->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			socket->handler->accepted(socket, fd);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR && errno != ECONNABORTED)
			loop_deafen(loop, socket);
	}
}

static void receive(struct loop *loop, struct loop_socket *socket)
{
	ssize_t count = recv(socket->fd, of(loop)->received, RECEIVED_BYTES, MSG_DONTWAIT);

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count < 0) {
		fail(socket, -errno);
		return;
	}
	if (!count)
		loop_pause(loop, socket); /* said once */
	socket->handler->received(socket, of(loop)->received, (size_t)count);
}

static void handle(struct loop *loop, struct loop_socket *socket, uint32_t events)
{
	if (socket->closing) /* by the handler of another one */
		return;
	if (socket->kind == LOOP_WATCHED) {
		socket->handler->received(socket, NULL, 0);
		return;
	}
	if (socket->kind == LOOP_LISTENER) {
		accept_all(loop, socket);
		return;
	}
	if (events & EPOLLOUT)
		go_on_sending(loop, socket);
	if (!socket->closing && socket->wanted && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(loop, socket);
	else if (!socket->closing && events & (EPOLLHUP | EPOLLERR))
		fail(socket, -ECONNRESET);
}

static int turn(struct loop *loop, uint64_t timeout_ns)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
				   .tv_nsec = (long)(timeout_ns % 1000000000)};
	int count;

	if (loop->listed)
		timeout = (struct timespec){0};
	count = epoll_pwait2(of(loop)->fd, events, EVENTS_AT_ONCE, &timeout, NULL);
	if (count < 0 && errno != EINTR)
		return -errno;
	loop->woken_ns = rdx_clock_ns();
	for (int i = 0; i < count; i++)
		handle(loop, events[i].data.ptr, events[i].events);
	return 0;
}

static void free_loop(struct loop *loop)
{
	close(of(loop)->fd);
	free(of(loop));
}

static const struct loop_calls calls = {
	.begin = begin,
	.want = want,
	.send = go_on_sending,
	.close = close_socket,
	.turn = turn,
	.free = free_loop,
};

int loop_epoll_open(struct loop **ret_loop)
{
	struct epoll_loop *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->loop.calls = &calls;
	made->loop.mode = RDX_WAIT_EPOLL;
	made->fd = epoll_create1(EPOLL_CLOEXEC);
	if (made->fd < 0) {
		int r = -errno;

		free(made);
		return r;
	}
	*ret_loop = &made->loop;
	return 0;
}
