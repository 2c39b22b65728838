/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to do when a rank cannot be opened.
 */
#ifndef PROGRAM_OPEN_ADVICE_H
#define PROGRAM_OPEN_ADVICE_H

#include <ringdex/rdx_publisher.h>
#include <stddef.h>

/* Advice for a person, for a negative result of rdx_publisher_open; NULL for want of any. */
const char *open_advice(int error);

/* Write "cannot open rank R of worker W in DIR: why", and what to do, of at most `size` bytes. */
void open_advice_text(char *ret_text, size_t size, const struct rdx_publisher_options *options,
		      int error);

#endif
