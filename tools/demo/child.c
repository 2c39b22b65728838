/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/child.h"

#include "tools/demo/narrate.h"
#include "tools/demo/settings.h"
#include "tools/program/beside.h"
#include "tools/program/messages.h"
#include "tools/program/stop.h"

#include <errno.h>
#include <fcntl.h>
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
#define EXIT_NOT_RUN  127

/* In the child: only calls that are allowed after fork. */
static _Noreturn void become(const char *path, char *const *arguments, int in, int out,
			     pid_t parent)
{
	/* an interrupt from the keyboard is for the demo alone, whose end is theirs */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	if (getppid() == parent && dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
		execv(path, arguments);
	_exit(EXIT_NOT_RUN);
}

void child_start(struct child *ret_child, const char *format, ...)
{
	char *arguments[ARGUMENTS_MAX + 1] = {NULL}, *text, *rest, path[PATH_MAX] = "";
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
	beside_path(arguments[0], path);
	if (access(path, X_OK) < 0 || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ||
	    !(ret_child->in = fdopen(in[1], "w")) || (ret_child->pid = fork()) < 0)
		narrate_failure("cannot start %s: %s: it is built and installed beside this "
				"program",
				path, strerror(errno));
	if (ret_child->pid == 0)
		become(path, arguments, in[0], out[1], parent);
	snprintf(ret_child->name, sizeof(ret_child->name), "%s", arguments[0]);
	ret_child->out = (struct lines){.name = ret_child->name, .fd = out[0], .at_once = 1};
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	close(in[0]);
	close(out[1]);
	free(text);
}

void child_tell(struct child *child, const char *text)
{
	if ((fputs(text, child->in) < 0 || fflush(child->in)) && !stop_asked())
		narrate_failure("%s (process %d) does not listen any more: %s", child->name,
				child->pid, strerror(errno));
}

void child_stop(struct child *child)
{
	if (!child->pid)
		return;
	kill(child->pid, SIGKILL);
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		;
	fclose(child->in);
	lines_close(&child->out);
	*child = (struct child){0};
}

/* Every whole line that is there. */
static void hand_over(struct child *child, uint32_t place, child_handler handler, void *context)
{
	size_t length;
	char *line;
	int r;

	while ((r = lines_next(&child->out, &line, &length)) > 0) {
		if (!handler(context, place, line))
			narrate_failure("%s (process %d) said what cannot be understood: %.120s",
					child->name, child->pid, line);
	}
	if (r != -EAGAIN)
		narrate_failure("%s (process %d) ended by itself", child->name, child->pid);
}

void child_listen(struct child *children, uint32_t count, uint64_t timeout_ns,
		  child_handler handler, void *context)
{
	struct timespec timeout = {.tv_nsec = (long)timeout_ns};
	struct pollfd wait[DEMO_WORKERS_MAX + 1];

	for (uint32_t i = 0; i < count; i++)
		wait[i] = (struct pollfd){.fd = children[i].pid ? children[i].out.fd : -1,
					  .events = POLLIN};
	ppoll(wait, count, &timeout, NULL);
	if (stop_asked())
		narrate_failure("told to stop");
	for (uint32_t i = 0; i < count; i++) {
		if (wait[i].revents)
			hand_over(&children[i], i, handler, context);
	}
}
