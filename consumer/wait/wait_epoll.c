/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting without io_uring: epoll over the descriptors and an eventfd, and a thread that waits on
 * the word and writes the eventfd. The first sleep on a word starts the thread. It waits only when
 * asked to, writes once, and waits to be asked again.
 *
 *   owner    word and expected value ; turn + 1 (release) ; wake the thread, wherever it
 *            waits
 *   thread   turn (acquire) ; word and expected value ; wait while they are equal and the
 *            turn is the same ; write the eventfd
 *
 *   T1  word and expected value, turn (release) -> turn (acquire), word and expected value:
 *       the thread waits for what the owner asked for last
 *   T2  stop, no_word (release) -> (acquire): the flag is the whole message
 *
 * While it waits on the word the thread can miss an owner's wake that comes just before it waits.
 * For the same word with another value that is harmless: the kernel compares the value, so it does
 * not start to wait. For another word, and to end it, the owner repeats the wake until the thread
 * has gone. It looks again by itself now and then too: when the guard has put another page under a
 * truncated bell, wakes at that address do not reach a thread that waits on the page before.
 */
#include "consumer/wait/wait_way.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <ringdex/rdx_indexer.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES   (128 * 1024)
#define NS_PER_S      INT64_C(1000000000)
#define NS_PER_MS     INT64_C(1000000)
#define STOP_RETRY_NS NS_PER_MS
#define LOOK_AGAIN_NS (250 * NS_PER_MS)
#define WORD_EVENT    UINT32_MAX /* epoll's data: the eventfd; else an index of wait->fds */

struct epoll_way {
	int epoll_fd;
	int event_fd;
	int no_pwait2; /* the kernel lacks or forbids epoll_pwait2: whole milliseconds */
	int running;
	pthread_t thread;
	const _Atomic uint32_t *word; /* fixed while the thread runs */
	uint32_t asked;               /* the owner's: value last asked for ... */
	uint32_t armed;               /* ... and not reported yet */
	_Atomic uint32_t expected;
	_Atomic uint32_t turn; /* a futex of the two: the thread waits here between turns */
	_Atomic uint32_t stop;
	_Atomic uint32_t no_word; /* the thread's: the last turn ended by -EFAULT */
};

/* 0: look again. -EFAULT: there is no word, another wait would spin. */
static int futex_wait(const _Atomic uint32_t *word, uint32_t value, int private)
{
	struct timespec t = {0, LOOK_AGAIN_NS};

	if (syscall(SYS_futex, word, FUTEX_WAIT | private, value, private ? NULL : &t, NULL, 0) < 0)
		return errno == EFAULT ? -EFAULT : 0;
	return 0;
}

static void futex_wake(const _Atomic uint32_t *word, int private)
{
	syscall(SYS_futex, word, FUTEX_WAKE | private, INT_MAX, NULL, NULL, 0);
}

/* A turn of the thread: 1 when there is something to report, 0 when the owner wants something
 * else. */
static int wait_word(struct epoll_way *e, uint32_t turn)
{
	uint32_t expected = atomic_load_explicit(&e->expected, memory_order_relaxed);

	while (atomic_load_explicit(&e->turn, memory_order_acquire) == turn) { /* T1 */
		/* S2, with rdx_bell_ring */
		if (atomic_load_explicit(e->word, memory_order_acquire) != expected)
			return 1;
		if (futex_wait(e->word, expected, 0) < 0) {
			atomic_store_explicit(&e->no_word, 1, memory_order_release); /* T2 */
			return 1;
		}
	}
	return 0;
}

static void *wait_thread(void *argument)
{
	struct epoll_way *e = argument;
	uint32_t done = 0;

	while (!atomic_load_explicit(&e->stop, memory_order_acquire)) {               /* T2 */
		uint32_t turn = atomic_load_explicit(&e->turn, memory_order_acquire); /* T1 */

		if (turn == done)
			futex_wait(&e->turn, done, FUTEX_PRIVATE_FLAG);
		else if (!wait_word(e, turn))
			continue;
		else if (eventfd_write(e->event_fd, 1) == 0 || errno == EAGAIN)
			done = turn; /* EAGAIN: it is readable already */
	}
	return NULL;
}

static void next_turn(struct epoll_way *e)
{
	atomic_fetch_add_explicit(&e->turn, 1, memory_order_release); /* T1, with the thread */
	futex_wake(&e->turn, FUTEX_PRIVATE_FLAG);
}

