/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that the demo starts: fed and read line by line through two pipes. They die with
 * the demo, however it ends.
 */
#ifndef DEMO_CHILD_H
#define DEMO_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#define CHILD_ARGUMENTS_MAX 48
#define CHILD_ANSWER_MS     30000 /* who says nothing for that long is taken for hung */

struct child {
	pid_t pid; /* 0: not running */
	int in;    /* -1: closed */
	int out;
	char *buffer;
	size_t start;
	size_t end;
	size_t capacity;
};
#define CHILD_NONE {.in = -1, .out = -1}

/* Start the program `path` with `arguments` (NULL-terminated, the first is its name). */
int child_start(struct child *ret_child, const char *path, char *const *arguments);

/* Write all of it. -EPIPE where the child is gone. */
int child_send(struct child *child, const char *text, size_t length);

/* Take in what the child has written. 1, 0 at its end, -EAGAIN where there is nothing now,
 * -errno. */
int child_read(struct child *child);

/* The next whole line taken in, without its newline, valid until the next call on the child:
 * or NULL. */
char *child_line(struct child *child);

/* The next line, waited for. -EPIPE at the child's end, -ETIMEDOUT, -EINTR when the demo
 * was told to stop. */
int child_wait_line(struct child *child, char **ret_line);

/* No more input comes. */
void child_finish(struct child *child);

/* Send a signal, if it runs. */
void child_signal(struct child *child, int number);

/* Kill it if it runs, wait for its end, close and free everything. */
void child_stop(struct child *child);

#endif
