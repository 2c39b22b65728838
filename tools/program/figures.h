/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as people read them. Each function that has a ret_text writes at most FIGURES_BYTES,
 * where nothing else is said, and returns it.
 */
#ifndef PROGRAM_FIGURES_H
#define PROGRAM_FIGURES_H

#include <stdint.h>

#define FIGURES_BYTES 32

/* "1.5 MiB" */
const char *figures_size(uint64_t bytes, char *ret_text);

/* "1,234,567" */
const char *figures_grouped(uint64_t value, char *ret_text);

/* "12 us", "3.4 ms", "56 s" */
const char *figures_duration(uint64_t ns, char *ret_text);

/* What follows a noun that is counted: "s", or "" of one. */
const char *figures_plural(uint64_t count);

/*
 * "1 block dropped: no room", "2 blocks dropped: no room". `about_one` begins with the noun, and
 * nothing behind that depends on the number. Writes at most FIGURES_COUNTED_BYTES.
 */
#define FIGURES_COUNTED_BYTES 160
const char *figures_counted(uint64_t count, const char *about_one, char *ret_text);

#endif
