/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the demo says while it runs: lines that stay, each after the time since the start,
 * and on a terminal one line of progress below them.
 */
#ifndef DEMO_NARRATE_H
#define DEMO_NARRATE_H

#include <stdint.h>
#include <stdio.h>

/* Say it to `file`. */
void narrate_open(FILE *file);

/* A line that stays. */
__attribute__((format(printf, 1, 2))) void narrate(const char *format, ...);

/* How far the pass is; shown some times a second, or each quarter where it is no terminal. The
 * line goes away when all is done. */
void narrate_progress(const char *pass, uint64_t done, uint64_t total, double hit_rate);

/* Say on standard error why the demo cannot go on, and exit with EXIT_FAILED. */
__attribute__((format(printf, 1, 2))) _Noreturn void narrate_failure(const char *format, ...);

#endif
