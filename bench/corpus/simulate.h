/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Let workers' caches serve requests and write down what happens: a corpus file.
 */
#ifndef CORPUS_SIMULATE_H
#define CORPUS_SIMULATE_H

#include "bench/corpus/recipe.h"

struct simulate_options {
	const struct requests *requests; /* for a recipe that follows a trace; all are used */
	uint64_t seed;
	uint32_t divide; /* so many times smaller, at least 1 */
};

/* Of everything that makes the file what it is. */
uint64_t simulate_fingerprint(const struct recipe *recipe, const struct simulate_options *options);

/* Write the corpus to `path`, by another name until it is complete. -ENOMEM or as fopen(3). */
int simulate_run(const struct recipe *recipe, const struct simulate_options *options,
		 const char *path);

#endif
