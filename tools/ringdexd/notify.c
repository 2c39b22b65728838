/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/notify.h"

#include "tools/program/messages.h"
#include "tools/program/options_value.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINES_BYTES 512
#define NS_PER_US   UINT64_C(1000)
#define DAY_US      UINT64_C(86400000000)

/* A connected socket. -errno */
static int connect_to(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t count = strlen(name);
	int fd, r = 0;

	if ((name[0] != '/' && name[0] != '@') || !name[1])
		return -EINVAL;
	if (count >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, name, count);
	if (name[0] == '@') /* abstract: no file, and no NUL at its end */
		address.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + count)) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* WATCHDOG_PID, where it is there, says whom WATCHDOG_USEC means. */
static uint64_t read_watchdog(void)
{
	const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t us, meant;

	if (!interval || !options_value_number(interval, 1, DAY_US, &us))
		return 0;
	if (pid && (!options_value_number(pid, 1, INT32_MAX, &meant) || (pid_t)meant != getpid()))
		return 0;
	return us * NS_PER_US;
}

void notify_open(struct notify *ret_notify)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*ret_notify = (struct notify){.fd = -1};
	if (name) {
		ret_notify->fd = connect_to(name);
		if (ret_notify->fd < 0)
			messages_say("cannot tell the service manager at %s: %s", name,
				     strerror(-ret_notify->fd));
		else
			ret_notify->watchdog_ns = read_watchdog();
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}

void notify_say(const struct notify *notify, const char *format, ...)
{
	char lines[LINES_BYTES];
	va_list arguments;

	if (notify->fd < 0)
		return;
	va_start(arguments, format);
	vsnprintf(lines, sizeof(lines), format, arguments);
	va_end(arguments);
	(void)!send(notify->fd, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT);
}
