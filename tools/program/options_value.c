/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/options_value.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BYTES OPTIONS_VALUE_DEFAULT_BYTES

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{"ns", 1},
	{"us", UINT64_C(1000)},
	{"ms", UINT64_C(1000000)},
	{"s", UINT64_C(1000000000)},
	{"m", UINT64_C(60000000000)},
	{"h", UINT64_C(3600000000000)},
};
#define UNITS (sizeof(units) / sizeof(units[0]))

int options_value_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	unsigned long long value;
	char *end;
	int base = 10;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
		base = 16;
	}
	/* strtoull takes signs and blanks */
	if (!strchr("0123456789abcdefABCDEF", text[0]) || !text[0])
		return 0;
	errno = 0;
	value = strtoull(text, &end, base);
	if (errno || *end || end == text || value < min || value > max)
		return 0;
	*ret_value = value;
	return 1;
}

/* Decimal digits with a point perhaps; strtod takes signs, blanks, "inf" and "nan". */
static int read_fraction(const char *text, double *ret_value, const char **ret_end)
{
	char *end;

	if (!strchr("0123456789.", text[0]) || !text[0])
		return 0;
	*ret_value = strtod(text, &end);
	*ret_end = end;
	return end != text;
}

static int read_duration(const char *text, uint64_t min, uint64_t max, uint64_t *ret_ns)
{
	const char *unit;
	double value;

	if (!read_fraction(text, &value, &unit))
		return 0;
	for (size_t i = 0; i < UNITS; i++) {
		double ns = value * (double)units[i].ns;

		if (strcmp(unit, units[i].name) != 0)
			continue;
		if (!(ns >= (double)min && ns <= (double)max))
			return 0;
		*ret_ns = (uint64_t)ns;
		return 1;
	}
	return 0;
}

/* In the largest unit that leaves no rest. */
static void write_duration(uint64_t ns, char *ret_text)
{
	size_t i = UNITS - 1;

	while (i && (ns == 0 || ns % units[i].ns))
		i--;
	snprintf(ret_text, DEFAULT_BYTES, "%" PRIu64 "%s", ns / units[i].ns, units[i].name);
}

static void *member(const struct options_entry *entry, void *input)
{
	return (char *)input + entry->at;
}

static void store_number(const struct options_entry *entry, void *input, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;

	if (entry->bytes == sizeof(narrow)) {
		assert(value == narrow);
		memcpy(member(entry, input), &narrow, sizeof(narrow));
	} else {
		assert(entry->bytes == sizeof(value));
		memcpy(member(entry, input), &value, sizeof(value));
	}
}

static uint64_t load_number(const struct options_entry *entry, void *input)
{
	uint64_t value;
	uint32_t narrow;

	if (entry->bytes == sizeof(narrow)) {
		memcpy(&narrow, member(entry, input), sizeof(narrow));
		return narrow;
	}
	memcpy(&value, member(entry, input), sizeof(value));
	return value;
}

/*
 * The kinds: each reads its value, or says what would be one
 */

