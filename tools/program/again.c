/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/again.h"

#include "shm/clock.h"
#include "tools/program/messages.h"
#include "tools/program/stop.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S     UINT64_C(1000000000)
#define CLEAR_SCREEN "\033[H\033[J"

static int has_screen(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

/* Sleep until `until_ns`. 1: to end, since a signal came or the reader of a pipe has gone. */
static int rest(uint64_t until_ns)
{
	/* of what is not asked for, errors are told: EPIPE before it is written to */
	struct pollfd waited[2] = {{.fd = stop_fd(), .events = POLLIN}, {.fd = STDOUT_FILENO}};
	uint64_t now_ns;

	while (!stop_asked() && (now_ns = rdx_clock_ns()) < until_ns) {
		struct timespec left = {.tv_sec = (time_t)((until_ns - now_ns) / NS_PER_S),
					.tv_nsec = (long)((until_ns - now_ns) % NS_PER_S)};

		if (ppoll(waited, 2, &left, NULL) < 0 && errno != EINTR)
			return 1;
		if (waited[1].revents & (POLLERR | POLLNVAL))
			return 1;
	}
	return stop_asked();
}

int again_run(uint64_t every_ns, int is_json, int (*look)(void *context), void *context)
{
	const int screen = every_ns && has_screen();
	int looks = 0;

	if (every_ns == 0)
		return look(context);
	stop_listen();
	while (!stop_asked()) {
		uint64_t next_ns = rdx_clock_ns() + every_ns;

		if (screen)
			fputs(CLEAR_SCREEN, stdout);
		else if (looks++ && !is_json)
			putchar('\n');
		(void)look(context); /* it was said; what is missing may come */
		if (fflush(stdout) != 0)
			return EXIT_FAILED; /* said at exit */
		if (rest(next_ns))
			break;
	}
	return EXIT_DONE;
}
