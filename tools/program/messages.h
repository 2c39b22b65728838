/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs say when something is wrong: "ringdex-x: what failed: why: what to do".
 */
#ifndef PROGRAM_MESSAGES_H
#define PROGRAM_MESSAGES_H

/* Exit codes of every program; each says in its --help what 1 stands for. */
#define EXIT_DONE         0
#define EXIT_FAILED       1
#define EXIT_USAGE        2
#define EXIT_NOT_COMPARED 3

/* One line on standard error, after the program's name. */
__attribute__((format(printf, 1, 2))) void messages_say(const char *format, ...);

/* The same for a failed library call: followed by what -errno means and what to do. */
__attribute__((format(printf, 2, 3))) void messages_say_error(int error, const char *format, ...);

/* What -errno means here, and what to do about it where that is known. Never NULL. */
const char *messages_explain(int error);

/* The same where a segment or an index was to be created. */
const char *messages_explain_create(int error);

/* What is said goes there from now on, as one line without an end, in the thread that says it; NULL: to
 * standard error. Before other threads begin. */
void messages_set_writer(void (*write)(const char *text));

/* There is no memory left: say so and exit with EXIT_FAILED. */
_Noreturn void messages_no_memory(void);

/* From now on exit ends the program with EXIT_FAILED and a message where standard output
 * could not be written in full. */
void messages_check_output(void);

#endif
