/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/child.h"

#include "shm/clock.h"
#include "tools/program/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES ((size_t)1 << 16)
#define NOT_RUN    127

/* In the child: only calls that are allowed after fork. */
static _Noreturn void become(const char *path, char *const *arguments, int in, int out,
			     pid_t parent)
{
	sigset_t none;

	/* an interrupt from the keyboard is for the demo, which ends its children in order */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(NOT_RUN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(NOT_RUN);
	execv(path, arguments);
	_exit(NOT_RUN);
}

int child_start(struct child *ret_child, const char *path, char *const *arguments)
{
	int in[2], out[2], error;
	pid_t parent = getpid(), pid;

	if (access(path, X_OK) < 0 || pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		error = -errno;
		close(in[0]);
		close(in[1]);
		return error;
	}
	pid = fork();
	if (pid == 0)
		become(path, arguments, in[0], out[1], parent);
	error = pid < 0 ? -errno : 0;
	close(in[0]);
	close(out[1]);
	if (error) {
		close(in[1]);
		close(out[0]);
		return error;
	}
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	*ret_child = (struct child){.pid = pid, .in = in[1], .out = out[0]};
	return 0;
}

int child_send(struct child *child, const char *text, size_t length)
{
	if (child->in < 0)
		return -EPIPE;
	while (length) {
		ssize_t done = write(child->in, text, length);

		if (done < 0 && errno == EINTR && !stop_asked())
			continue;
		if (done < 0)
			return -errno;
		text += done;
		length -= (size_t)done;
	}
	return 0;
}

int child_read(struct child *child)
{
	ssize_t got;

	if (child->out < 0)
		return 0;
	if (child->start) {
		memmove(child->buffer, child->buffer + child->start, child->end - child->start);
		child->end -= child->start;
		child->start = 0;
	}
	if (child->capacity - child->end < READ_BYTES) {
		size_t capacity = 2 * child->capacity + READ_BYTES;
		char *grown = realloc(child->buffer, capacity);

		if (!grown)
			return -ENOMEM;
		child->buffer = grown;
		child->capacity = capacity;
	}
	got = read(child->out, child->buffer + child->end, child->capacity - child->end);
	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	child->end += (size_t)got;
	return got > 0;
}

char *child_line(struct child *child)
{
	char *line = child->buffer + child->start, *end;

	if (child->start == child->end)
		return NULL;
	end = memchr(line, '\n', child->end - child->start);
	if (!end)
		return NULL;
	*end = 0;
	child->start += (size_t)(end - line) + 1;
	return line;
}

int child_wait_line(struct child *child, char **ret_line)
{
	uint64_t until = rdx_clock_ns() + CHILD_ANSWER_MS * UINT64_C(1000000);

	for (;;) {
		struct pollfd wait = {.fd = child->out, .events = POLLIN};
		char *line = child_line(child);
		int got;

		if (line) {
			*ret_line = line;
			return 0;
		}
		if (stop_asked())
			return -EINTR;
		if (rdx_clock_ns() > until)
			return -ETIMEDOUT;
		poll(&wait, 1, 100);
		got = child_read(child);
		if (got == 0)
			return -EPIPE;
		if (got < 0 && got != -EAGAIN)
			return got;
	}
}

void child_finish(struct child *child)
{
	if (child->in >= 0)
		close(child->in);
	child->in = -1;
}

void child_signal(struct child *child, int number)
{
	if (child->pid > 0)
		kill(child->pid, number);
}

void child_stop(struct child *child)
{
	if (child->pid > 0) {
		kill(child->pid, SIGKILL);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	child_finish(child);
	if (child->out >= 0)
		close(child->out);
	free(child->buffer);
	*child = (struct child)CHILD_NONE;
}
