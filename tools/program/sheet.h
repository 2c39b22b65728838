/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows for people and for programs of one description: each cell has a title in a table and a
 * name in JSON, or only one of them (the other NULL). Without memory the program ends.
 */
#ifndef PROGRAM_SHEET_H
#define PROGRAM_SHEET_H

#include "tools/program/json.h"
#include "tools/program/samples.h"
#include "tools/program/table.h"

struct sheet;

/* Describes row `i` of `of`: a call for each of its cells. Those with a title are the same in
 * each row. */
typedef void (*sheet_row)(struct sheet *sheet, const void *of, uint32_t i);

/* As people read it; in JSON all are plain numbers but ids (json_put_id). */
enum sheet_unit {
	SHEET_PLAIN,
	SHEET_ID,
	SHEET_GROUPED,
	SHEET_NS,
	SHEET_AGE, /* UINT64_MAX: not known */
	SHEET_SHARE,
	SHEET_DECIMAL,
};

void sheet_text(struct sheet *sheet, const char *title, const char *name, const char *value);
void sheet_long_text(struct sheet *sheet, const char *title, const char *name, const char *value);
void sheet_flag(struct sheet *sheet, const char *name, int value);
void sheet_number(struct sheet *sheet, const char *title, const char *name, enum sheet_unit unit,
		  uint64_t value);
void sheet_fraction(struct sheet *sheet, const char *title, const char *name, enum sheet_unit unit,
		    double value);

/* Count, percentiles of the nearest rank, and greatest. */
void sheet_samples(struct sheet *sheet, struct samples *samples);

/* Colour the cell described last. */
void sheet_tone(struct sheet *sheet, enum table_tone tone);

/* In JSON the cells between are members of an object `name`. Not one inside the other. */
void sheet_open(struct sheet *sheet);
void sheet_close(struct sheet *sheet, const char *name);

/* A table of rows `first` .. `end` - 1, under a title (NULL: none); of all their objects; one. */
void sheet_print(const char *title, sheet_row describe, const void *of, uint32_t first,
		 uint32_t end);
struct json_object *sheet_list(sheet_row describe, const void *of, uint32_t count);
struct json_object *sheet_object(sheet_row describe, const void *of, uint32_t i);

#endif
