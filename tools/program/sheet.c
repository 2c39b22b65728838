/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/sheet.h"

#include <stdio.h>

#define COLUMNS_MAX 24

struct sheet {
	struct table_column columns[COLUMNS_MAX];
	uint32_t count;
	struct table *table;       /* NULL while the columns are declared */
	struct json_object *row;   /* NULL where people are told */
	struct json_object *outer; /* while an object in the row is open */
	int shown;                 /* the cell described last is in the table */
};

/* Is the cell to be put into the table now? */
static int is_shown(struct sheet *sheet, const char *title, enum table_kind kind)
{
	sheet->shown = title && sheet->table;
	if (title && !sheet->row && !sheet->table)
		sheet->columns[sheet->count++] = (struct table_column){title, kind, 0};
	return sheet->shown;
}

static void put_text(struct sheet *sheet, const char *title, const char *name, enum table_kind kind,
		     const char *value)
{
	if (sheet->row && name)
		json_put_text(sheet->row, name, value);
	if (is_shown(sheet, title, kind))
		table_text(sheet->table, "%s", value);
}

void sheet_text(struct sheet *sheet, const char *title, const char *name, const char *value)
{
	put_text(sheet, title, name, TABLE_TEXT, value);
}

void sheet_long_text(struct sheet *sheet, const char *title, const char *name, const char *value)
{
	put_text(sheet, title, name, TABLE_LONG, value);
}

void sheet_flag(struct sheet *sheet, const char *name, int value)
{
	if (sheet->row)
		json_put_flag(sheet->row, name, value);
}

void sheet_number(struct sheet *sheet, const char *title, const char *name, enum sheet_unit unit,
		  uint64_t value)
{
	void (*put)(struct json_object *, const char *, uint64_t) = json_put_number;

	if (unit == SHEET_ID || unit == SHEET_AGE)
		put = unit == SHEET_ID ? json_put_id : json_put_age;
	if (sheet->row && name)
		put(sheet->row, name, value);
	if (!is_shown(sheet, title, TABLE_NUMBER))
		return;
	if (unit == SHEET_GROUPED)
		table_grouped(sheet->table, value);
	else if (unit == SHEET_AGE && value == UINT64_MAX)
		table_skip(sheet->table);
	else if (unit == SHEET_NS || unit == SHEET_AGE)
		table_duration(sheet->table, value);
	else
		table_number(sheet->table, value);
}

void sheet_fraction(struct sheet *sheet, const char *title, const char *name, enum sheet_unit unit,
		    double value)
{
	if (sheet->row && name)
		json_put_fraction(sheet->row, name, value);
	if (!is_shown(sheet, title, TABLE_NUMBER))
		return;
	if (unit == SHEET_NS)
		table_duration(sheet->table, (uint64_t)value);
	else if (unit == SHEET_SHARE)
		table_text(sheet->table, "%.1f %%", 100 * value);
	else
		table_text(sheet->table, "%.1f", value);
}

void sheet_samples(struct sheet *sheet, struct samples *samples)
{
	static const struct {
		const char *title, *name;
		uint32_t per_mille;
	} all[] = {{"P50", "p50", 500},
		   {"P90", "p90", 900},
		   {"P99", "p99", 990},
		   {"P99.9", "p999", 999}};

	sheet_number(sheet, "COUNT", "count", SHEET_GROUPED, samples->total_count);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		sheet_number(sheet, all[i].title, all[i].name, SHEET_NS,
			     samples_percentile(samples, all[i].per_mille));
	sheet_number(sheet, "MAX", "max", SHEET_NS, samples->max_ns);
}

void sheet_tone(struct sheet *sheet, enum table_tone tone)
{
	if (sheet->shown)
		table_tone(sheet->table, tone);
}

void sheet_open(struct sheet *sheet)
{
	sheet->outer = sheet->row;
	if (sheet->row)
		sheet->row = json_new_object();
}

void sheet_close(struct sheet *sheet, const char *name)
{
	if (sheet->row)
		json_put(sheet->outer, name, sheet->row);
	sheet->row = sheet->outer;
}

void sheet_print(const char *title, sheet_row describe, const void *of, uint32_t first,
		 uint32_t end)
{
	struct sheet sheet = {.count = 0};

	if (title)
		printf("\n%s\n", title);
	if (first == end) {
		printf("none\n");
		return;
	}
	describe(&sheet, of, first);
	sheet.table = table_new(sheet.columns, sheet.count);
	for (uint32_t i = first; i < end; i++) {
		table_row(sheet.table);
		describe(&sheet, of, i);
	}
	table_print(sheet.table);
}

struct json_object *sheet_object(sheet_row describe, const void *of, uint32_t i)
{
	struct sheet sheet = {.row = json_new_object()};

	describe(&sheet, of, i);
	return sheet.row;
}

struct json_object *sheet_list(sheet_row describe, const void *of, uint32_t count)
{
	struct json_object *list = json_new_array();

	for (uint32_t i = 0; i < count; i++)
		json_append(list, sheet_object(describe, of, i));
	return list;
}
