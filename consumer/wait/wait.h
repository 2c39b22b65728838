/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sleep over everything a router waits for: a bell's word, a timeout, and descriptors
 * (a directory watch, sockets, a signalfd). Through io_uring where the kernel allows it
 * and knows futexes (6.7), else through epoll and a thread that waits on the word.
 *
 *   word = rdx_bell_arm(bell) ; look at all rings ; rdx_wait_sleep(w, &bell->word, word, ...)
 *
 * A handle serves one thread at a time and may move to another between calls. After fork the child
 * must not touch it, not even close it. As in a library, no signal handler is installed and all
 * descriptors are O_CLOEXEC. One side effect is the kernel's: some time after an io_uring was
 * closed, even one that was only tried, it may interrupt (EINTR) one system call of the thread that
 * used it.
 */
#ifndef RDX_WAIT_H
#define RDX_WAIT_H

#include <stdatomic.h>
#include <stdint.h>

struct rdx_wait;

/* Descriptors one handle watches. For many sockets watch one epoll descriptor. */
#define RDX_WAIT_FDS_MAX 8

/* Why a sleep ended; the other bits are the callers', see rdx_wait_watch_fd. */
#define RDX_WOKE_WORD    UINT32_C(1)
#define RDX_WOKE_TIMEOUT UINT32_C(2)
#define RDX_WOKE_TAGS    UINT32_C(0xffffff00)

/*
 * `mode` is RDX_WAIT_AUTO, RDX_WAIT_URING or RDX_WAIT_EPOLL (rdx_indexer.h). io_uring is tried at
 * open: AUTO takes epoll when anything about it fails.
 *
 *   -ENOSYS  RDX_WAIT_URING, and the kernel has no io_uring, or no futexes in it
 *   -EPERM   RDX_WAIT_URING, and it is forbidden (a seccomp filter, kernel.io_uring_disabled)
 *   -EINVAL  no such mode
 *   -ENOMEM, -EMFILE, -ENFILE
 */
int rdx_wait_open(struct rdx_wait **ret_wait, uint32_t mode);

/* Forget the word and the descriptors. The descriptors are not closed. NULL is allowed. */
void rdx_wait_close(struct rdx_wait *wait);

/* RDX_WAIT_URING or RDX_WAIT_EPOLL. */
uint32_t rdx_wait_mode(const struct rdx_wait *wait);

/*
 * End sleeps while `fd` is readable (level-triggered), and report it by `tag`, one or more bits of
 * RDX_WOKE_TAGS. The descriptor stays the caller's and stays open until rdx_wait_close.
 *
 *   -EINVAL  `tag` is 0 or has bits outside RDX_WOKE_TAGS
 *   -ENOSPC  RDX_WAIT_FDS_MAX are watched already
 *   -EBADF, -EPERM (what epoll_ctl(2) says; with io_uring rdx_wait_sleep says it)
 */
int rdx_wait_watch_fd(struct rdx_wait *wait, int fd, uint32_t tag);

/*
 * Sleep until *word differs from `expected`, a descriptor is readable, or `timeout_ns` (>= 0) has
 * passed. `ret_woke` takes every reason there is at that moment: RDX_WOKE_WORD, tags, or
 * RDX_WOKE_TIMEOUT alone. A word that differs at entry returns at once, with the tags of what is
 * readable then. A change of the word that is followed by a futex wake is never lost, however many
 * sleepers there are. A wake without a change ends no sleep, nor does a signal handler: watch a
 * signalfd for that.
 *
 * `word` lies in a shared mapping, which may be read-only, or is NULL: no word. It stays
 * mapped until a sleep on another word has returned or the handle is closed.
 *
 * Blocking. 0 or
 *   -EINVAL  negative timeout
 *   -EFAULT  `word` is not in a mapped page (its file was truncated)
 *   -ENOMEM, or what a watched descriptor's poll says
 * After an error the handle is still good.
 */
int rdx_wait_sleep(struct rdx_wait *wait, const _Atomic uint32_t *word, uint32_t expected,
		   int64_t timeout_ns, uint32_t *ret_woke);

#endif
