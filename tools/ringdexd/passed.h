/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets that a service manager has opened and passed on, as sd_listen_fds(3) takes them: descriptors
 * from 3 on, their number in LISTEN_FDS, names in LISTEN_FDNAMES, for the process LISTEN_PID.
 */
#ifndef RINGDEXD_PASSED_H
#define RINGDEXD_PASSED_H

#include "tools/ringdexd/listen.h"

#include <stdint.h>

/*
 * Take them over, `most` at most, and out of the environment. How many there are; -EINVAL where one is not
 * a listening stream socket of IPv4, IPv6 or a Unix socket, or there are too many, which is said.
 */
int passed_take(struct listen_at *ret_at, uint32_t most);

#endif
