/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report.h"

#include "bench/measure.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct report {
	struct json_object *root;
	struct json_object *rows;
	struct json_object *notes;
	int json;
};

static void add_processor(struct json_object *machine)
{
	char line[512], *colon;
	FILE *file = fopen("/proc/cpuinfo", "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "model name", 10) != 0 || !(colon = strchr(line, ':')))
			continue;
		line[strcspn(line, "\n")] = '\0';
		json_object_object_add(machine, "processor", json_object_new_string(colon + 2));
		break;
	}
	if (file)
		fclose(file);
}

static struct json_object *machine_facts(void)
{
	struct json_object *machine = json_object_new_object();
	struct utsname name;

	add_processor(machine);
	json_object_object_add(machine, "processors",
			       json_object_new_int64(sysconf(_SC_NPROCESSORS_ONLN)));
	if (uname(&name) == 0)
		json_object_object_add(machine, "kernel", json_object_new_string(name.release));
	return machine;
}

struct report *report_begin(const char *name, int json)
{
	struct report *report = calloc(1, sizeof(*report));

	if (!report)
		return NULL;
	report->json = json;
	report->root = json_object_new_object();
	report->rows = json_object_new_array();
	report->notes = json_object_new_array();
	json_object_object_add(report->root, "benchmark", json_object_new_string(name));
	json_object_object_add(report->root, "machine", machine_facts());
	json_object_object_add(report->root, "figures", report->rows);
	json_object_object_add(report->root, "notes", report->notes);
	return report;
}

static void add_row(struct report *report, const char *what, const char *unit, const double *values,
		    uint32_t count, double goal)
{
	struct json_object *row = json_object_new_object();
	double *sorted = malloc((count + 1) * sizeof(*sorted));

	memcpy(sorted, values, count * sizeof(*sorted));
	json_object_object_add(row, "what", json_object_new_string(what));
	json_object_object_add(row, "unit", json_object_new_string(unit));
	json_object_object_add(row, "median",
			       json_object_new_double(measure_percentile(sorted, count, 50)));
	json_object_object_add(row, "low",
			       json_object_new_double(measure_percentile(sorted, count, 5)));
	json_object_object_add(row, "high",
			       json_object_new_double(measure_percentile(sorted, count, 95)));
	json_object_object_add(row, "repetitions", json_object_new_int64(count));
	if (goal > 0)
		json_object_object_add(row, "goal_at_most", json_object_new_double(goal));
	json_object_array_add(report->rows, row);
	free(sorted);
}

void report_figure(struct report *report, const char *what, const char *unit, const double *values,
		   uint32_t count)
{
	add_row(report, what, unit, values, count, 0);
}

void report_goal(struct report *report, const char *what, const char *unit, const double *values,
		 uint32_t count, double goal_at_most)
{
	add_row(report, what, unit, values, count, goal_at_most);
}

void report_ratio(struct report *report, const char *what, const double *a, const double *b,
		  uint32_t count, double goal_at_most)
{
	double *ratios = malloc((count + 1) * sizeof(*ratios));

	for (uint32_t i = 0; i < count; i++)
		ratios[i] = a[i] / b[i];
	add_row(report, what, "x", ratios, count, goal_at_most);
	free(ratios);
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

static double number(struct json_object *row, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(row, key, &value) ? json_object_get_double(value) : 0;
}

static const char *text(struct json_object *row, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(row, key, &value) ? json_object_get_string(value) : "";
}

static void print_table(const struct report *report)
{
	size_t count = json_object_array_length(report->rows);

	printf("%s\n%-56s %12s %23s %10s\n", text(report->root, "benchmark"), "", "median",
	       "5 % .. 95 %", "goal");
	for (size_t i = 0; i < count; i++) {
		struct json_object *row = json_object_array_get_idx(report->rows, i);
		double goal = number(row, "goal_at_most");

		printf("  %-54s %9.4g %-3s %10.4g .. %-9.4g", text(row, "what"),
		       number(row, "median"), text(row, "unit"), number(row, "low"),
		       number(row, "high"));
		if (goal > 0)
			printf(" <= %.4g", goal);
		printf("\n");
	}
	count = json_object_array_length(report->notes);
	for (size_t i = 0; i < count; i++)
		printf("  %s\n",
		       json_object_get_string(json_object_array_get_idx(report->notes, i)));
}

int report_end(struct report *report, int failed)
{
	json_object_object_add(report->root, "checks_hold", json_object_new_boolean(!failed));
	if (report->json)
		puts(json_object_to_json_string_ext(report->root, JSON_C_TO_STRING_PRETTY));
	else
		print_table(report);
	json_object_put(report->root);
	free(report);
	return failed ? 1 : 0;
}
