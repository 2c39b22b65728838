/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines for standard error, written by a thread of their own, so that nobody who says something waits for who reads
 * it: a pipe that is full, a terminal that was stopped, a disk. What does not fit is lost, and counted; ahead of
 * the next line that is written stands how many were. One per process.
 */
#ifndef RINGDEXD_LOG_QUEUE_H
#define RINGDEXD_LOG_QUEUE_H

#include <stddef.h>
#include <stdint.h>

/* What waits to be written. The longest line, a path of 16 KiB of which each byte is escaped, fits. */
#define LOG_QUEUE_BYTES ((size_t)131072)

/* Once, before any other call. `say_lost` makes the line that says how many were lost, to be freed; NULL without
 * memory. -errno: there is no thread. */
int log_queue_open(char *(*say_lost)(uint64_t lines, size_t *ret_bytes));

/* A line with its end. Any thread; waits for nothing that is outside of this process. */
void log_queue_put(const char *line, size_t bytes);

/* Lines since the start that did not fit, or that could not be written. */
uint64_t log_queue_lost(void);

/* Wait until everything is written, or until `until_ns` of rdx_clock_ns. */
void log_queue_drain(uint64_t until_ns);

#endif
