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

/* A pass of `total` requests begins. */
void narrate_begin(const char *what, uint64_t total);

/* How far it is; at most some times a second, or each quarter where it is no terminal. */
void narrate_progress(uint64_t done, uint64_t cached_blocks, uint64_t blocks);

/* The line of progress goes away. */
void narrate_end(void);

#endif
