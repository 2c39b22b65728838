/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs' one way to print a table: columns are declared once, cells appended in their
 * order. On a terminal it keeps to its width, long texts cut short, states in colour (unless
 * NO_COLOR is set or TERM is dumb); else everything, without colour. Without memory the
 * program ends.
 */
#ifndef PROGRAM_TABLE_H
#define PROGRAM_TABLE_H

#include <stdint.h>

enum table_kind {
	TABLE_TEXT,   /* left, never cut */
	TABLE_NUMBER, /* right */
	TABLE_LONG,   /* left, cut where the terminal is narrow */
};

enum table_tone { TABLE_PLAIN, TABLE_GOOD, TABLE_WARNING, TABLE_BAD, TABLE_FAINT };

struct table_column {
	const char *name;
	enum table_kind kind;
	int hidden; /* its cells are appended like the others, and not shown */
};

struct table;

struct table *table_new(const struct table_column *columns, uint32_t count);
#define TABLE_NEW(columns) table_new(columns, sizeof(columns) / sizeof((columns)[0]))

/* Begin a row. The one before must be full. */
void table_row(struct table *table);

/* Append a cell to the row. A cell too many is a bug and ends the program. */
__attribute__((format(printf, 2, 3))) void table_text(struct table *table, const char *format, ...);
void table_number(struct table *table, uint64_t value);
void table_grouped(struct table *table, uint64_t value); /* "1,234" */
void table_duration(struct table *table, uint64_t ns);   /* "3.4 ms" */
void table_size(struct table *table, uint64_t bytes);    /* "1.5 MiB" */

/* Leave this cell, or all that are left in the row, empty. */
void table_skip(struct table *table);
void table_skip_rest(struct table *table);

/* Colour the cell appended last. */
void table_tone(struct table *table, enum table_tone tone);

/* Print, and drop it. */
void table_print(struct table *table);

/* The width that output may take, UINT32_MAX where it is not a terminal. */
uint32_t table_width(void);

#endif
