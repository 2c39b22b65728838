/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon says while it runs: a line on standard error with time and level, for people or as a JSON
 * object. Texts of others are escaped, so that none makes a line of its own. Any thread.
 * Nobody waits for who reads it: lines are lost where he is too slow (log_queue.h).
 */
#ifndef RINGDEXD_LOG_H
#define RINGDEXD_LOG_H

#include <stdint.h>

enum log_level { LOG_AT_DEBUG, LOG_AT_INFO, LOG_AT_WARNING, LOG_AT_ERROR };
enum log_form { LOG_AS_TEXT, LOG_AS_JSON };

extern const char *const log_levels[]; /* up to a NULL */
extern const char *const log_forms[];

/* Once, before anything is said. -errno */
int log_open(void);

/* When the process exits it waits for the last lines to be written: until then at most, 5 s where this is not called.
 * By the thread that exits. */
void log_leave_by(uint64_t until_ns);

/* Wait until it is written, or until then: exit(3) does it by itself, _exit(2) does not. */
void log_leave(void);

/* Lines that could not be written since the start. */
uint64_t log_lost(void);

/* From now on, also of what messages_say says, at the level of errors. May be called again. */
void log_begin(enum log_form form, enum log_level least);

int log_is_said(enum log_level level);
__attribute__((format(printf, 2, 3))) void log_say(enum log_level level, const char *format, ...);

#endif
