/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of others (a worker's instance, a model's name, a line of input) where people read them: no
 * byte of them reaches a terminal as a control character, begins a line, or is no UTF-8.
 */
#ifndef PROGRAM_PRINTABLE_H
#define PROGRAM_PRINTABLE_H

#include <stddef.h>
#include <stdio.h>

/* Bytes of the UTF-8 sequence that begins at `text`, 0 where none does. */
size_t printable_sequence(const char *text);

/* Print `text`. Control characters, and bytes that are no UTF-8, become \xNN each, as in tables. */
void printable_put(FILE *to, const char *text);

#endif
