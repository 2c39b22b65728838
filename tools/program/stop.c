/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/stop.h"

#include "shm/clock.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

static atomic_int asked;
static int asked_fd = -1;

static void on_signal(int number)
{
	const uint64_t one = 1;
	int saved = errno;

	(void)number;
	atomic_store_explicit(&asked, 1, memory_order_relaxed);
	/* only a full counter can refuse it, and that is readable */
	(void)!write(asked_fd, &one, sizeof(one));
	errno = saved;
}

void stop_listen(void)
{
	/* a slow reader still gets what is being written */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;

	asked_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (asked_fd < 0) {
		messages_say("cannot listen to signals: %s", strerror(errno));
		exit(EXIT_FAILED);
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* the terminal was closed; nohup wants that not to matter */
	if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
}

int stop_asked(void)
{
	return atomic_load_explicit(&asked, memory_order_relaxed);
}

int stop_fd(void)
{
	return asked_fd;
}

int stop_sleep(uint64_t ns)
{
	uint64_t now = rdx_clock_ns(), until = ns > STOP_FOREVER - now ? STOP_FOREVER : now + ns;
	struct pollfd waited = {.fd = asked_fd, .events = POLLIN};

	while (!stop_asked() && (now = rdx_clock_ns()) < until) {
		struct timespec left = {.tv_sec = (time_t)((until - now) / NS_PER_S),
					.tv_nsec = (long)((until - now) % NS_PER_S)};

		if (ppoll(&waited, 1, &left, NULL) < 0 && errno != EINTR)
			break;
	}
	return stop_asked();
}
