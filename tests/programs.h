/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the programs that were built, as a user does, from a test.
 */
#ifndef RDX_TESTS_PROGRAMS_H
#define RDX_TESTS_PROGRAMS_H

#include <stddef.h>
#include <sys/types.h>

/* What a program did. */
struct program_result {
	int status; /* exit code; -1: a signal ended it, or patience.h's time ran out */
	char *out;  /* terminated */
	char *err;
};
void program_result_free(struct program_result *result);

/* A program still running. */
struct program {
	pid_t pid;
	int in; /* -1: /dev/null */
	int out;
	int err;
};

/* Start `name`, found beside the test's own program, with arguments up to a NULL. `piped`:
 * its standard input is `in`. 0 or -errno. */
int program_start(struct program *ret_program, const char *name, char *const *arguments, int piped);

/* Feed it `input` (NULL: nothing) and read all it prints, until it ends. */
int program_finish(struct program *program, const char *input, struct program_result *ret_result);

/* By SIGTERM; it must end with 0. */
void program_stop(struct program *program);

/* Start and finish: program_run(&result, "ringdex-ls", "input" or NULL, "--dir", dir, NULL) */
__attribute__((sentinel)) int program_run(struct program_result *ret_result, const char *name,
					  const char *input, ...);

#endif
