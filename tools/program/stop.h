/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ending on SIGTERM, SIGINT and, except under nohup, SIGHUP, in programs that run until they
 * are told to stop.
 */
#ifndef PROGRAM_STOP_H
#define PROGRAM_STOP_H

#include <stdint.h>

#define STOP_FOREVER UINT64_MAX

/* From now on these signals only set what stop_asked asks. They interrupt a call that waits
 * in the kernel, and no read or write. Ends the program where it cannot be done. */
void stop_listen(void);
int stop_asked(void);

/* A descriptor to poll beside others: readable from the first of these signals on. -1 before
 * stop_listen. */
int stop_fd(void);

/* Sleep until one of them comes, at most `ns`, or STOP_FOREVER. Returns stop_asked(). */
int stop_sleep(uint64_t ns);

#endif
