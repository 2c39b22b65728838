/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop on io_uring: one request accepts all connections of a listener, what is received comes in buffers
 * that the connections share, and a turn is one system call. A connection has one request to receive at a
 * time, not one for all that comes: that would go on for megabytes before a pause reached it.
 */
#include "tools/ringdexd/loop_kinds.h"

#include "shm/clock.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <ringdex/rdx_indexer.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENTRIES      256 /* of the submission queue: what a turn asks for */
#define COMPLETIONS  4096
#define BUFFERS      128 /* a power of two */
#define BUFFER_BYTES (16 * 1024)
#define BUFFER_GROUP 0

/* What a completion is of: in the low bits of its socket's address. */
enum operation { TAKE = 0, SEND = 1, OPERATIONS = 7 };

struct uring_loop {
	struct loop loop; /* first */
	struct io_uring ring;
	struct io_uring_buf_ring *shared; /* of buffers that are free */
	char *buffers;
};

static struct uring_loop *of(struct loop *loop)
{
	return (struct uring_loop *)loop;
}

static struct io_uring_sqe *new_request(struct uring_loop *loop)
{
	struct io_uring_sqe *request = io_uring_get_sqe(&loop->ring);

	while (!request) { /* the queue is full: the kernel takes it all */
		io_uring_submit(&loop->ring);
		request = io_uring_get_sqe(&loop->ring);
	}
	return request;
}

static void put(struct io_uring_sqe *request, struct loop_socket *socket, enum operation operation)
{
	io_uring_sqe_set_data64(request, (uintptr_t)socket | operation);
	socket->in_flight++;
}

/* Ask for connections or readiness, as often as they come, or for some bytes. */
static void take(struct uring_loop *loop, struct loop_socket *socket)
{
	struct io_uring_sqe *request = new_request(loop);

	if (socket->kind == LOOP_LISTENER) {
		io_uring_prep_multishot_accept(request, socket->fd, NULL, NULL,
					       SOCK_CLOEXEC | SOCK_NONBLOCK);
	} else if (socket->kind == LOOP_WATCHED) {
		io_uring_prep_poll_multishot(request, socket->fd, POLLIN);
	} else {
		io_uring_prep_recv(request, socket->fd, NULL, BUFFER_BYTES, 0);
		request->flags |= IOSQE_BUFFER_SELECT;
		request->buf_group = BUFFER_GROUP;
	}
	put(request, socket, TAKE);
	socket->receiving = 1;
}

static int begin(struct loop *loop, struct loop_socket *socket)
{
	take(of(loop), socket);
	return 0;
}

static void cancel(struct uring_loop *loop, struct loop_socket *socket, enum operation operation)
{
	struct io_uring_sqe *request = new_request(loop);

	io_uring_prep_cancel64(request, (uintptr_t)socket | operation, 0);
	io_uring_sqe_set_data64(request,
				0); /* whether it came in time is seen at what it cancels */
}

static void want(struct loop *loop, struct loop_socket *socket)
{
	if (socket->wanted && !socket->receiving)
		take(of(loop), socket);
	else if (!socket->wanted && socket->receiving && socket->kind == LOOP_LISTENER)
		cancel(of(loop), socket, TAKE); /* wanted again before it ends: see taken */
}

static void send_rest(struct loop *loop, struct loop_socket *socket)
{
	struct io_uring_sqe *request = new_request(of(loop));

	io_uring_prep_send(request, socket->fd, socket->send_at, socket->send_left, MSG_NOSIGNAL);
	put(request, socket, SEND);
}

/* What the kernel has of it ends first. */
static void close_socket(struct loop *loop, struct loop_socket *socket)
{
	if (socket->receiving)
		cancel(of(loop), socket, TAKE);
	if (socket->send_left)
		cancel(of(loop), socket, SEND);
	if (!socket->in_flight) {
		close(socket->fd);
		socket->fd = -1;
	}
}

static void sent(struct loop *loop, struct loop_socket *socket, int result)
{
	if (socket->closing)
		return;
	if (result < 0) {
		socket->send_left = 0;
		socket->handler->failed(socket, result);
		return;
	}
	socket->send_at += result;
	socket->send_left -= (size_t)result;
	if (socket->send_left) {
		send_rest(loop, socket);
		return;
	}
	socket->told_sent = 1;
	loop_list(loop, socket);
}