static void thread_stop(struct epoll_way *e)
{
	int r;

	if (!e->running)
		return;
	atomic_store_explicit(&e->stop, 1, memory_order_release); /* T2 */
	next_turn(e);
	do {
		struct timespec t;

		futex_wake(e->word, 0);
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_nsec += STOP_RETRY_NS;
		if (t.tv_nsec >= NS_PER_S) {
			t.tv_nsec -= NS_PER_S;
			t.tv_sec++;
		}
		r = pthread_timedjoin_np(e->thread, NULL, &t);
	} while (r == ETIMEDOUT);
	e->running = 0;
	e->armed = 0;
}

/* All signals go to the program's own threads, except those that this one causes itself:
 * the guard must see the SIGBUS of a truncated bell. */
static int thread_start(struct epoll_way *e, const _Atomic uint32_t *word)
{
	const int own[] = {SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
	pthread_attr_t attributes;
	sigset_t blocked;
	int r;

	sigfillset(&blocked);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&blocked, own[i]);
	e->word = word;
	atomic_store_explicit(&e->turn, 0, memory_order_relaxed);
	atomic_store_explicit(&e->stop, 0, memory_order_relaxed);
	pthread_attr_init(&attributes);
	r = pthread_attr_setstacksize(&attributes, STACK_BYTES);
	if (r == 0)
		r = pthread_attr_setsigmask_np(&attributes, &blocked);
	if (r == 0)
		r = pthread_create(&e->thread, &attributes, wait_thread, e);
	pthread_attr_destroy(&attributes);
	e->running = r == 0;
	return -r;
}

static int arm(struct rdx_wait *wait, const _Atomic uint32_t *word, uint32_t expected)
{
	struct epoll_way *e = wait->state;
	int r;

	if (e->running && e->word == word && e->armed && e->asked == expected)
		return 0;
	if (e->running && e->word != word)
		thread_stop(e);
	if (!e->running) {
		r = thread_start(e, word);
		if (r < 0)
			return r;
	}
	e->asked = expected;
	atomic_store_explicit(&e->expected, expected, memory_order_relaxed);
	next_turn(e);
	if (e->armed)
		futex_wake(word, 0); /* it waits for the value asked for before */
	e->armed = 1;
	return 0;
}

static int wait_events(struct epoll_way *e, struct epoll_event *events, int64_t timeout_ns)
{
	struct timespec t = {timeout_ns / NS_PER_S, timeout_ns % NS_PER_S};
	int64_t ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);
	int n;

	if (!e->no_pwait2) {
		n = epoll_pwait2(e->epoll_fd, events, RDX_WAIT_FDS_MAX + 1, &t, NULL);
		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return n;
		e->no_pwait2 = 1;
	}
	return epoll_wait(e->epoll_fd, events, RDX_WAIT_FDS_MAX + 1,
			  ms > INT_MAX ? INT_MAX : (int)ms);
}

static int wait_once(struct rdx_wait *wait, int64_t timeout_ns, uint32_t *woke)
{
	struct epoll_event events[RDX_WAIT_FDS_MAX + 1];
	struct epoll_way *e = wait->state;
	int n = wait_events(e, events, timeout_ns), r = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		uint32_t which = events[i].data.u32;
		eventfd_t told;

		if (which != WORD_EVENT) {
			*woke |= wait->fds[which].tag;
		} else if (eventfd_read(e->event_fd, &told) == 0) {
			e->armed = 0;
			/* T2, with wait_word */
			if (atomic_exchange_explicit(&e->no_word, 0, memory_order_acquire))
				r = -EFAULT;
		}
	}
	return r;
}

static int watch_as(struct epoll_way *e, int fd, uint32_t which)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = which};

	return epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int watch_fd(struct rdx_wait *wait, uint32_t i)
{
	return watch_as(wait->state, wait->fds[i].fd, i);
}

static void epoll_close(struct rdx_wait *wait)
{
	struct epoll_way *e = wait->state;

	thread_stop(e);
	if (e->event_fd >= 0)
		close(e->event_fd);
	if (e->epoll_fd >= 0)
		close(e->epoll_fd);
	free(e);
}

static int epoll_open(struct rdx_wait *wait)
{
	struct epoll_way *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	wait->state = e;
	e->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = e->event_fd < 0 || e->epoll_fd < 0 ? -errno : watch_as(e, e->event_fd, WORD_EVENT);
	if (r < 0)
		epoll_close(wait);
	return r;
}

const struct rdx_wait_way rdx_wait_epoll = {
	.mode = RDX_WAIT_EPOLL,
	.open = epoll_open,
	.close = epoll_close,
	.watch_fd = watch_fd,
	.arm = arm,
	.wait = wait_once,
};
