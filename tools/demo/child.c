/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/child.h"

#include "tools/demo/settings.h"
#include "tools/program/messages.h"
#include "tools/program/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS_MAX 32
#define READ_BYTES    ((size_t)1 << 16)
#define NS_PER_S      UINT64_C(1000000000)
#define EXIT_NOT_RUN  127

/* In the child: only calls that are allowed after fork. */
static _Noreturn void become(const char *path, char *const *arguments, int in, int out,
			     pid_t parent)
{
	/* an interrupt from the keyboard is for the demo, which ends its children in order */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	if (getppid() == parent && dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		execv(path, arguments);
	_exit(EXIT_NOT_RUN);
}

static int start(struct child *ret_child, const char *path, char *const *arguments)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1};
	pid_t parent = getpid(), pid = -1;
	FILE *file = NULL;
	int r = 0;

	if (access(path, X_OK) < 0 || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ||
	    !(file = fdopen(in[1], "w")) || (pid = fork()) < 0)
		r = -errno;
	if (pid == 0)
		become(path, arguments, in[0], out[1], parent);
	close(in[0]);
	close(out[1]);
	*ret_child = (struct child){.pid = pid, .in = file, .out = out[0]};
	if (r < 0 && !file)
		close(in[1]);
	if (r < 0)
		child_stop(ret_child);
	else
		fcntl(out[0], F_SETFL, O_NONBLOCK);
	return r;
}

int child_start(struct child *ret_child, const char *format, ...)
{
	char *arguments[ARGUMENTS_MAX + 1] = {NULL}, *text, *rest, path[PATH_MAX];
	ssize_t folder = readlink("/proc/self/exe", path, PATH_MAX);
	va_list values;
	int r;

	va_start(values, format);
	if (vasprintf(&text, format, values) < 0)
		messages_no_memory();
	va_end(values);
	rest = text;
	for (uint32_t i = 0; rest && i < ARGUMENTS_MAX; i++)
		arguments[i] = strsep(&rest, "\n");
	while (folder > 0 && path[folder - 1] != '/')
		folder--;
	folder = folder < 0 ? 0 : folder;
	snprintf(path + folder, (size_t)(PATH_MAX - folder), "%s", arguments[0]);
	r = start(ret_child, path, arguments);
	snprintf(ret_child->name, sizeof(ret_child->name), "%s", arguments[0]);
	if (r < 0)
		messages_say("cannot start %s: %s: it is built and installed beside this program",
			     path, strerror(-r));
	free(text);
	return r;
}

int child_tell(struct child *child, const char *format, ...)
{
	va_list arguments;
	int r;

	if (!child->in)
		return -EPIPE;
	va_start(arguments, format);
	r = vfprintf(child->in, format, arguments);
	va_end(arguments);
	return r < 0 || fflush(child->in) ? -errno : 0;
}

void child_stop(struct child *child)
{
	if (child->pid > 0) {
		kill(child->pid, SIGKILL);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (child->in)
		fclose(child->in);
	if (child->out >= 0)
		close(child->out);
	free(child->heard);
	*child = (struct child)CHILD_NONE;
}

/* Take in what it has written. 0 at its end, -EAGAIN where there is nothing now. */
static ssize_t take_in(struct child *child)
{
	ssize_t got;

	if (child->capacity - child->length < READ_BYTES) {
		child->capacity = 2 * child->capacity + READ_BYTES;
		child->heard = realloc(child->heard, child->capacity);
		if (!child->heard)
			messages_no_memory();
	}
	got = read(child->out, child->heard + child->length, child->capacity - child->length);
	if (got > 0)
		child->length += (size_t)got;
	return got < 0 ? -errno : got;
}

/* Every whole line to the handler; the rest stays. Returns how many. */
static int hand_over(struct child *child, uint32_t place, child_handler handler, void *context)
{
	char *line = child->heard, *end;
	size_t left = child->length;
	int lines = 0, r = 0;

	while (r >= 0 && left && (end = memchr(line, '\n', left))) {
		*end = 0;
		r = handler(context, place, line);
		if (r == -EBADMSG)
			messages_say("%s (process %d) said what cannot be understood: %.120s",
				     child->name, child->pid, line);
		lines++;
		left -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	memmove(child->heard, line, left);
	child->length = left;
	return r < 0 ? r : lines;
}

int child_listen(struct child *const *children, uint32_t count, uint64_t timeout_ns,
		 child_handler handler, void *context)
{
	struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
				   .tv_nsec = (long)(timeout_ns % NS_PER_S)};
	struct pollfd wait[DEMO_WORKERS_MAX + 1];
	int lines = 0;

	for (uint32_t i = 0; i < count; i++)
		wait[i] = (struct pollfd){.fd = children[i]->out, .events = POLLIN};
	ppoll(wait, count, &timeout, NULL);
	if (stop_asked())
		return -EINTR;
	for (uint32_t i = 0; i < count; i++) {
		ssize_t got = wait[i].revents ? take_in(children[i]) : -EAGAIN;
		int r = got > 0 ? hand_over(children[i], i, handler, context) : (int)got;

		if (r == 0 && got == 0) {
			messages_say("%s (process %d) ended by itself", children[i]->name,
				     children[i]->pid);
			return -EPIPE;
		}
		if (r < 0 && r != -EAGAIN && r != -EINTR)
			return r;
		lines += r > 0 ? r : 0;
	}
	return lines;
}
