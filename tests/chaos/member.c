/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/member.h"

#include "tests/patience.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

void member_start(struct member *member, char *const *arguments, int piped)
{
	*member = (struct member){.may_end = member->may_end};
	assert_int_equal(program_start(&member->program, arguments[0], arguments, piped), 0);
	fcntl(member->program.out, F_SETFL, O_NONBLOCK);
	fcntl(member->program.err, F_SETFL, O_NONBLOCK);
	if (piped)
		fcntl(member->program.in, F_SETFL, O_NONBLOCK);
}

/* Keep the end of what comes. */
static void take(int fd, struct member_tail *tail)
{
	ssize_t got;

	for (;;) {
		if (tail->length + 1 >= sizeof(tail->text)) {
			size_t half = tail->length / 2;

			memmove(tail->text, tail->text + half, tail->length - half);
			tail->length -= half;
		}
		got = read(fd, tail->text + tail->length, sizeof(tail->text) - 1 - tail->length);
		if (got <= 0)
			break;
		tail->length += (size_t)got;
	}
	tail->text[tail->length] = 0;
}

void member_drain(struct member *member)
{
	if (!member_runs(member))
		return;
	take(member->program.out, &member->out);
	take(member->program.err, &member->err);
}

void member_drain_errors(struct member *member)
{
	if (member_runs(member))
		take(member->program.err, &member->err);
}

int member_write(struct member *member, const char *text, size_t length)
{
	if (!member_runs(member))
		return -EPIPE;
	UNTIL (length == 0) {
		struct pollfd fd = {member->program.in, POLLOUT, 0};
		ssize_t given = write(member->program.in, text, length);

		if (given < 0 && errno == EPIPE)
			return -EPIPE;
		if (given > 0) {
			text += given;
			length -= (size_t)given;
		} else {
			member_drain(member);
			poll(&fd, 1, 10);
		}
	}
	return 0;
}

/* It may end by itself, and what it was told stays in the pipe. */
static int has_no_reader(const struct member *member)
{
	struct pollfd fd = {member->program.in, 0, 0};

	return poll(&fd, 1, 0) == 1 && fd.revents & POLLERR;
}

void member_await_taken(struct member *member)
{
	int left = 0;

	UNTIL (ioctl(member->program.in, FIONREAD, &left) < 0 || left == 0 ||
	       has_no_reader(member)) {
		member_drain(member);
		usleep(500);
	}
}

/* It has ended, and was waited for. */
static void bury(struct member *member)
{
	member_drain(member);
	if (member->program.in >= 0)
		close(member->program.in);
	close(member->program.out);
	close(member->program.err);
	member->program = (struct program){.in = -1, .out = -1, .err = -1};
	member->is_stopped = 0;
	member->down_ns = rdx_clock_ns();
}

void member_kill(struct member *member)
{
	if (!member_runs(member))
		return;
	kill(member->program.pid, SIGKILL);
	while (waitpid(member->program.pid, NULL, 0) < 0 && errno == EINTR)
		;
	bury(member);
}

void member_stop(struct member *member)
{
	int status = 0;

	if (!member_runs(member) || member->is_stopped)
		return;
	kill(member->program.pid, SIGSTOP);
	while (waitpid(member->program.pid, &status, WUNTRACED) < 0 && errno == EINTR)
		;
	if (!WIFSTOPPED(status)) { /* it had ended */
		bury(member);
		return;
	}
	member->is_stopped = 1;
	member->down_ns = rdx_clock_ns();
}

void member_continue(struct member *member)
{
	if (!member->is_stopped)
		return;
	kill(member->program.pid, SIGCONT);
	member->is_stopped = 0;
	member->down_ns = 0;
}

int member_end(struct member *member, int signal)
{
	int status = 0;

	if (signal)
		kill(member->program.pid, signal);
	close(member->program.in);
	member->program.in = -1;
	UNTIL (waitpid(member->program.pid, &status, WNOHANG) == member->program.pid) {
		member_drain(member);
		usleep(500);
	}
	bury(member);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int member_has_ended(struct member *member, int *ret_status)
{
	if (!member_runs(member) ||
	    waitpid(member->program.pid, ret_status, WNOHANG) != member->program.pid)
		return 0;
	bury(member);
	return 1;
}
