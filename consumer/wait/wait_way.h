/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two ways of waiting share. wait.c decides by the word's value alone when a
 * sleep is over; a way only has to end a wait when something may have changed. So late
 * and stale notices are harmless, and only a missing one would not be.
 */
#ifndef RDX_WAIT_WAY_H
#define RDX_WAIT_WAY_H

#include "consumer/wait/wait.h"

struct rdx_wait_fd {
	int fd;
	uint32_t tag;
	uint32_t armed; /* io_uring: a poll request is under way */
};

struct rdx_wait_way {
	uint32_t mode;
	/* Make wait->state, or -errno. */
	int (*open)(struct rdx_wait *wait);
	void (*close)(struct rdx_wait *wait);
	/* wait->fds[i] is new. */
	int (*watch_fd)(struct rdx_wait *wait, uint32_t i);
	/* From now on a wake of `word`, or a value other than `expected`, ends a wait. Called
	 * before every wait with a word; mostly it is armed already. */
	int (*arm)(struct rdx_wait *wait, const _Atomic uint32_t *word, uint32_t expected);
	/* Wait once, for at most `timeout_ns`; add the tags of readable descriptors to
	 * *woke. May end early without any, also by -EINTR. 0 or -errno. */
	int (*wait)(struct rdx_wait *wait, int64_t timeout_ns, uint32_t *woke);
};

extern const struct rdx_wait_way rdx_wait_uring;
extern const struct rdx_wait_way rdx_wait_epoll;

struct rdx_wait {
	const struct rdx_wait_way *way;
	void *state; /* the way's own */
	uint32_t fd_count;
	struct rdx_wait_fd fds[RDX_WAIT_FDS_MAX];
};

#endif
