/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/bridge_process.h"

#include "tools/ringdexd/zmq_endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define ARGUMENTS_MAX  16
#define ARGUMENT_BYTES (PATH_MAX + 32)

struct arguments {
	char texts[ARGUMENTS_MAX][ARGUMENT_BYTES];
	char *list[ARGUMENTS_MAX + 1];
	int count;
};

__attribute__((format(printf, 2, 3))) static void add(struct arguments *arguments,
						      const char *format, ...)
{
	char *text = arguments->texts[arguments->count];
	va_list values;

	va_start(values, format);
	vsnprintf(text, ARGUMENT_BYTES, format, values);
	va_end(values);
	arguments->list[arguments->count++] = text;
	arguments->list[arguments->count] = NULL;
}

static void make_arguments(struct arguments *arguments, const char *program, const char *dir,
			   const struct bridge_stream *stream)
{
	char address[RDX_TEXT_BYTES];

	arguments->count = 0;
	add(arguments, "%s", program);
	add(arguments, "--end-with-input");
	add(arguments, "--json");
	add(arguments, "--dir=%s", dir);
	add(arguments, "--worker=%" PRIu64, stream->instance_id);
	add(arguments, "--first-rank=%" PRIu32, stream->dp_rank);
	add(arguments, "--block-tokens=%" PRIu32, stream->block_tokens);
	add(arguments, "--model=%s", stream->model);
	add(arguments, "--tenant=%s", stream->tenant);
	/* so /workers of any daemon names it as it was registered */
	add(arguments, "--instance=%s", stream->endpoint);
	zmq_endpoint_of_rank_0(stream->endpoint, stream->dp_rank, address);
	add(arguments, "--endpoint=%s", address);
	if (!stream->replay_endpoint[0])
		return;
	zmq_endpoint_of_rank_0(stream->replay_endpoint, stream->dp_rank, address);
	add(arguments, "--replay=%s", address);
}

static int spawn_with(const char *program, char *const *arguments, int fd,
		      posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes,
		      pid_t *ret_pid)
{
	sigset_t none, all;
	int r = 0;

	sigemptyset(&none);
	sigfillset(&all);
	for (int to = STDIN_FILENO; !r && to <= STDERR_FILENO; to++)
		r = posix_spawn_file_actions_adddup2(actions, fd, to);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
	if (!r)
		r = posix_spawnattr_setsigmask(attributes, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (!r) /* a terminal's signals are for who reads them */
		r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
								 POSIX_SPAWN_SETSIGDEF |
								 POSIX_SPAWN_SETSID);
	if (!r)
		r = posix_spawn(ret_pid, program, actions, attributes, arguments, environ);
	return -r;
}

static int spawn(const char *program, char *const *arguments, int fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = -posix_spawn_file_actions_init(&actions);

	if (r < 0)
		return r;
	r = -posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = spawn_with(program, arguments, fd, &actions, &attributes, ret_pid);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

int bridge_process_start(const char *program, const char *dir, const struct bridge_stream *stream,
			 pid_t *ret_pid, int *ret_fd)
{
	static struct arguments arguments; /* of the one thread that starts any */
	int pair[2], flags, r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	flags = fcntl(pair[0], F_GETFL);
	if (flags < 0 || fcntl(pair[0], F_SETFL, flags | O_NONBLOCK) < 0) {
		r = -errno;
	} else {
		make_arguments(&arguments, program, dir, stream);
		r = spawn(program, arguments.list, pair[1], ret_pid);
	}
	close(pair[1]);
	if (r < 0)
		close(pair[0]);
	else
		*ret_fd = pair[0];
	return r;
}
