/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/arguments.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <ringdex/rdx_types.h>
#include <stdlib.h>
#include <string.h>

uint64_t arguments_number(const struct argp_state *state, const char *name, const char *text,
			  uint64_t min, uint64_t max)
{
	char *end = NULL;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || errno || *end || value < min || value > max)
		argp_error(state, "--%s=%s: give a number from %" PRIu64 " to %" PRIu64, name, text,
			   min, max);
	return value;
}

uint64_t arguments_ring_slots(const struct argp_state *state, const char *name, const char *text)
{
	uint64_t slots = arguments_number(state, name, text, RDX_RING_SLOTS_MIN, RDX_RING_SLOTS_MAX);

	if (slots & (slots - 1))
		argp_error(state, "--%s=%s: give a power of two", name, text);
	return slots;
}

double arguments_fraction(const struct argp_state *state, const char *name, const char *text,
			  double min, double max)
{
	char *end = NULL;
	double value = strtod(text, &end);

	if (!isdigit((unsigned char)text[0]) || *end || !(value >= min && value <= max))
		argp_error(state, "--%s=%s: give a number from %g to %g", name, text, min, max);
	return value;
}

uint32_t arguments_choice(const struct argp_state *state, const char *name, const char *text,
			  const char *const *choices)
{
	for (uint32_t i = 0; choices[i]; i++) {
		if (strcmp(choices[i], text) == 0)
			return i;
	}
	argp_error(state, "--%s=%s: not a value of this option, see --help", name, text);
	return 0;
}
