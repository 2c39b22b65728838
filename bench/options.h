/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line that all benchmarks have, and a directory in memory to work in. A program adds
 * options of its own with an argp parser as a child.
 */
#ifndef RDX_BENCH_OPTIONS_H
#define RDX_BENCH_OPTIONS_H

#include <argp.h>
#include <stdint.h>

/* How much is measured: what a report needs, what a visitor waits for, or as little as shows that
 * the program works. */
enum options_length { OPTIONS_FULL, OPTIONS_QUICK, OPTIONS_SMOKE, OPTIONS_LENGTHS };

struct options {
	/* given by the program */
	const char *name;                           /* "crossing" */
	const char *question;                       /* what it answers, one sentence */
	uint32_t rounds_by_length[OPTIONS_LENGTHS]; /* slices or repetitions */
	const struct argp *own;                     /* its own options; NULL: none */
	void *own_input;                            /* what their parser gets */

	/* chosen by the user */
	enum options_length length;
	uint32_t rounds;
	const char *scratch; /* scratch.h makes directories there */
	const char *corpora; /* where corpora are read, see bench-corpus */
	const char *file;    /* JSON goes there; NULL: nowhere */
	int json;            /* JSON on standard output instead of the table */
};

/* Exits with a message and status 2 on wrong usage. Forks: see scratch.h. */
void options_parse(int argc, char **argv, struct options *options);

/* The value for this run's length. */
static inline uint64_t options_pick(const struct options *options, uint64_t full, uint64_t quick,
				    uint64_t smoke)
{
	return options->length == OPTIONS_FULL    ? full
	       : options->length == OPTIONS_QUICK ? quick
						  : smoke;
}

/* The number in `argument`; ends the program where it is none or out of bounds. */
uint64_t options_number(struct argp_state *state, const char *option, const char *argument,
			uint64_t least, uint64_t most);

#endif
