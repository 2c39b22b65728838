/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tools' one way to print a table. On a terminal it keeps to its width, long texts cut
 * short, states in colour (unless NO_COLOR is set); else everything, without colour.
 * Without memory the program ends.
 */
#ifndef TOOL_TABLE_H
#define TOOL_TABLE_H

#include <stdint.h>

enum column_kind {
	COLUMN_TEXT,   /* left, never cut */
	COLUMN_NUMBER, /* right */
	COLUMN_LONG,   /* left, cut where the terminal is narrow */
};

enum cell_tone { TONE_PLAIN, TONE_GOOD, TONE_WARNING, TONE_BAD, TONE_FAINT };

struct table;

struct table *table_new(void);
/* Columns are numbered from 0 in the order they are added. */
void table_add_column(struct table *table, const char *name, enum column_kind kind);
/* Begin a row; cells that are not set stay empty. */
void table_row(struct table *table);
/* Set a cell of the row begun last. */
__attribute__((format(printf, 3, 4))) void table_cell(struct table *table, unsigned int column,
						      const char *format, ...);
void table_number(struct table *table, unsigned int column, uint64_t value);
void table_tone(struct table *table, unsigned int column, enum cell_tone tone);
/* Print, and drop it. */
void table_print(struct table *table);

/* The width that output may take, UINT32_MAX where it is not a terminal. */
uint32_t output_width(void);

/* "1.5 MiB"; for people. Returns ret_text, of at least SIZE_TEXT_BYTES. */
#define SIZE_TEXT_BYTES 32
const char *size_text(uint64_t bytes, char *ret_text);

/* "1,234,567". Returns ret_text, likewise. */
const char *grouped_text(uint64_t value, char *ret_text);

/* "12 us", "3.4 ms", "56 s". Returns ret_text, likewise. */
const char *duration_text(uint64_t ns, char *ret_text);

#endif
