/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/options.h"

#include "bench/scratch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define ROUNDS_MOST 1000000

enum { KEY_QUICK = 1000, KEY_SMOKE, KEY_SCRATCH, KEY_CORPORA };

uint64_t options_number(struct argp_state *state, const char *option, const char *argument,
			uint64_t least, uint64_t most)
{
	char *end = NULL;
	uint64_t value = strtoull(argument, &end, 10);

	if (end == argument || *end || *argument == '-' || value < least || value > most)
		argp_error(state, "--%s takes a number from %" PRIu64 " to %" PRIu64, option, least,
			   most);
	return value;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		if (options->own)
			state->child_inputs[0] = options->own_input;
		return 0;
	case 'j':
		options->json = argument == NULL;
		options->file = argument;
		return 0;
	case 'r':
		options->rounds =
			(uint32_t)options_number(state, "rounds", argument, 1, ROUNDS_MOST);
		return 0;
	case KEY_QUICK:
		options->length = OPTIONS_QUICK;
		return 0;
	case KEY_SMOKE:
		options->length = OPTIONS_SMOKE;
		return 0;
	case KEY_SCRATCH:
		options->scratch = argument;
		return 0;
	case KEY_CORPORA:
		options->corpora = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void options_parse(int argc, char **argv, struct options *options)
{
	static const struct argp_option known[] = {
		{"json", 'j', "FILE", OPTION_ARG_OPTIONAL,
		 "Figures as JSON instead of the table; with =FILE, the table and a file", 0},
		{"rounds", 'r', "N", 0, "Slices or repetitions of each kind", 0},
		{"quick", KEY_QUICK, NULL, 0, "Less of it", 0},
		{"smoke", KEY_SMOKE, NULL, 0, "As little as shows that it works", 0},
		{"scratch", KEY_SCRATCH, "DIR", 0, "Work in a directory below this one (/dev/shm)",
		 0},
		{"corpora", KEY_CORPORA, "DIR", 0, "Read corpora there (build/bench/corpora)", 0},
		{0},
	};
	const struct argp_child children[] = {{.argp = options->own, .header = ""}, {0}};
	struct argp argp = {.options = known,
			    .parser = parse,
			    .doc = options->question,
			    .children = options->own ? children : NULL};

	argp_err_exit_status = 2;
	options->scratch = "/dev/shm";
	options->corpora = "build/bench/corpora";
	argp_parse(&argp, argc, argv, 0, NULL, options);
	if (options->rounds == 0)
		options->rounds = options->rounds_by_length[options->length];
	scratch_begin(options->scratch);
}
