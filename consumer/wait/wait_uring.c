/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting through io_uring: one system call arms what is not armed, sleeps and collects.
 *
 * A request outlives the sleep that made it. A poll or futex request that has not fired is used
 * again by the next sleep; a futex request for another word or value is cancelled, and its
 * completion, whenever it comes, is distinguished from the current one's by its number.
 *
 * liburing 2.3 does not know IORING_OP_FUTEX_WAIT, so its request is filled by hand:
 * fd = flags, addr = word, addr2 = expected value, addr3 = mask, all else 0.
 */
#include "consumer/wait/wait_way.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <linux/futex.h>
#include <poll.h>
#include <ringdex/rdx_indexer.h>
#include <stdlib.h>

#define OP_FUTEX_WAIT  51
#define FUTEX_FLAG_U32 2 /* 32 bits, and not private: other processes wake it */
#define RING_ENTRIES   32
#define NS_PER_S       INT64_C(1000000000)

static_assert(RING_ENTRIES >= RDX_WAIT_FDS_MAX + 2, "all requests of one sleep fit");

/* user_data: what was asked for in the high half, which one in the low half. */
#define ASKED_FD     (UINT64_C(1) << 32)
#define ASKED_FUTEX  (UINT64_C(2) << 32)
#define ASKED_CANCEL (UINT64_C(3) << 32)
#define WHICH(data)  ((uint32_t)(data))
#define ASKED(data)  ((data) & ~UINT64_C(0xffffffff))

struct uring {
	struct io_uring ring;
	const _Atomic uint32_t *word; /* of the current futex request */
	uint32_t expected;
	uint32_t armed;
	uint32_t number; /* of the current futex request */
};

static int request_futex(struct uring *u, const _Atomic uint32_t *word, uint32_t expected)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_nop(sqe); /* clears it */
	sqe->opcode = OP_FUTEX_WAIT;
	sqe->fd = FUTEX_FLAG_U32;
	sqe->addr = (uintptr_t)word;
	sqe->addr2 = expected;
	sqe->addr3 = FUTEX_BITSET_MATCH_ANY;
	io_uring_sqe_set_data64(sqe, ASKED_FUTEX | (uint32_t)(u->number + 1));
	u->number++;
	u->word = word;
	u->expected = expected;
	u->armed = 1;
	return 0;
}

static int request_cancel(struct uring *u)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_cancel64(sqe, ASKED_FUTEX | u->number, 0);
	io_uring_sqe_set_data64(sqe, ASKED_CANCEL);
	u->armed = 0;
	return 0;
}

static int request_poll(struct uring *u, struct rdx_wait_fd *f, uint32_t i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_poll_add(sqe, f->fd, POLLIN);
	io_uring_sqe_set_data64(sqe, ASKED_FD | i);
	f->armed = 1;
	return 0;
}

static int arm(struct rdx_wait *wait, const _Atomic uint32_t *word, uint32_t expected)
{
	struct uring *u = wait->state;
	int r = 0;

	if (u->armed && u->word == word && u->expected == expected)
		return 0;
	if (u->armed)
		r = request_cancel(u);
	return r < 0 ? r : request_futex(u, word, expected);
}

static int fd_completed(struct rdx_wait *wait, uint32_t i, int res, uint32_t *woke)
{
	wait->fds[i].armed = 0;
	if (res >= 0)
		*woke |= wait->fds[i].tag;
	/* the thread that asked has ended: ask again */
	return res == -ECANCELED || res >= 0 ? 0 : res;
}

static int futex_completed(struct uring *u, uint32_t number, int res)
{
	if (number != u->number || !u->armed)
		return 0;
	u->armed = 0;
	/* woken, or the value differed: the caller looks at the word anyway */
	return res == 0 || res == -EAGAIN || res == -EINTR || res == -ECANCELED ? 0 : res;
}

