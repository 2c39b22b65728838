/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of options: read from a text into the member that an entry names, wherever the text stands.
 */
#ifndef PROGRAM_OPTIONS_VALUE_H
#define PROGRAM_OPTIONS_VALUE_H

#include "tools/program/options.h"

#define OPTIONS_VALUE_WRONG_BYTES   256
#define OPTIONS_VALUE_DEFAULT_BYTES 64

/*
 * Read `text` into the entry's member of `input`; of a text it keeps the address. 1; or 0, and in `ret_wrong`
 * what is wrong: "'x' is not a whole number from 1 to 8".
 */
int options_value_take(const struct options_entry *entry, const char *text, void *input,
		       char ret_wrong[OPTIONS_VALUE_WRONG_BYTES]);

/* Read a number as OPTIONS_NUMBER does: 1, or 0 where `text` is none within the bounds. */
int options_value_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);

/* What the member holds, as it would be written; "" for nothing. */
void options_value_default(const struct options_entry *entry, void *input,
			   char ret_text[OPTIONS_VALUE_DEFAULT_BYTES]);

/* Back to what it holds in `from`. */
void options_value_copy(const struct options_entry *entry, void *input, const void *from);

/* Do both hold the same, texts by what is written in them? */
int options_value_same(const struct options_entry *entry, const void *a, const void *b);

#endif
