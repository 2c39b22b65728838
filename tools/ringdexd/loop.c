/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/loop_kinds.h"

#include "shm/clock.h"

#include <errno.h>
#include <ringdex/rdx_indexer.h>

int loop_open(struct loop **ret_loop, uint32_t mode)
{
	int r = -ENOSYS;

	if (mode != RDX_WAIT_EPOLL)
		r = loop_uring_open(ret_loop);
	if (r < 0 && mode != RDX_WAIT_URING)
		r = loop_epoll_open(ret_loop);
	return r;
}

void loop_free(struct loop *loop)
{
	if (loop)
		loop->calls->free(loop);
}

uint32_t loop_sockets(const struct loop *loop)
{
	return loop->sockets;
}

uint32_t loop_mode(const struct loop *loop)
{
	return loop->mode;
}

uint64_t loop_busy_ns(const struct loop *loop)
{
	return loop->busy_ns;
}

static int begin(struct loop *loop, struct loop_socket *socket, uint8_t kind)
{
	socket->kind = kind;
	socket->wanted = 1;
	loop->sockets++; /* also where it cannot begin: it is to be closed */
	return loop->calls->begin(loop, socket);
}

int loop_listen(struct loop *loop, struct loop_socket *socket)
{
	return begin(loop, socket, LOOP_LISTENER);
}

int loop_receive(struct loop *loop, struct loop_socket *socket)
{
	return begin(loop, socket, LOOP_CONNECTION);
}

int loop_watch(struct loop *loop, struct loop_socket *socket)
{
	return begin(loop, socket, LOOP_WATCHED);
}

static void want(struct loop *loop, struct loop_socket *socket, uint8_t wanted)
{
	if (socket->wanted == wanted || socket->closing)
		return;
	socket->wanted = wanted;
	loop->calls->want(loop, socket);
}

void loop_pause(struct loop *loop, struct loop_socket *socket)
{
	want(loop, socket, 0);
}

void loop_resume(struct loop *loop, struct loop_socket *socket)
{
	want(loop, socket, 1);
}

void loop_send(struct loop *loop, struct loop_socket *socket, const char *bytes, size_t count)
{
	socket->send_at = bytes;
	socket->send_left = count;
	loop->calls->send(loop, socket);
}

static void hear(struct loop *loop, struct loop_socket *socket)
{
	struct loop_socket **at = &loop->deaf;

	while (*at != socket)
		at = &(*at)->next_deaf;
	*at = socket->next_deaf;
	socket->is_deaf = 0;
}

void loop_close(struct loop *loop, struct loop_socket *socket)
{
	if (socket->closing)
		return;
	socket->closing = 1;
	socket->wanted = 0;
	if (socket->is_deaf)
		hear(loop, socket);
	loop->calls->close(loop, socket);
	loop_list(loop, socket);
}

void loop_list(struct loop *loop, struct loop_socket *socket)
{
	if (socket->listed)
		return;
	socket->listed = 1;
	socket->next = loop->listed;
	loop->listed = socket;
}

void loop_deafen(struct loop *loop, struct loop_socket *socket)
{
	if (socket->is_deaf)
		return;
	want(loop, socket, 0);
	if (!loop->deaf)
		loop->hear_ns = rdx_clock_ns() + LOOP_ACCEPT_AGAIN_NS;
	socket->is_deaf = 1;
	socket->next_deaf = loop->deaf;
	loop->deaf = socket;
}

/* What handlers list meanwhile is for the next turn, so that none lasts for ever. */
static void tell(struct loop *loop)
{
	struct loop_socket *socket = loop->listed, *next;

	loop->listed = NULL;
	for (; socket; socket = next) {
		next = socket->next;
		socket->listed = 0;
		if (socket->closing) {
			if (socket->in_flight)
				continue; /* the last completion lists it again */
			loop->sockets--;
			socket->handler->closed(socket);
		} else if (socket->told_sent) {
			socket->told_sent = 0;
			socket->handler->sent(socket);
		}
	}
}

int loop_turn(struct loop *loop, uint64_t timeout_ns)
{
	int r;

	if (loop->deaf && timeout_ns > LOOP_ACCEPT_AGAIN_NS)
		timeout_ns = LOOP_ACCEPT_AGAIN_NS;
	r = loop->calls->turn(loop, timeout_ns);
	if (r < 0)
		return r;
	while (loop->deaf && rdx_clock_ns() >= loop->hear_ns) {
		struct loop_socket *socket = loop->deaf;

		hear(loop, socket);
		loop_resume(loop, socket);
	}
	tell(loop);
	loop->busy_ns = rdx_clock_ns() - loop->woken_ns;
	return 0;
}
