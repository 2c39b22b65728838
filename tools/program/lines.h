/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input line by line, from a file or standard input, until its end or a stop signal (stop.h).
 */
#ifndef PROGRAM_LINES_H
#define PROGRAM_LINES_H

#include <stddef.h>
#include <stdint.h>

/* A longer line is refused: no stream that fits in memory needs it. */
#define LINES_MAX_BYTES (UINT32_C(64) << 20)

struct lines {
	const char *name; /* for messages */
	uint64_t number;  /* of the line returned last, from 1 */
	char *buffer;
	size_t start;
	size_t end;
	size_t capacity;
	int fd;
	int ended;
	int at_once; /* of a descriptor that does not block: nor does lines_next, -EAGAIN */
};

/* `path` "-" is standard input. 0 or -errno of open(2). */
int lines_open(struct lines *ret_lines, const char *path);
void lines_close(struct lines *lines);

/*
 * The next line, without its newline, terminated with NUL; valid until the next call.
 * 1, 0 at the end, -EINTR when a stop signal came, -E2BIG for a line over
 * LINES_MAX_BYTES (skipped: the next call goes on behind it), -ENOMEM, -errno of read(2).
 */
int lines_next(struct lines *lines, char **ret_text, size_t *ret_length);

/* Wait for input, its end, a signal to stop, or the time to pass. 0: it passed, 1, -errno. */
int lines_wait(const struct lines *lines, int timeout_ms);

/* Is a whole line there that was read already? Then lines_next does not wait. */
int lines_ready(const struct lines *lines);

#endif
