/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/figures.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The largest unit that leaves at least 1 of it, with one decimal below `precise_below`. */
static const char *scaled(double value, double step, double precise_below, const char *const *units,
			  size_t count, char *ret_text)
{
	size_t i = 0;

	while (value >= step && i + 1 < count) {
		value /= step;
		i++;
	}
	snprintf(ret_text, FIGURES_BYTES, i && value < precise_below ? "%.1f %s" : "%.0f %s", value,
		 units[i]);
	return ret_text;
}

const char *figures_size(uint64_t bytes, char *ret_text)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};

	return scaled((double)bytes, 1024, 100, units, COUNT(units), ret_text);
}

const char *figures_duration(uint64_t ns, char *ret_text)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};

	return scaled((double)ns, 1000, 10, units, COUNT(units), ret_text);
}

const char *figures_grouped(uint64_t value, char *ret_text)
{
	char digits[FIGURES_BYTES];
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

const char *figures_plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

const char *figures_counted(uint64_t count, const char *about_one, char *ret_text)
{
	int noun = (int)strcspn(about_one, " ");

	snprintf(ret_text, FIGURES_COUNTED_BYTES, "%" PRIu64 " %.*s%s%s", count, noun, about_one,
		 figures_plural(count), about_one + noun);
	return ret_text;
}
