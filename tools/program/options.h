/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines. A program declares its options once, in a table; parsing, help, defaults
 * and messages follow from it. A wrong command line ends the program with EXIT_USAGE and a
 * message. What several programs have is in options_shared.h.
 */
#ifndef PROGRAM_OPTIONS_H
#define PROGRAM_OPTIONS_H

#include <argp.h>
#include <stddef.h>
#include <stdint.h>

enum options_kind {
	OPTIONS_END,
	OPTIONS_HEADING,  /* `help` is the title of those that follow */
	OPTIONS_FLAG,     /* int: 1 where given */
	OPTIONS_TEXT,     /* const char *: of at least `min` bytes */
	OPTIONS_NUMBER,   /* uint32_t or uint64_t: min .. max, decimal or 0x */
	OPTIONS_POWER,    /* likewise, a power of two */
	OPTIONS_FRACTION, /* double: least .. most */
	OPTIONS_DURATION, /* uint64_t, nanoseconds: min .. max, written as 250ms, 10s, 5m, 1h */
	OPTIONS_CHOICE,   /* uint32_t: the place in `choices` */
};

struct options_entry {
	const char *name;     /* without "--" */
	char letter;          /* 0: none */
	const char *value;    /* what stands for its value in --help */
	const char *help;
	enum options_kind kind;
	size_t at;            /* the member that it sets, of `bytes` bytes: OPTIONS_TO */
	size_t bytes;
	uint64_t min;
	uint64_t max;
	double least;
	double most;
	const char *const *choices; /* up to a NULL */
	const char *fallback; /* the default in words; NULL: what the member holds, "": none */
	int hidden;           /* not in --help */
};
#define OPTIONS_TO(type, member) .at = offsetof(type, member), .bytes = sizeof(((type *)0)->member)

struct options_program {
	const struct options_entry *entries; /* up to OPTIONS_END */
	const char *arguments;               /* "FILE"; NULL: there are none */
	const char *about;                   /* in --help before the options, \v, after them */
	/* Take an argument, and look at all of it at the end. Either may be NULL. */
	void (*argument)(const struct argp_state *state, const char *text, void *input);
	void (*check)(const struct argp_state *state, void *input);
};

/*
 * Parse the command line into `input`, which holds the defaults. Before: what every program
 * needs, as output by blocks that is checked at exit.
 */
void options_parse(const struct options_program *program, int argc, char **argv, void *input);

/* For `argument` and `check`: there may be one, there must be one; end the program. */
void options_single(const struct argp_state *state, const char **member, const char *text);
void options_require(const struct argp_state *state, const char *member, const char *name);

/* Read a number as OPTIONS_NUMBER does: 1, or 0 where `text` is none within the bounds. */
int options_read_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);

#endif