static void give_back(struct uring_loop *loop, uint32_t buffer)
{
	io_uring_buf_ring_add(loop->shared, loop->buffers + (size_t)buffer * BUFFER_BYTES,
			      BUFFER_BYTES, (uint16_t)buffer, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(loop->shared, 1);
}

static void received(struct loop *loop, struct loop_socket *socket, int result, uint32_t flags)
{
	uint32_t buffer = flags >> IORING_CQE_BUFFER_SHIFT;

	if (!socket->closing) {
		if (result > 0)
			socket->handler->received(socket,
						  of(loop)->buffers + (size_t)buffer * BUFFER_BYTES,
						  (size_t)result);
		else if (result == 0) {
			socket->wanted = 0; /* said once */
			socket->handler->received(socket, NULL, 0);
		} else if (result != -ENOBUFS && result != -ECANCELED && result != -EINTR)
			socket->handler->failed(socket, result);
	}
	if (flags & IORING_CQE_F_BUFFER)
		give_back(of(loop), buffer);
}

static void taken(struct loop *loop, struct loop_socket *socket, int result, uint32_t flags)
{
	if (!(flags & IORING_CQE_F_MORE))
		socket->receiving = 0;
	if (socket->kind == LOOP_CONNECTION) {
		received(loop, socket, result, flags);
	} else if (socket->kind == LOOP_LISTENER) {
		if (result >= 0 && socket->closing)
			close(result);
		else if (result >= 0)
			socket->handler->accepted(socket, result);
		else if (!socket->closing && result != -ECANCELED && result != -ECONNABORTED)
			loop_deafen(loop, socket);
	} else if (result >= 0 && !socket->closing) {
		socket->handler->received(socket, NULL, 0);
	}
	/* the next bytes; or the kernel ended it, or it was paused and resumed */
	if (!socket->receiving && socket->wanted && !socket->closing)
		take(of(loop), socket);
}

static void complete(struct loop *loop, const struct io_uring_cqe *completion)
{
	uint64_t data = completion->user_data;
	struct loop_socket *socket =
		(struct loop_socket *)(uintptr_t)(data & ~(uint64_t)OPERATIONS);

	if (!socket)
		return;
	if (!(completion->flags & IORING_CQE_F_MORE))
		socket->in_flight--;
	if ((data & OPERATIONS) == SEND)
		sent(loop, socket, completion->res);
	else
		taken(loop, socket, completion->res, completion->flags);
	if (socket->closing && !socket->in_flight && socket->fd >= 0) {
		close(socket->fd);
		socket->fd = -1;
		loop_list(loop, socket);
	}
}

static int turn(struct loop *loop, uint64_t timeout_ns)
{
	struct io_uring *ring = &of(loop)->ring;
	struct __kernel_timespec timeout = {.tv_sec = (int64_t)(timeout_ns / 1000000000),
					    .tv_nsec = (int64_t)(timeout_ns % 1000000000)};
	struct io_uring_cqe *completion;
	int r;

	if (loop->listed)
		timeout = (struct __kernel_timespec){0};
	r = io_uring_submit_and_wait_timeout(ring, &completion, 1, &timeout, NULL);
	if (r < 0 && r != -ETIME && r != -EINTR && r != -EAGAIN && r != -EBUSY)
		return r;
	loop->woken_ns = rdx_clock_ns();
	/* one at a time: a handler may submit, and what it submits may complete */
	while (io_uring_peek_cqe(ring, &completion) == 0) {
		struct io_uring_cqe copy = *completion;

		io_uring_cqe_seen(ring, completion);
		complete(loop, &copy);
	}
	return 0;
}

static void free_loop(struct loop *loop)
{
	struct uring_loop *uring = of(loop);

	io_uring_queue_exit(&uring->ring);
	if (uring->shared)
		munmap(uring->shared, BUFFERS * sizeof(struct io_uring_buf));
	if (uring->buffers)
		munmap(uring->buffers, (size_t)BUFFERS * BUFFER_BYTES);
	free(uring);
}

static const struct loop_calls calls = {
	.begin = begin,
	.want = want,
	.send = send_rest,
	.close = close_socket,
	.turn = turn,
	.free = free_loop,
};

static void *map(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* The buffers that all connections receive into. */
static int share_buffers(struct uring_loop *loop)
{
	struct io_uring_buf_reg registration = {.ring_entries = BUFFERS, .bgid = BUFFER_GROUP};
	int r;

	loop->shared = map(BUFFERS * sizeof(struct io_uring_buf));
	loop->buffers = map((size_t)BUFFERS * BUFFER_BYTES);
	if (!loop->shared || !loop->buffers)
		return -ENOMEM;
	registration.ring_addr = (uintptr_t)loop->shared;
	r = io_uring_register_buf_ring(&loop->ring, &registration, 0);
	if (r < 0)
		return r;
	io_uring_buf_ring_init(loop->shared);
	for (uint32_t i = 0; i < BUFFERS; i++)
		give_back(loop, i);
	return 0;
}

int loop_uring_open(struct loop **ret_loop)
{
	struct io_uring_params parameters = {.flags = IORING_SETUP_SINGLE_ISSUER |
						      IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
						      IORING_SETUP_COOP_TASKRUN,
					     .cq_entries = COMPLETIONS};
	struct uring_loop *made = calloc(1, sizeof(*made));
	int r;

	if (!made)
		return -ENOMEM;
	made->loop.calls = &calls;
	made->loop.mode = RDX_WAIT_URING;
	r = io_uring_queue_init_params(ENTRIES, &made->ring, &parameters);
	if (r < 0) {
		free(made);
		return r;
	}
	r = share_buffers(made);
	if (r < 0) {
		free_loop(&made->loop);
		return r;
	}
	*ret_loop = &made->loop;
	return 0;
}
