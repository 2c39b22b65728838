/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as people read them. Each function writes at most FIGURES_BYTES and returns
 * ret_text.
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

#endif
