/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ending on SIGTERM, SIGINT and, except below nohup, SIGHUP, in tools that run until told
 * to stop.
 */
#ifndef PROGRAM_STOP_H
#define PROGRAM_STOP_H

#include <stdint.h>

/* From now on these signals only set what stop_asked asks. A call that waits in the kernel
 * is interrupted by them. */
void stop_listen(void);
int stop_asked(void);

/* Sleep, less if one of them comes. */
void stop_sleep(uint64_t ns);

/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);

#endif
