/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/table.h"

#include "tools/program/messages.h"

#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct table {
	struct libscols_table *columns;
	struct libscols_line *line;
	unsigned int tinted; /* colours are wanted */
};

#define NARROWEST 40 /* a terminal that says less is not believed */

uint32_t output_width(void)
{
	struct winsize size;
	const char *given = getenv("COLUMNS");
	unsigned long columns = given ? strtoul(given, NULL, 10) : 0;

	if (!isatty(STDOUT_FILENO))
		return UINT32_MAX;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		columns = size.ws_col;
	return columns >= NARROWEST && columns < UINT32_MAX ? (uint32_t)columns : 80;
}

struct table *table_new(void)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		exit_no_memory();
	scols_init_debug(0);
	table->columns = scols_new_table();
	if (!table->columns)
		exit_no_memory();
	table->tinted = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	scols_table_enable_colors(table->columns, (int)table->tinted);
	if (isatty(STDOUT_FILENO)) {
		scols_table_set_termforce(table->columns, SCOLS_TERMFORCE_ALWAYS);
		scols_table_set_termwidth(table->columns, output_width());
	}
	return table;
}

void table_add_column(struct table *table, const char *name, enum column_kind kind)
{
	int flags = kind == COLUMN_NUMBER ? SCOLS_FL_RIGHT
		    : kind == COLUMN_LONG ? SCOLS_FL_TRUNC
					  : 0;

	if (!scols_table_new_column(table->columns, name, 1, flags))
		exit_no_memory();
}

void table_row(struct table *table)
{
	table->line = scols_table_new_line(table->columns, NULL);
	if (!table->line)
		exit_no_memory();
}

void table_cell(struct table *table, unsigned int column, const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0 || scols_line_refer_data(table->line, column, text) < 0)
		exit_no_memory();
}

void table_number(struct table *table, unsigned int column, uint64_t value)
{
	table_cell(table, column, "%" PRIu64, value);
}

void table_tone(struct table *table, unsigned int column, enum cell_tone tone)
{
	static const char *const colour[] = {NULL, "green", "yellow", "red", "darkgray"};
	struct libscols_cell *cell = scols_line_get_cell(table->line, column);

	if (cell && table->tinted && colour[tone])
		scols_cell_set_color(cell, colour[tone]);
}

void table_print(struct table *table)
{
	if (scols_print_table(table->columns) < 0)
		exit_no_memory();
	scols_unref_table(table->columns);
	free(table);
}

const char *size_text(uint64_t bytes, char *ret_text)
{
	static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double value = (double)bytes;
	unsigned int i = 0;

	while (value >= 1024 && i + 1 < sizeof(unit) / sizeof(unit[0])) {
		value /= 1024;
		i++;
	}
	snprintf(ret_text, SIZE_TEXT_BYTES, i && value < 100 ? "%.1f %s" : "%.0f %s", value,
		 unit[i]);
	return ret_text;
}

const char *grouped_text(uint64_t value, char *ret_text)
{
	char digits[SIZE_TEXT_BYTES];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, value);
	char *to = ret_text;

	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = 0;
	return ret_text;
}

const char *duration_text(uint64_t ns, char *ret_text)
{
	static const char *const unit[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	unsigned int i = 0;

	while (value >= 1000 && i + 1 < sizeof(unit) / sizeof(unit[0])) {
		value /= 1000;
		i++;
	}
	snprintf(ret_text, SIZE_TEXT_BYTES, i && value < 10 ? "%.1f %s" : "%.0f %s", value, unit[i]);
	return ret_text;
}
