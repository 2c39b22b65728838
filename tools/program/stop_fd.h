/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ending on SIGTERM and SIGINT, in the programs of the producer's side.
 */
#ifndef PROGRAM_STOP_FD_H
#define PROGRAM_STOP_FD_H

#include <stdint.h>

/* Block SIGTERM and SIGINT and return a descriptor that becomes readable when one of them
 * came, or -errno. SIGPIPE is ignored: a closed output is an error of its write. */
int stop_open(void);

#define STOP_FOREVER (-1)

/* Wait for a stop signal, at most `timeout_ms`, or STOP_FOREVER. 1 when one came, 0 when the
 * time is up, -errno. A signal is not consumed: every later call says 1 too. */
int stop_wait(int stop_fd, int64_t timeout_ms);

#endif
