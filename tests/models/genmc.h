/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One script of a model as a program for GenMC, which run.sh runs: -DSCRIPT=0, 1, 2 ... Nothing
 * else is built with it.
 */
#ifndef RDX_TESTS_MODELS_GENMC_H
#define RDX_TESTS_MODELS_GENMC_H

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define MODEL_PROMISE(held) assert(held)

/* One thread writes, this one reads. */
static inline void genmc_run(void *(*write)(void *), void (*read)(void))
{
	pthread_t writer;

	if (pthread_create(&writer, NULL, write, NULL))
		abort();
	read();
}

#endif
