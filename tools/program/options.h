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
	OPTIONS_TEXTS,    /* const char *[]: each one given, of at least `min` bytes, then a NULL */
	OPTIONS_NUMBER,   /* uint32_t or uint64_t: min .. max, decimal or 0x */
	OPTIONS_POWER,    /* likewise, a power of two */
	OPTIONS_FRACTION, /* double: least .. most */
	OPTIONS_DURATION, /* uint64_t, nanoseconds: min .. max, written as 250ms, 10s, 5m, 1h */
	OPTIONS_CHOICE,   /* uint32_t: the place in `choices` */
};

struct options_entry {
	const char *name;  /* without "--" */
	char letter;       /* 0: none */
	const char *value; /* what stands for its value in --help */
	const char *help;
	enum options_kind kind;
	size_t at; /* the member that it sets, of `bytes` bytes: OPTIONS_TO */
	size_t bytes;
	uint64_t min;
	uint64_t max;
	double least;
	double most;
	const char *const *choices; /* up to a NULL */
	const char *fallback; /* the default in words; NULL: what the member holds, "": none */
	int hidden;           /* not in --help */
	const char *optional; /* the value where none is given; NULL: one must be */
	const char *also;     /* another name of the same; NULL: none */
};
#define OPTIONS_TO(type, member) .at = offsetof(type, member), .bytes = sizeof(((type *)0)->member)

/* What a program takes besides options. */
struct options_arguments {
	const char *shown;   /* in --help: "FILE|-" */
	const char *missing; /* what to say is missing where there is none; NULL: that is right */
	uint32_t most;       /* 0: any number */
	size_t at;           /* the member that `take` gets */
	void (*take)(const struct argp_state *state, const char *text, void *member);
};

struct options_program {
	const char *about;                   /* in --help before the options, \v, after them */
	const struct options_entry *entries; /* up to OPTIONS_END */
	const struct options_arguments *arguments;                  /* NULL: there are none */
	void (*check)(const struct argp_state *state, void *input); /* at the end; or NULL */
};

/*
 * Parse the command line into `input`, which holds the defaults. Before: what every program
 * needs, as output by blocks that is checked at exit.
 */
void options_parse(const struct options_program *program, int argc, char **argv, void *input);

/* The same; and sets of `ret_given`, zeroed and as long as the table, each entry that was given. */
void options_parse_given(const struct options_program *program, int argc, char **argv, void *input,
			 uint8_t *ret_given);

/* The same of words of a file, after options_parse. argv[0] is where they are, for messages. */
void options_parse_line(const struct options_program *program, int argc, char **argv, void *input);

/* Say what is wrong, as printf, after the program's name or the line's place, and end with EXIT_USAGE. */
_Noreturn __attribute__((format(printf, 2, 3))) void options_error(const struct argp_state *state,
								   const char *format, ...);

/* To take one argument as it is: the member is a const char *. */
void options_take_text(const struct argp_state *state, const char *text, void *member);

#endif