/* "'text' is not " and then as printf. 0 */
__attribute__((format(printf, 3, 4))) static int wrong(char *ret_wrong, const char *text,
						       const char *format, ...)
{
	char right[OPTIONS_VALUE_WRONG_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(right, sizeof(right), format, arguments);
	va_end(arguments);
	snprintf(ret_wrong, OPTIONS_VALUE_WRONG_BYTES, "'%.80s' is not %.160s", text, right);
	return 0;
}

static int take_number(const struct options_entry *entry, const char *text, void *input,
		       char *ret_wrong)
{
	const char *what = entry->kind == OPTIONS_POWER ? "power of two" : "whole number";
	uint64_t value = entry->min;

	if (!options_value_number(text, entry->min, entry->max, &value) ||
	    (entry->kind == OPTIONS_POWER && (value & (value - 1))))
		return wrong(ret_wrong, text, "a %s from %" PRIu64 " to %" PRIu64, what, entry->min,
			     entry->max);
	store_number(entry, input, value);
	return 1;
}

static int take_fraction(const struct options_entry *entry, const char *text, void *input,
			 char *ret_wrong)
{
	const char *end;
	double value = entry->least;

	/* the form also refuses what is not a number */
	if (!read_fraction(text, &value, &end) || *end ||
	    !(value >= entry->least && value <= entry->most))
		return wrong(ret_wrong, text, "a number from %g to %g", entry->least, entry->most);
	memcpy(member(entry, input), &value, sizeof(value));
	return 1;
}

static int take_duration(const struct options_entry *entry, const char *text, void *input,
			 char *ret_wrong)
{
	char min[DEFAULT_BYTES], max[DEFAULT_BYTES];
	uint64_t ns = entry->min;

	write_duration(entry->min, min);
	write_duration(entry->max, max);
	if (!read_duration(text, entry->min, entry->max, &ns))
		return wrong(ret_wrong, text, "a duration from %s to %s, such as 250ms, 10s or 5m",
			     min, max);
	store_number(entry, input, ns);
	return 1;
}

static int take_choice(const struct options_entry *entry, const char *text, void *input,
		       char *ret_wrong)
{
	char all[OPTIONS_VALUE_WRONG_BYTES] = "";
	size_t length = 0;

	for (uint32_t i = 0; entry->choices[i]; i++) {
		if (strcmp(entry->choices[i], text) == 0) {
			store_number(entry, input, i);
			return 1;
		}
		assert(length + strlen(entry->choices[i]) + 2 < sizeof(all));
		length += (size_t)snprintf(all + length, sizeof(all) - length, "%s %s",
					   i ? "," : "", entry->choices[i]);
	}
	return wrong(ret_wrong, text, "one of%s", all);
}

static int take_text(const struct options_entry *entry, const char *text, void *input,
		     char *ret_wrong)
{
	if (strlen(text) < entry->min)
		return wrong(ret_wrong, text, "a name");
	memcpy(member(entry, input), &text, sizeof(text));
	return 1;
}

/* One more: the array is zeroed, and its last place stays so. */
static int take_texts(const struct options_entry *entry, const char *text, void *input,
		      char *ret_wrong)
{
	const char **texts = member(entry, input);
	size_t most = entry->bytes / sizeof(*texts) - 1, count = 0;

	if (strlen(text) < entry->min)
		return wrong(ret_wrong, text, "a name");
	while (texts[count])
		count++;
	if (count == most) {
		snprintf(ret_wrong, OPTIONS_VALUE_WRONG_BYTES, "given more than %zu times", most);
		return 0;
	}
	texts[count] = text;
	return 1;
}

/* In a file and in the environment a flag has a word. */
static int take_flag(const struct options_entry *entry, const char *text, void *input,
		     char *ret_wrong)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
	int value = 1;

	if (text) {
		size_t i = 0;

		while (i < sizeof(words) / sizeof(words[0]) && strcmp(words[i], text) != 0)
			i++;
		if (i == sizeof(words) / sizeof(words[0]))
			return wrong(ret_wrong, text, "yes or no");
		value = i % 2 == 1;
	}
	memcpy(member(entry, input), &value, sizeof(value));
	return 1;
}

int options_value_take(const struct options_entry *entry, const char *text, void *input,
		       char ret_wrong[OPTIONS_VALUE_WRONG_BYTES])
{
	switch (entry->kind) {
	case OPTIONS_FLAG:
		return take_flag(entry, text, input, ret_wrong);
	case OPTIONS_TEXT:
		return take_text(entry, text, input, ret_wrong);
	case OPTIONS_TEXTS:
		return take_texts(entry, text, input, ret_wrong);
	case OPTIONS_FRACTION:
		return take_fraction(entry, text, input, ret_wrong);
	case OPTIONS_DURATION:
		return take_duration(entry, text, input, ret_wrong);
	case OPTIONS_CHOICE:
		return take_choice(entry, text, input, ret_wrong);
	default:
		return take_number(entry, text, input, ret_wrong);
	}
}

void options_value_copy(const struct options_entry *entry, void *input, const void *from)
{
	memcpy(member(entry, input), (const char *)from + entry->at, entry->bytes);
}

static int is_same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

int options_value_same(const struct options_entry *entry, const void *a, const void *b)
{
	const char *at_a = (const char *)a + entry->at, *at_b = (const char *)b + entry->at;
	const char *const *texts_a = (const char *const *)at_a;
	const char *const *texts_b = (const char *const *)at_b;

	if (entry->kind == OPTIONS_TEXT)
		return is_same_text(*texts_a, *texts_b);
	if (entry->kind != OPTIONS_TEXTS)
		return memcmp(at_a, at_b, entry->bytes) == 0;
	while (*texts_a && is_same_text(*texts_a, *texts_b))
		texts_a++, texts_b++;
	return *texts_a == *texts_b;
}

void options_value_default(const struct options_entry *entry, void *input,
			   char ret_text[OPTIONS_VALUE_DEFAULT_BYTES])
{
	const char *text = entry->fallback;
	double fraction;

	ret_text[0] = 0;
	if (!text && entry->kind == OPTIONS_TEXT)
		memcpy(&text, member(entry, input), sizeof(text));
	if (!text && entry->kind == OPTIONS_CHOICE)
		text = entry->choices[load_number(entry, input)];
	if (text) {
		snprintf(ret_text, DEFAULT_BYTES, "%s", text);
	} else if (entry->kind == OPTIONS_NUMBER || entry->kind == OPTIONS_POWER) {
		snprintf(ret_text, DEFAULT_BYTES, "%" PRIu64, load_number(entry, input));
	} else if (entry->kind == OPTIONS_DURATION) {
		write_duration(load_number(entry, input), ret_text);
	} else if (entry->kind == OPTIONS_FRACTION) {
		memcpy(&fraction, member(entry, input), sizeof(fraction));
		snprintf(ret_text, DEFAULT_BYTES, "%g", fraction);
	}
}
