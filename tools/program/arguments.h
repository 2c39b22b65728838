/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of command-line options, for argp parsers. A bad one ends the program with
 * argp's usage message and ARGUMENTS_EXIT_USAGE.
 */
#ifndef PROGRAM_ARGUMENTS_H
#define PROGRAM_ARGUMENTS_H

#include <argp.h>
#include <stdint.h>

#define ARGUMENTS_EXIT_USAGE 2

/* Decimal number min .. max. `name` is the option's, for the message. */
uint64_t arguments_number(const struct argp_state *state, const char *name, const char *text,
			  uint64_t min, uint64_t max);

/* Slots of a ring: a power of two that a segment can have. */
uint64_t arguments_ring_slots(const struct argp_state *state, const char *name, const char *text);

/* Decimal fraction min .. max. */
double arguments_fraction(const struct argp_state *state, const char *name, const char *text,
			  double min, double max);

/* The place of `text` in the NULL-terminated `choices`. */
uint32_t arguments_choice(const struct argp_state *state, const char *name, const char *text,
			  const char *const *choices);

#endif
