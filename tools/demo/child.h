/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that the demo starts, told and heard line by line through two pipes. They die
 * with the demo, however it ends. What fails here ends the demo, and so does a child that
 * ends by itself.
 */
#ifndef DEMO_CHILD_H
#define DEMO_CHILD_H

#include "tools/program/lines.h"

#include <stdio.h>
#include <sys/types.h>

/* {0}: not running. */
struct child {
	pid_t pid;
	char name[16];
	FILE *in;
	struct lines out;
};

/* Start a program that lies beside this one: its name and arguments, each on a line. */
__attribute__((format(printf, 2, 3))) void child_start(struct child *ret_child, const char *format,
						       ...);

/* Write to it, and send all that was written to its `in`. */
void child_tell(struct child *child, const char *text);

/* Kill it if it runs, wait for its end, close and free everything. */
void child_stop(struct child *child);

/*
 * Wait for at most `timeout_ns`, less than a second, until some of the children say something,
 * and hand over every whole line, with the child's place. The handler only takes note: it does
 * not start, stop or listen to children; it answers 0 where it does not understand the line.
 */
typedef int (*child_handler)(void *context, uint32_t place, const char *line);
void child_listen(struct child *children, uint32_t count, uint64_t timeout_ns,
		  child_handler handler, void *context);

#endif
