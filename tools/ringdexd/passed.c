/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/passed.h"

#include "tools/program/messages.h"
#include "tools/program/options_value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_FD   3 /* SD_LISTEN_FDS_START */
#define COUNT_MAX  4096
#define NAME_BYTES 256

/* How many are meant for this process. */
static uint64_t read_count(void)
{
	const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	uint64_t passed, meant;

	if (!count || !pid || !options_value_number(count, 1, COUNT_MAX, &passed) ||
	    !options_value_number(pid, 1, INT32_MAX, &meant) || (pid_t)meant != getpid())
		return 0;
	return passed;
}

/* The `i`-th of "a:b:c"; "" where there is none. */
static const char *name_of(uint64_t i, char *ret_name)
{
	const char *at = getenv("LISTEN_FDNAMES");

	for (; at && i; i--) {
		at = strchr(at, ':');
		at = at ? at + 1 : NULL;
	}
	snprintf(ret_name, NAME_BYTES, "%.*s", at ? (int)strcspn(at, ":") : 0, at ? at : "");
	return ret_name;
}

static int take(int fd, const char *name, struct listen_at *ret_at)
{
	int flags = fcntl(fd, F_GETFL), r;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		r = -errno;
	else
		r = listen_take(fd, ret_at);
	if (r < 0)
		messages_say("cannot listen on descriptor %d, which was passed as '%s': %s; in a "
			     "socket unit it is ListenStream= with Accept=no",
			     fd, name, strerror(-r));
	return r;
}

int passed_take(struct listen_at *ret_at, uint32_t most)
{
	uint64_t count = read_count();
	int r = 0;

	if (count > most) {
		messages_say("%u sockets were passed: at most %u can be", (unsigned)count, most);
		r = -EINVAL;
	}
	for (uint64_t i = 0; r == 0 && i < count; i++) {
		char name[NAME_BYTES];

		r = take(FIRST_FD + (int)i, name_of(i, name), &ret_at[i]);
	}
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return r < 0 ? -EINVAL : (int)count;
}
