/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command lines of the tools have in common: --dir, --json, --version, values of
 * options. A bad command line ends the program with EXIT_USAGE and a message.
 */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

#include "tools/program/messages.h"

#include <argp.h>
#include <ringdex/rdx_hash.h>
#include <stdint.h>

struct common_options {
	const char *dir; /* never NULL after parsing */
	int json;
};

/* Child parsers for a tool's argp, for both options or one of them; their input is a struct
 * common_options, to be put into state->child_inputs[0] at ARGP_KEY_INIT. */
extern const struct argp_child common_children[];
extern const struct argp_child dir_children[];
extern const struct argp_child json_children[];

/*
 * Parse the command line. Before: program-wide settings, the SIGBUS guard, standard output
 * by lines if it goes to people or pipes. `input` is the argp's.
 */
void parse_command_line(const struct argp *argp, int argc, char **argv, void *input);

/* Decimal number (also 0x...) min .. max; `name` is the option's or argument's. */
uint64_t number_option(const struct argp_state *state, const char *name, const char *text,
		       uint64_t min, uint64_t max);

/* Decimal fraction above 0, at most `max`. */
double positive_option(const struct argp_state *state, const char *name, const char *text,
		       double max);

/* Read a number as number_option does: 1, or 0 where `text` is none within the bounds. */
int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);

/* A namespace as a tool opens it. */
struct tool_namespace {
	const char *dir;
	struct rdx_hash_key key;
	int dir_fd;
	int key_error; /* 0, or why the key could not be read */
};

/* Open the directory; complains and returns -errno where it is not there. */
int open_namespace(struct tool_namespace *ret_namespace, const char *dir);
void close_namespace(struct tool_namespace *space);

#endif
