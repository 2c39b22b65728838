/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that the demo starts, told and heard line by line through two pipes. They die
 * with the demo, however it ends.
 */
#ifndef DEMO_CHILD_H
#define DEMO_CHILD_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct child {
	pid_t pid; /* 0: not running */
	char name[16];
	FILE *in;
	int out;
	char *heard; /* not given to the handler yet */
	size_t length;
	size_t capacity;
};
#define CHILD_NONE                                                                                 \
	{                                                                                          \
		.out = -1                                                                          \
	}

/* What fails here ends the demo, and so does a child that ends by itself. At exit all that
 * run are killed. */

/* Start a program that lies beside this one: its name and arguments, each on a line. */
__attribute__((format(printf, 2, 3))) void child_start(struct child *ret_child, const char *format,
						       ...);

/* Write a line to it. */
__attribute__((format(printf, 2, 3))) void child_tell(struct child *child, const char *format, ...);

/* Kill it if it runs, wait for its end, close and free everything. */
void child_stop(struct child *child);

/*
 * Wait for at most `timeout_ns` until some of the children say something, and hand over every
 * whole line, with the child's place. The handler only takes note: it does not start, stop
 * or listen to children; it answers 0 where it does not understand the line. Returns how many
 * lines there were.
 */
typedef int (*child_handler)(void *context, uint32_t place, const char *line);
uint32_t child_listen(struct child *const *children, uint32_t count, uint64_t timeout_ns,
		      child_handler handler, void *context);

#endif
