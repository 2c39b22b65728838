/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/lines.h"

#include "tools/program/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_BYTES 65536

int lines_open(struct lines *ret_lines, const char *path)
{
	struct lines lines = {.name = path};

	if (strcmp(path, "-") == 0) {
		lines.name = "standard input";
		lines.fd = STDIN_FILENO;
	} else {
		lines.fd = open(path, O_RDONLY | O_CLOEXEC);
		if (lines.fd < 0)
			return -errno;
	}
	*ret_lines = lines;
	return 0;
}

void lines_close(struct lines *lines)
{
	if (lines->fd > STDIN_FILENO)
		close(lines->fd);
	free(lines->buffer);
	lines->buffer = NULL;
	lines->fd = -1;
}

/* Room behind the unread bytes for more of them and a NUL. */
static int make_room(struct lines *lines)
{
	size_t kept = lines->end - lines->start;
	size_t capacity = lines->capacity ? lines->capacity : FIRST_BYTES;
	char *buffer;

	if (lines->start) {
		memmove(lines->buffer, lines->buffer + lines->start, kept);
		lines->start = 0;
		lines->end = kept;
	}
	if (lines->buffer && kept + 1 < capacity)
		return 0;
	if (lines->buffer)
		capacity *= 2;
	buffer = realloc(lines->buffer, capacity);
	if (!buffer)
		return -ENOMEM;
	lines->buffer = buffer;
	lines->capacity = capacity;
	return 0;
}

/* poll answers for regular files at once. */
int lines_wait(const struct lines *lines, int timeout_ms)
{
	struct pollfd waited[2] = {
		{.fd = lines->fd, .events = POLLIN},
		{.fd = stop_fd(), .events = POLLIN},
	};
	int r;

	do
		r = poll(waited, 2, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r > 0;
}

static int wait_input(const struct lines *lines)
{
	int r = lines_wait(lines, -1);

	return r < 0 ? r : stop_asked() ? -EINTR : 0;
}

static int fill(struct lines *lines)
{
	int error = make_room(lines);
	ssize_t n;

	if (!error && !lines->at_once)
		error = wait_input(lines);
	if (error)
		return error;
	do {
		n = read(lines->fd, lines->buffer + lines->end, lines->capacity - lines->end - 1);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		lines->ended = 1;
	lines->end += (size_t)n;
	return 0;
}

int lines_next(struct lines *lines, char **ret_text, size_t *ret_length)
{
	size_t seen = 0;
	int skipping = 0;

	for (;;) {
		char *text = lines->buffer ? lines->buffer + lines->start : NULL;
		size_t have = lines->end - lines->start;
		char *newline = text ? memchr(text + seen, '\n', have - seen) : NULL;
		int error;

		if (newline || (lines->ended && (have || skipping))) {
			size_t length = newline ? (size_t)(newline - text) : have;

			lines->start += length + (newline ? 1 : 0);
			lines->number++;
			if (skipping || length > LINES_MAX_BYTES)
				return -E2BIG;
			text[length] = 0;
			*ret_text = text;
			*ret_length = length;
			return 1;
		}
		if (lines->ended)
			return 0;
		seen = have;
		if (have >= LINES_MAX_BYTES) {
			skipping = 1;
			lines->start = lines->end = seen = 0;
		}
		error = fill(lines);
		if (error)
			return error;
	}
}

int lines_ready(const struct lines *lines)
{
	return lines->end > lines->start &&
	       memchr(lines->buffer + lines->start, '\n', lines->end - lines->start) != NULL;
}
