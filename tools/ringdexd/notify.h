/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service manager is told, as systemd's sd_notify(3) does: a datagram to the socket that NOTIFY_SOCKET
 * names. Without one nothing is sent. Of one thread.
 */
#ifndef RINGDEXD_NOTIFY_H
#define RINGDEXD_NOTIFY_H

#include <stdint.h>

struct notify {
	int fd;               /* -1: nobody is told */
	uint64_t watchdog_ns; /* within which it wants to hear of us; 0: it does not */
};

/* Take both from the environment, where what this process starts finds neither. Says why it cannot. */
void notify_open(struct notify *ret_notify);
void notify_close(struct notify *notify);

/* Send "READY=1", "STOPPING=1", "STATUS=..." or several, a line each. One that is lost is lost. */
void notify_say(const struct notify *notify, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
