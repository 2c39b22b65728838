/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/table.h"

#include "tools/program/figures.h"
#include "tools/program/messages.h"

#include <assert.h>
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct table {
	struct libscols_table *lines;
	struct libscols_line *line; /* the row begun last */
	uint32_t columns;
	uint32_t next; /* cell of that row */
	int tinted;    /* colours are wanted */
};

#define NARROWEST 40 /* a terminal that says less is not believed */

uint32_t table_width(void)
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

static int is_tinted(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && terminal && strcmp(terminal, "dumb");
}

static void add_column(struct table *table, const struct table_column *column)
{
	int flags = column->kind == TABLE_NUMBER ? SCOLS_FL_RIGHT
		    : column->kind == TABLE_LONG ? SCOLS_FL_TRUNC
						 : 0;

	if (column->hidden)
		flags |= SCOLS_FL_HIDDEN;
	if (!scols_table_new_column(table->lines, column->name, 1, flags))
		messages_no_memory();
}

struct table *table_new(const struct table_column *columns, uint32_t count)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		messages_no_memory();
	scols_init_debug(0);
	table->lines = scols_new_table();
	if (!table->lines)
		messages_no_memory();
	table->columns = table->next = count;
	table->tinted = is_tinted();
	scols_table_enable_colors(table->lines, table->tinted);
	if (isatty(STDOUT_FILENO)) {
		scols_table_set_termforce(table->lines, SCOLS_TERMFORCE_ALWAYS);
		scols_table_set_termwidth(table->lines, table_width());
	}
	for (uint32_t i = 0; i < count; i++)
		add_column(table, &columns[i]);
	return table;
}

void table_row(struct table *table)
{
	assert(table->next == table->columns);
	table->next = 0;
	table->line = scols_table_new_line(table->lines, NULL);
	if (!table->line)
		messages_no_memory();
}

void table_text(struct table *table, const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	assert(table->next < table->columns);
	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0 || scols_line_refer_data(table->line, table->next++, text) < 0)
		messages_no_memory();
}

void table_number(struct table *table, uint64_t value)
{
	table_text(table, "%" PRIu64, value);
}

void table_grouped(struct table *table, uint64_t value)
{
	char text[FIGURES_BYTES];

	table_text(table, "%s", figures_grouped(value, text));
}

void table_duration(struct table *table, uint64_t ns)
{
	char text[FIGURES_BYTES];

	table_text(table, "%s", figures_duration(ns, text));
}

void table_size(struct table *table, uint64_t bytes)
{
	char text[FIGURES_BYTES];

	table_text(table, "%s", figures_size(bytes, text));
}

void table_skip(struct table *table)
{
	assert(table->next < table->columns);
	table->next++;
}

void table_skip_rest(struct table *table)
{
	table->next = table->columns;
}

void table_tone(struct table *table, enum table_tone tone)
{
	static const char *const colour[] = {NULL, "green", "yellow", "red", "darkgray"};
	struct libscols_cell *cell = scols_line_get_cell(table->line, table->next - 1);

	if (cell && table->tinted && colour[tone])
		scols_cell_set_color(cell, colour[tone]);
}

void table_print(struct table *table)
{
	assert(table->next == table->columns);
	if (scols_print_table(table->lines) < 0)
		messages_no_memory();
	scols_unref_table(table->lines);
	free(table);
}
