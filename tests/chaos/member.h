/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of the chaos, with a pipe to and from it: started, killed, stopped, listened to.
 */
#ifndef RDX_TESTS_CHAOS_MEMBER_H
#define RDX_TESTS_CHAOS_MEMBER_H

#include "tests/programs.h"

#include <stddef.h>
#include <stdint.h>

#define MEMBER_TAIL_BYTES 4096

/* The end of what it printed. */
struct member_tail {
	char text[MEMBER_TAIL_BYTES]; /* terminated */
	size_t length;
};

struct member {
	struct program program; /* pid 0: it does not run */
	uint64_t down_ns;       /* dead or stopped since; 0: it runs */
	int is_stopped;
	int may_end;       /* a fault may make it end by itself, before the next rest */
	int maps_cut_file; /* until it is started again: SIGBUS may end it, at rest as well */
	struct member_tail out, err;
};

/* The test fails if it cannot be started. */
void member_start(struct member *member, char *const *arguments, int piped);

/* Read what it printed, so that it never waits for us. */
void member_drain(struct member *member);
void member_drain_errors(struct member *member); /* where what it answers is read by others */

/* Write all of it; with patience. 0, or -EPIPE: it has ended. */
int member_write(struct member *member, const char *text, size_t length);

/* Wait until it has taken all that was written. */
void member_await_taken(struct member *member);

/* SIGKILL, and wait for its end. Does nothing if it does not run. */
void member_kill(struct member *member);

/* SIGSTOP, and wait until it has stopped; SIGCONT. */
void member_stop(struct member *member);
void member_continue(struct member *member);

/* Ask it to end, by `signal`, or by the end of its input if that is 0, and wait with patience. Its
 * exit status, -1 where a signal ended it. */
int member_end(struct member *member, int signal);

/* Has it ended by itself? It does not run then, and `*ret_status` is a wait status. */
int member_has_ended(struct member *member, int *ret_status);

static inline int member_runs(const struct member *member)
{
	return member->program.pid > 0;
}

#endif
