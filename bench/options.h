/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of a benchmark, and a namespace of its own to work in.
 */
#ifndef RDX_BENCH_OPTIONS_H
#define RDX_BENCH_OPTIONS_H

#include <stdint.h>

struct options {
	const char *what; /* for --help, one line */
	uint32_t rounds;  /* slices or repetitions: default in, chosen out */
	uint64_t blocks;  /* likewise; 0: the benchmark has no such option */
	uint64_t blocks_least;
	int json;
};

/* Exits with a message and status 2 on wrong usage. */
void options_parse(int argc, char **argv, struct options *options);

/* Make a directory in memory; its name goes to `ret_dir` (64 bytes). -errno. */
int scratch_make(char *ret_dir);
void scratch_remove(const char *dir);

#endif
