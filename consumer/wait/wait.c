/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/wait/wait.h"

#include "consumer/wait/wait_way.h"
#include "shm/clock.h"

#include <errno.h>
#include <ringdex/rdx_indexer.h>
#include <stdlib.h>

static int open_way(struct rdx_wait *wait, const struct rdx_wait_way *way)
{
	wait->way = way;
	return way->open(wait);
}

int rdx_wait_open(struct rdx_wait **ret_wait, uint32_t mode)
{
	struct rdx_wait *wait;
	int r;

	if (mode > RDX_WAIT_EPOLL)
		return -EINVAL;
	wait = calloc(1, sizeof(*wait));
	if (!wait)
		return -ENOMEM;
	r = mode == RDX_WAIT_EPOLL ? -ENOSYS : open_way(wait, &rdx_wait_uring);
	if (r < 0 && mode != RDX_WAIT_URING)
		r = open_way(wait, &rdx_wait_epoll);
	if (r < 0) {
		free(wait);
		return r;
	}
	*ret_wait = wait;
	return 0;
}

void rdx_wait_close(struct rdx_wait *wait)
{
	if (!wait)
		return;
	wait->way->close(wait);
	free(wait);
}

uint32_t rdx_wait_mode(const struct rdx_wait *wait)
{
	return wait->way->mode;
}

int rdx_wait_watch_fd(struct rdx_wait *wait, int fd, uint32_t tag)
{
	int r;

	if (!tag || (tag & ~RDX_WOKE_TAGS))
		return -EINVAL;
	if (wait->fd_count == RDX_WAIT_FDS_MAX)
		return -ENOSPC;
	wait->fds[wait->fd_count] = (struct rdx_wait_fd){.fd = fd, .tag = tag};
	r = wait->way->watch_fd(wait, wait->fd_count);
	if (r < 0)
		return r;
	wait->fd_count++;
	return 0;
}

static int differs(const _Atomic uint32_t *word, uint32_t expected)
{
	/* S2, with rdx_bell_ring: a sleeper that the bell wakes sees what was published before
	 * it */
	return word && atomic_load_explicit(word, memory_order_acquire) != expected;
}

int rdx_wait_sleep(struct rdx_wait *wait, const _Atomic uint32_t *word, uint32_t expected,
		   int64_t timeout_ns, uint32_t *ret_woke)
{
	int64_t now = (int64_t)rdx_clock_ns(), end;

	if (timeout_ns < 0)
		return -EINVAL;
	end = timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
	for (;;) {
		int64_t left = differs(word, expected) || now > end ? 0 : end - now;
		uint32_t woke = 0;
		int r = 0;

		if (word && left)
			r = wait->way->arm(wait, word, expected);
		if (r == 0)
			r = wait->way->wait(wait, left, &woke);
		if (r < 0 && r != -EINTR)
			return r;
		if (differs(word, expected))
			woke |= RDX_WOKE_WORD;
		now = (int64_t)rdx_clock_ns();
		if (!woke && now >= end)
			woke = RDX_WOKE_TIMEOUT;
		if (woke) {
			*ret_woke = woke;
			return 0;
		}
	}
}
