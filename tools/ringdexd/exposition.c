/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/exposition.h"

#include "tools/program/printable.h"

#include <string.h>

#define TOTAL "_total"

void exposition_begin(struct exposition *ret_exposition, struct answer *answer, int is_open)
{
	*ret_exposition = (struct exposition){.answer = answer, .is_open = is_open};
	answer->type = is_open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			       : "text/plain; version=0.0.4; charset=utf-8";
}

void exposition_end(struct exposition *exposition)
{
	if (exposition->is_open)
		answer_text(exposition->answer, "# EOF\n");
}

/* OpenMetrics calls a family of counters without the end that its samples have. */
static int name_length(const struct exposition *exposition, const char *name, const char *type)
{
	size_t count = strlen(name);

	if (exposition->is_open && strcmp(type, "counter") == 0)
		count -= strlen(TOTAL);
	return (int)count;
}

void exposition_family(struct exposition *exposition, const char *name, const char *type,
		       const char *help)
{
	int count = name_length(exposition, name, type);

	exposition->name = name;
	answer_print(exposition->answer, "# HELP %.*s %s\n# TYPE %.*s %s\n", count, name, help,
		     count, name, type);
}

void exposition_sample(struct exposition *exposition, const char *suffix)
{
	answer_text(exposition->answer, exposition->name);
	answer_text(exposition->answer, suffix);
	exposition->has_labels = 0;
}

static void begin_label(struct exposition *exposition, const char *name)
{
	answer_text(exposition->answer, exposition->has_labels ? "," : "{");
	answer_text(exposition->answer, name);
	answer_text(exposition->answer, "=\"");
	exposition->has_labels = 1;
}

void exposition_label(struct exposition *exposition, const char *name, const char *value)
{
	struct answer *answer = exposition->answer;

	begin_label(exposition, name);
	while (*value) {
		size_t bytes = printable_sequence(value);

		if (!bytes)
			answer_text(answer, "\xef\xbf\xbd");
		else if (*value == '\n')
			answer_text(answer, "\\n");
		else if (*value == '"' || *value == '\\')
			answer_print(answer, "\\%c", *value);
		else
			answer_bytes(answer, value, bytes);
		value += bytes ? bytes : 1;
	}
	answer_text(answer, "\"");
}

void exposition_label_number(struct exposition *exposition, const char *name, uint64_t value)
{
	begin_label(exposition, name);
	answer_number(exposition->answer, value);
	answer_text(exposition->answer, "\"");
}

static void end_labels(struct exposition *exposition)
{
	answer_text(exposition->answer, exposition->has_labels ? "} " : " ");
}

void exposition_number(struct exposition *exposition, uint64_t value)
{
	end_labels(exposition);
	answer_number(exposition->answer, value);
	answer_text(exposition->answer, "\n");
}

void exposition_seconds(struct exposition *exposition, uint64_t ns)
{
	end_labels(exposition);
	if (ns == UINT64_MAX)
		answer_text(exposition->answer, "NaN\n");
	else
		answer_print(exposition->answer, "%.9f\n", (double)ns / 1e9);
}

void exposition_one(struct exposition *exposition, const char *name, const char *type,
		    const char *help, uint64_t value)
{
	exposition_family(exposition, name, type, help);
	exposition_sample(exposition, "");
	exposition_number(exposition, value);
}

static void begin_of_histogram(struct exposition *exposition, const char *suffix, const char *label,
			       const char *value)
{
	exposition_sample(exposition, suffix);
	if (label)
		exposition_label(exposition, label, value);
}

void exposition_histogram(struct exposition *exposition, const struct histogram *histogram,
			  const char *label, const char *value)
{
	uint64_t count = 0;

	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		count += histogram->counts[i];
		begin_of_histogram(exposition, "_bucket", label, value);
		exposition_label(exposition, "le",
				 i < HISTOGRAM_BOUNDS ? histogram_bounds[i].text : "+Inf");
		exposition_number(exposition, count);
	}
	begin_of_histogram(exposition, "_sum", label, value);
	exposition_seconds(exposition, histogram->sum_ns);
	begin_of_histogram(exposition, "_count", label, value);
	exposition_number(exposition, count);
}
