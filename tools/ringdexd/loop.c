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

uint32_t loop_mode(const struct loop *loop)
{
	return loop->mode;
}

static int begin(struct loop *loop, struct loop_socket *socket, uint8_t kind)
{
	socket->kind = kind;
	socket->wanted = 1;
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

void loop_close(struct loop *loop, struct loop_socket *socket)
{
	if (socket->closing)
		return;
	socket->closing = 1;
	socket->wanted = 0;
	if (loop->deaf == socket)
		loop->deaf = NULL;
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
	want(loop, socket, 0);
	loop->deaf = socket;
	loop->hear_ns = rdx_clock_ns() + LOOP_ACCEPT_AGAIN_NS;
}

/* Handlers may list more; those are told in this turn too. */
static void tell(struct loop *loop)
{
	while (loop->listed) {
		struct loop_socket *socket = loop->listed;

		loop->listed = socket->next;
		socket->listed = 0;
		if (socket->closing) {
			if (!socket->in_flight)
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
	if (loop->deaf && rdx_clock_ns() >= loop->hear_ns) {
		struct loop_socket *socket = loop->deaf;

		loop->deaf = NULL;
		loop_resume(loop, socket);
	}
	tell(loop);
	return 0;
}
