/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/stop_fd.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>

int stop_open(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int stop_wait(int stop_fd, int64_t timeout_ms)
{
	struct pollfd waited = { .fd = stop_fd, .events = POLLIN };
	int n;

	do {
		n = poll(&waited, 1, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms);
	} while (n < 0 && errno == EINTR && timeout_ms == STOP_FOREVER);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return n > 0;
}
