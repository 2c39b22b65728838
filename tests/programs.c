/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/programs.h"

#include "tests/rig.h"
#include "tests/patience.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 32

extern char **environ;

struct text {
	char *bytes;
	size_t length;
	size_t capacity;
};

void program_result_free(struct program_result *result)
{
	free(result->out);
	free(result->err);
	*result = (struct program_result){0};
}

static int own_folder(char *ret_path)
{
	ssize_t length = readlink("/proc/self/exe", ret_path, PATH_MAX - 1);
	char *slash;

	if (length < 0)
		return -errno;
	ret_path[length] = 0;
	slash = strrchr(ret_path, '/');
	slash[1] = 0;
	return 0;
}

static int spawn(struct program *program, const char *name, char *const *arguments,
		 const int *pipes, int piped)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	char path[PATH_MAX];
	int r = own_folder(path);

	if (r < 0 || strlen(path) + strlen(name) >= sizeof(path))
		return r < 0 ? r : -ENAMETOOLONG;
	strcat(path, name);
	posix_spawn_file_actions_init(&actions);
	if (piped)
		posix_spawn_file_actions_adddup2(&actions, pipes[0], 0);
	else
		posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, pipes[3], 1);
	posix_spawn_file_actions_adddup2(&actions, pipes[5], 2);
	posix_spawnattr_init(&attributes);
	/* as a shell starts it, whatever this process does with that */
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGHUP); /* ignored where the tests run under nohup */
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	r = -posix_spawn(&program->pid, path, &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

int program_start(struct program *ret_program, const char *name, char *const *arguments, int piped)
{
	int pipes[6] = {-1, -1, -1, -1, -1, -1}; /* in, out, err: read and write end each */
	struct program program = {.in = -1};
	int r = 0;

	for (int i = 0; i < 3; i++)
		if (r == 0 && pipe2(pipes + 2 * i, O_CLOEXEC) < 0)
			r = -errno;
	if (r == 0)
		r = spawn(&program, name, arguments, pipes, piped);
	close(pipes[0]);
	close(pipes[3]);
	close(pipes[5]);
	program.in = pipes[1];
	program.out = pipes[2];
	program.err = pipes[4];
	if (r < 0 || !piped) {
		close(program.in);
		program.in = -1;
	}
	if (r < 0) {
		close(program.out);
		close(program.err);
		return r;
	}
	*ret_program = program;
	return 0;
}

/* Take what there is to read. 0 at the end. */
static int take(int fd, struct text *text)
{
	ssize_t got;

	if (text->capacity - text->length < 4096) {
		size_t capacity = text->capacity * 2 + 8192;
		char *bytes = realloc(text->bytes, capacity);

		if (!bytes)
			return -ENOMEM;
		text->bytes = bytes;
		text->capacity = capacity;
	}
	got = read(fd, text->bytes + text->length, text->capacity - text->length - 1);
	if (got < 0)
		return errno == EINTR ? 1 : -errno;
	text->length += (size_t)got;
	text->bytes[text->length] = 0;
	return got > 0;
}

static int64_t now_ms(void)
{
	return (int64_t)(rdx_clock_ns() / 1000000);
}

/* Give `*input`, as far as it is taken; closed when all was. */
static void give(struct program *program, const char **input)
{
	ssize_t given = *input ? write(program->in, *input, strlen(*input)) : 0;

	if (given > 0)
		*input += given;
	if (!*input || given <= 0 || !**input) {
		close(program->in);
		program->in = -1;
	}
}

/* Both outputs to their ends. -ETIMEDOUT. */
static int talk(struct program *program, const char *input, struct text *texts)
{
	int64_t until = now_ms() + (int64_t)(patience_ns() / 1000000);
	int open_outputs = 2;

	signal(SIGPIPE, SIG_IGN);
	while (open_outputs) {
		struct pollfd fds[3] = {{program->out, POLLIN, 0},
					{program->err, POLLIN, 0},
					{program->in, POLLOUT, 0}};
		int64_t left = until - now_ms();

		if (left <= 0 || poll(fds, 3, (int)left) == 0)
			return -ETIMEDOUT;
		if (fds[2].revents)
			give(program, &input);
		for (int i = 0; i < 2; i++) {
			int r = fds[i].revents ? take(fds[i].fd, &texts[i]) : 1;

			if (r > 0)
				continue;
			close(fds[i].fd);
			*(i ? &program->err : &program->out) = -1;
			open_outputs--;
		}
	}
	return 0;
}

int program_finish(struct program *program, const char *input, struct program_result *ret_result)
{
	struct text texts[2] = {{0}, {0}};
	int status, r;

	if (program->in >= 0)
		fcntl(program->in, F_SETFL, O_NONBLOCK);
	r = talk(program, input, texts);
	if (r < 0)
		kill(program->pid, SIGKILL);
	while (waitpid(program->pid, &status, 0) < 0 && errno == EINTR)
		;
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? program->in : i == 1 ? program->out : program->err;

		if (fd >= 0)
			close(fd);
	}
	for (int i = 0; i < 2; i++)
		if (!texts[i].bytes)
			texts[i].bytes = calloc(1, 1);
	*ret_result = (struct program_result){
		.status = r == 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.out = texts[0].bytes,
		.err = texts[1].bytes,
	};
	return r;
}

void program_stop(struct program *program)
{
	struct program_result r;

	assert_int_equal(kill(program->pid, SIGTERM), 0);
	assert_int_equal(program_finish(program, NULL, &r), 0);
	if (r.status)
		print_error("%s\n%s\n", r.out, r.err);
	assert_int_equal(r.status, 0);
	program_result_free(&r);
}

int program_run(struct program_result *ret_result, const char *name, const char *input, ...)
{
	char *arguments[ARGUMENTS_MAX + 2] = {(char *)name};
	struct program program;
	va_list list;
	int count = 1, r;

	va_start(list, input);
	while (count <= ARGUMENTS_MAX && (arguments[count] = va_arg(list, char *)))
		count++;
	va_end(list);
	r = program_start(&program, name, arguments, input != NULL);
	if (r < 0)
		return r;
	return program_finish(&program, input, ret_result);
}
