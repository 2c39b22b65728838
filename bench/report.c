/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report.h"

#include "bench/machine.h"
#include "bench/measure.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MOST 512

/* Values are kept until the end: later rows are divided by them. */
struct kept {
	const char *id; /* the JSON's */
	double *values;
	uint32_t count;
};

struct report {
	const struct options *options;
	struct json_object *root, *rows, *notes, *checks;
	struct kept kept[ROWS_MOST];
	uint32_t kept_count;
	int failed;
};

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static void add_number(struct json_object *object, const char *key, double value)
{
	struct json_object *number = json_object_new_double(value);

	json_object_set_serializer(number, json_object_double_to_json_string, "%.6g", NULL);
	json_object_object_add(object, key, number);
}

/* Median, and where 90 % of the values are. */
static void add_spread(struct json_object *object, const double *values, uint32_t count)
{
	double *sorted = measure_values(count);

	memcpy(sorted, values, count * sizeof(*sorted));
	add_number(object, "median", measure_percentile(sorted, count, 50));
	add_number(object, "low", measure_percentile(sorted, count, 5));
	add_number(object, "high", measure_percentile(sorted, count, 95));
	free(sorted);
}

struct report *report_begin(const struct options *options)
{
	static const char *const length[] = {"full", "quick", "smoke"};
	struct report *report = calloc(1, sizeof(*report));

	if (!report) {
		fprintf(stderr, "bench-%s: no memory\n", options->name);
		exit(1);
	}
	report->options = options;
	report->root = json_object_new_object();
	report->rows = json_object_new_array();
	report->notes = json_object_new_array();
	report->checks = json_object_new_array();
	add_text(report->root, "program", options->name);
	add_text(report->root, "question", options->question);
	add_text(report->root, "length", length[options->length]);
	json_object_object_add(report->root, "machine", machine_facts());
	json_object_object_add(report->root, "rows", report->rows);
	json_object_object_add(report->root, "notes", report->notes);
	json_object_object_add(report->root, "checks", report->checks);
	return report;
}

static const struct kept *find(const struct report *report, const char *id)
{
	for (uint32_t i = 0; i < report->kept_count; i++)
		if (strcmp(report->kept[i].id, id) == 0)
			return &report->kept[i];
	return NULL;
}

/* A mistake of the program that reports: end it. */
static void refuse(const struct report *report, const struct report_row *row, const char *why)
{
	fprintf(stderr, "bench-%s: row %s: %s\n", report->options->name, row->id, why);
	exit(1);
}

static void add_ratio(const struct report *report, struct json_object *object,
		      const struct report_row *row)
{
	const struct kept *floor = find(report, row->floor);
	struct json_object *ratio = json_object_new_object();
	double *ratios = measure_values(row->count);

	if (!floor || floor->count != row->count)
		refuse(report, row, "its floor is no earlier row with as many values");
	for (uint32_t i = 0; i < row->count; i++)
		ratios[i] = row->values[i] / floor->values[i];
	add_text(object, "floor", row->floor);
	add_spread(ratio, ratios, row->count);
	json_object_object_add(object, "ratio", ratio);
	free(ratios);
}

void report_row(struct report *report, const struct report_row *row)
{
	struct json_object *object = json_object_new_object(), *id;
	struct kept *kept = &report->kept[report->kept_count];

	if (report->kept_count == ROWS_MOST || find(report, row->id))
		refuse(report, row, "one too many");
	add_text(object, "id", row->id);
	add_text(object, "what", row->what);
	add_text(object, "unit", row->unit);
	add_spread(object, row->values, row->count);
	json_object_object_add(object, "count", json_object_new_int64(row->count));
	if (row->floor)
		add_ratio(report, object, row);
	json_object_array_add(report->rows, object);

	json_object_object_get_ex(object, "id", &id);
	kept->id = json_object_get_string(id);
	kept->values = measure_values(row->count);
	kept->count = row->count;
	memcpy(kept->values, row->values, row->count * sizeof(*row->values));
	report->kept_count++;
}

void report_number(struct report *report, const char *id, const char *what, const char *unit,
		   double value)
{
	REPORT_ROW(report, .id = id, .what = what, .unit = unit, .values = &value, .count = 1);
}

void report_note(struct report *report, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_object_array_add(report->notes, json_object_new_string(text));
}

void report_check(struct report *report, int held, const char *format, ...)
{
	struct json_object *check = json_object_new_object();
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	add_text(check, "what", text);
	json_object_object_add(check, "held", json_object_new_boolean(held));
	json_object_array_add(report->checks, check);
	if (!held)
		fprintf(stderr, "bench-%s: does not hold: %s\n", report->options->name, text);
	report->failed |= !held;
}

static struct json_object *get(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

static const char *text_of(struct json_object *object, const char *key)
{
	return json_object_get_string(get(object, key));
}

static double number_of(struct json_object *object, const char *key)
{
	return json_object_get_double(get(object, key));
}

/* Four digits and no exponent. */
static const char *figure(double value, char text[32])
{
	snprintf(text, 32, value >= 1000 ? "%.0f" : "%.4g", value);
	return text;
}

static void print_row(struct json_object *row)
{
	struct json_object *ratio = get(row, "ratio");
	char median[32], low[32], high[32];

	printf("  %-52.52s %9s %-5s %9s .. %-9s", text_of(row, "what"),
	       figure(number_of(row, "median"), median), text_of(row, "unit"),
	       figure(number_of(row, "low"), low), figure(number_of(row, "high"), high));
	if (ratio)
		printf(" %sx [%s .. %s]", figure(number_of(ratio, "median"), median),
		       figure(number_of(ratio, "low"), low),
		       figure(number_of(ratio, "high"), high));
	printf("\n");
}

static void print_table(const struct report *report)
{
	size_t count = json_object_array_length(report->rows);

	printf("%s: %s\n  %-52s %9s %-5s %22s %s\n", report->options->name,
	       report->options->question, "", "median", "", "5 % .. 95 %  ", " of its floor");
	for (size_t i = 0; i < count; i++)
		print_row(json_object_array_get_idx(report->rows, i));
	count = json_object_array_length(report->notes);
	for (size_t i = 0; i < count; i++)
		printf("  %s\n",
		       json_object_get_string(json_object_array_get_idx(report->notes, i)));
}

static void give(struct report *report)
{
	const struct options *options = report->options;
	int form = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE;

	if (options->json)
		puts(json_object_to_json_string_ext(report->root, form));
	else
		print_table(report);
	if (options->file && json_object_to_file_ext(options->file, report->root, form) < 0) {
		fprintf(stderr, "bench-%s: %s\n", options->name, json_util_get_last_err());
		report->failed = 1;
	}
}

int report_end(struct report *report)
{
	int failed;

	give(report);
	failed = report->failed;
	for (uint32_t i = 0; i < report->kept_count; i++)
		free(report->kept[i].values);
	json_object_put(report->root);
	free(report);
	return failed;
}
