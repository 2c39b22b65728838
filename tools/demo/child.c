/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/child.h"

#include "tools/demo/narrate.h"
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

static struct child *running[DEMO_WORKERS_MAX + 1];

static void stop_all(void)
{
	for (uint32_t i = 0; i < DEMO_WORKERS_MAX + 1; i++) {
		if (running[i])
			child_stop(running[i]);
	}
}

static void keep(struct child *child, struct child *in_place_of)
{
	static int registered;
	uint32_t i = 0;

	if (!registered && atexit(stop_all) == 0)
		registered = 1;
	while (i < DEMO_WORKERS_MAX && running[i] != in_place_of)
		i++;
	running[i] = child;
}

void child_start(struct child *ret_child, const char *format, ...)
{
	char *arguments[ARGUMENTS_MAX + 1] = {NULL}, *text, *rest, path[PATH_MAX];
	ssize_t folder = readlink("/proc/self/exe", path, PATH_MAX);
	pid_t parent = getpid();
	int in[2], out[2];
	va_list values;

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
	if (access(path, X_OK) < 0 || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ||
	    !(ret_child->in = fdopen(in[1], "w")) || (ret_child->pid = fork()) < 0)
		narrate_failure("cannot start %s: %s: it is built and installed beside this "
				"program",
				path, strerror(errno));
	if (ret_child->pid == 0)
		become(path, arguments, in[0], out[1], parent);
	keep(ret_child, NULL);
	snprintf(ret_child->name, sizeof(ret_child->name), "%s", arguments[0]);
	ret_child->out = out[0];
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	close(in[0]);
	close(out[1]);
	free(text);
}

void child_tell(struct child *child, const char *format, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, format);
	r = vfprintf(child->in, format, arguments);
	va_end(arguments);
	if ((r < 0 || fflush(child->in)) && !stop_asked())
		narrate_failure("%s (process %d) does not listen any more: %s", child->name,
				child->pid, strerror(errno));
}

void child_stop(struct child *child)
{
	if (child->pid > 0) {
		kill(child->pid, SIGKILL);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			;
		keep(NULL, child);
	}
	if (child->in)
		fclose(child->in);
	if (child->out >= 0)
		close(child->out);
	free(child->heard);
	*child = (struct child)CHILD_NONE;
}

/* Take in what it has written. */
static void take_in(struct child *child)
{
	ssize_t got;

	if (child->capacity - child->length < READ_BYTES) {
		child->capacity = 2 * child->capacity + READ_BYTES;
		child->heard = realloc(child->heard, child->capacity);
		if (!child->heard)
			messages_no_memory();
	}
	got = read(child->out, child->heard + child->length, child->capacity - child->length);
	if (got == 0)
		narrate_failure("%s (process %d) ended by itself", child->name, child->pid);
	child->length += got > 0 ? (size_t)got : 0;
}

/* Every whole line to the handler; the rest stays. Returns how many. */
static uint32_t hand_over(struct child *child, uint32_t place, child_handler handler, void *context)
{
	char *line = child->heard, *end;
	size_t left = child->length;
	uint32_t lines = 0;

	while (left && (end = memchr(line, '\n', left))) {
		*end = 0;
		if (!handler(context, place, line))
			narrate_failure("%s (process %d) said what cannot be understood: %.120s",
					child->name, child->pid, line);
		lines++;
		left -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	memmove(child->heard, line, left);
	child->length = left;
	return lines;
}

uint32_t child_listen(struct child *const *children, uint32_t count, uint64_t timeout_ns,
		      child_handler handler, void *context)
{
	struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
				   .tv_nsec = (long)(timeout_ns % NS_PER_S)};
	struct pollfd wait[DEMO_WORKERS_MAX + 1];
	uint32_t lines = 0;

	for (uint32_t i = 0; i < count; i++)
		wait[i] = (struct pollfd){.fd = children[i]->out, .events = POLLIN};
	ppoll(wait, count, &timeout, NULL);
	if (stop_asked())
		narrate_failure("told to stop");
	for (uint32_t i = 0; i < count; i++) {
		if (!wait[i].revents)
			continue;
		take_in(children[i]);
		lines += hand_over(children[i], i, handler, context);
	}
	return lines;
}