/* Take all completions; the first error of one. */
static int collect(struct rdx_wait *wait, uint32_t *woke, uint32_t *ret_count)
{
	struct uring *u = wait->state;
	struct io_uring_cqe *cqe;
	uint32_t head, count = 0;
	int error = 0;

	io_uring_for_each_cqe(&u->ring, head, cqe)
	{
		int r = 0;

		if (ASKED(cqe->user_data) == ASKED_FD)
			r = fd_completed(wait, WHICH(cqe->user_data), cqe->res, woke);
		else if (ASKED(cqe->user_data) == ASKED_FUTEX)
			r = futex_completed(u, WHICH(cqe->user_data), cqe->res);
		if (r < 0 && !error)
			error = r;
		count++;
	}
	io_uring_cq_advance(&u->ring, count);
	*ret_count = count;
	return error;
}

/* One thread submits and waits, and completions are handled only while it waits: its other system
 * calls are not interrupted. Any kernel with futexes has these flags. */
static int ring_open(struct uring *u)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
						  IORING_SETUP_DEFER_TASKRUN};
	int r = io_uring_queue_init_params(RING_ENTRIES, &u->ring, &params);

	if (r == 0)
		io_uring_ring_dontfork(&u->ring);
	return r;
}

/* The kernel binds a ring to the thread that made it: the handle has moved to another thread, so
 * make a new ring. */
static int ring_reopen(struct rdx_wait *wait)
{
	struct uring *u = wait->state, fresh = {.number = u->number};
	int r = ring_open(&fresh);

	if (r < 0)
		return r;
	io_uring_queue_exit(&u->ring);
	*u = fresh;
	for (uint32_t i = 0; i < wait->fd_count; i++)
		wait->fds[i].armed = 0;
	return 0;
}

static int wait_once(struct rdx_wait *wait, int64_t timeout_ns, uint32_t *woke)
{
	struct uring *u = wait->state;
	struct __kernel_timespec t = {timeout_ns / NS_PER_S, timeout_ns % NS_PER_S};
	struct io_uring_cqe *first;
	uint32_t count;
	int r = 0, error;

	for (uint32_t i = 0; i < wait->fd_count && r == 0; i++)
		if (!wait->fds[i].armed)
			r = request_poll(u, &wait->fds[i], i);
	if (r < 0)
		return r;
	r = io_uring_submit_and_wait_timeout(&u->ring, &first, 1, &t, NULL);
	if (r == -EEXIST)
		return ring_reopen(wait); /* nothing is armed now: the caller waits again */
	error = collect(wait, woke, &count);
	if (error)
		return error;
	return r >= 0 || r == -ETIME || count ? 0 : r;
}

static int watch_fd(struct rdx_wait *wait, uint32_t i)
{
	(void)wait;
	(void)i; /* asked for by the next wait */
	return 0;
}

/* Ask for a futex with a value that it does not have: -EAGAIN at once where the kernel
 * knows how, -EINVAL where it does not. */
static int try_futex(struct uring *u)
{
	_Atomic uint32_t word = 0;
	struct io_uring_cqe *cqe;
	int r = request_futex(u, &word, 1);

	if (r == 0)
		r = io_uring_submit_and_wait(&u->ring, 1);
	if (r >= 0)
		r = io_uring_peek_cqe(&u->ring, &cqe);
	if (r < 0)
		return r;
	r = cqe->res;
	io_uring_cqe_seen(&u->ring, cqe);
	u->armed = 0;
	return r == -EAGAIN ? 0 : -ENOSYS;
}

static int uring_open(struct rdx_wait *wait)
{
	struct uring *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return -ENOMEM;
	r = ring_open(u);
	if (r == 0) {
		r = try_futex(u);
		if (r < 0)
			io_uring_queue_exit(&u->ring);
	} else if (r == -EINVAL) {
		r = -ENOSYS; /* a kernel too old for the flags has no futexes either */
	}
	if (r < 0) {
		free(u);
		return r;
	}
	wait->state = u;
	return 0;
}

static void uring_close(struct rdx_wait *wait)
{
	struct uring *u = wait->state;

	io_uring_queue_exit(&u->ring);
	free(u);
}

const struct rdx_wait_way rdx_wait_uring = {
	.mode = RDX_WAIT_URING,
	.open = uring_open,
	.close = uring_close,
	.watch_fd = watch_fd,
	.arm = arm,
	.wait = wait_once,
};
