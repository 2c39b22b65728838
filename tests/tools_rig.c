/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tools_rig.h"

#include "shm/namespace.h"
#include "tests/patience.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tools_claim(struct rig *rig, struct rig_producer *producer, uint64_t worker, uint32_t rank,
		 uint64_t slots)
{
	struct rdx_segment_spec spec = rig_spec(worker, rank, slots, 1024);

	assert_int_equal(rig_claim(rig, producer, &spec), 0);
}

void tools_damage(struct rig *rig, uint64_t worker, off_t at, uint64_t word, off_t cut)
{
	char name[RDX_NAME_BYTES];
	int fd;

	rdx_namespace_segment(worker, 0, name);
	fd = openat(rig->dir_fd, name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	if (cut >= 0)
		assert_int_equal(ftruncate(fd, cut), 0);
	else
		assert_int_equal(pwrite(fd, &word, sizeof(word), at), sizeof(word));
	close(fd);
}

/* Drop the older half: who printed for long while this process was not scheduled may have said more than
 * there is room for. */
static size_t drop_half(char *text, size_t length)
{
	size_t half = length / 2;

	memmove(text, text + half, length - half + 1);
	return length - half;
}

static int read_until(int from, const char *part, char *text, size_t bytes)
{
	struct patience patience = patience_begin();
	size_t length = 0;

	text[0] = 0;
	while (!patience_is_over(&patience)) {
		struct pollfd fd = {from, POLLIN, 0};
		ssize_t got = 0;

		if (length + 1 == bytes)
			length = drop_half(text, length);
		if (poll(&fd, 1, (int)(patience_ns() / 1000000)) > 0)
			got = read(from, text + length, bytes - 1 - length);
		if (got <= 0)
			break;
		length += (size_t)got;
		text[length] = 0;
		if (strstr(text, part))
			return 1;
	}
	print_error("waited for: %s\nthere was: %s\n", part, text);
	return 0;
}

static int wait_for(int from, const char *part)
{
	char text[65536];

	return read_until(from, part, text, sizeof(text));
}

int tools_read_until(struct program *program, const char *part, char *text, size_t bytes)
{
	return read_until(program->out, part, text, bytes);
}

int tools_wait_for(struct program *program, const char *part)
{
	return wait_for(program->out, part);
}

int tools_wait_for_err(struct program *program, const char *part)
{
	return wait_for(program->err, part);
}

int tools_wait_for_first(struct program *program, const char *part)
{
	char text[256];
	size_t length = 0, wanted = strlen(part);

	while (length < wanted) {
		ssize_t got = read(program->out, text + length, wanted - length);

		if (got <= 0)
			break;
		length += (size_t)got;
	}
	if (length == wanted && memcmp(text, part, wanted) == 0)
		return 1;
	print_error("not first: %s\nbut: %.*s\n", part, (int)length, text);
	return 0;
}

void tools_start_follow(struct rig *rig, struct program *program, const char *option)
{
	char *arguments[] = {"ringdex-follow",  "--dir",        rig->dir, "--json",
			     TOOLS_NEVER_STALE, (char *)option, NULL};

	assert_int_equal(program_start(program, arguments[0], arguments, 0), 0);
}
