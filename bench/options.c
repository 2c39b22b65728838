/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/options.h"

#include <argp.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;
	char *end = NULL;
	uint64_t value = argument ? strtoull(argument, &end, 10) : 0;

	switch (key) {
	case 'j':
		options->json = 1;
		return 0;
	case 'r':
		if (*end || value < 1 || value > 1000000)
			argp_error(state, "--rounds takes a number from 1 to 1000000");
		options->rounds = (uint32_t)value;
		return 0;
	case 'b':
		if (options->blocks == 0)
			argp_error(state, "this benchmark has no --blocks");
		if (*end || value < options->blocks_least)
			argp_error(state, "--blocks takes a number from %" PRIu64 " on",
				   options->blocks_least);
		options->blocks = value;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void options_parse(int argc, char **argv, struct options *options)
{
	static const struct argp_option known[] = {
		{"json", 'j', NULL, 0, "Figures as JSON", 0},
		{"rounds", 'r', "N", 0, "Slices or repetitions of each kind", 0},
		{"blocks", 'b', "N", 0, "Blocks held", 0},
		{0},
	};
	struct argp argp = {.options = known, .parser = parse, .doc = options->what};

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, options);
}

int scratch_make(char *ret_dir)
{
	strcpy(ret_dir, "/dev/shm/rdx-bench-XXXXXX");
	return mkdtemp(ret_dir) ? 0 : -errno;
}

static int remove_path(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void scratch_remove(const char *dir)
{
	nftw(dir, remove_path, 16, FTW_DEPTH | FTW_PHYS);
}
