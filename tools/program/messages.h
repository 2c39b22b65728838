/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tools say when something is wrong: "ringdex-x: what failed: why: what to do".
 */
#ifndef TOOL_MESSAGES_H
#define TOOL_MESSAGES_H

/* Exit codes of every tool; each names in its --help what 1 stands for. */
#define EXIT_DONE        0
#define EXIT_FAILED      1
#define EXIT_USAGE       2
#define EXIT_NOT_COMPARED 3

/* One line on standard error, after the program's name. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* The same for a failed library call: followed by what -errno means and what to do. */
__attribute__((format(printf, 2, 3))) void complain_of(int error, const char *format, ...);

/* What -errno means here, and what to do about it where that is known. Never NULL. */
const char *explain(int error);

/* There is no memory left: say so and exit. */
_Noreturn void exit_no_memory(void);

/* Flush standard output; `status`, or EXIT_FAILED and a message if it could not be
 * written. For the end of main. */
int finish(int status);

#endif
