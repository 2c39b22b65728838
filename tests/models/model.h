/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small model checker: all executions that C11 allows of one side that stores and another that
 * only reads. Both run the functions of shm/ themselves, whose atomics lead here (shadow/).
 *
 * With one side storing, what a reader is bound to see is one number: it has seen the first so many
 * stores. A release store carries the number of those before it, a relaxed one that of the last
 * release fence; an acquire load takes it over, a relaxed one at the next acquire fence. A load
 * returns any store to its word that is not older than one the reader must have seen, or has seen
 * there. (RC11; a reader that stores nothing has no more executions under IMM. A relaxed store does
 * not go on with the release of an earlier one, as in C++20.)
 *
 * A death of the storing side before any of its stores leaves what a reader sees of it that has
 * stopped: those are executions as well. What such a reader must come to in the end, is
 * `at_rest`: it runs before each store, and sees all stores before it.
 *
 * The steps of a model (*_steps.h) also run in GenMC, see genmc.h.
 */
#ifndef RDX_TESTS_MODELS_MODEL_H
#define RDX_TESTS_MODELS_MODEL_H

#include <stdint.h>

struct model {
	/* Once, before all: what it stores is there before the two sides begin. */
	void (*begin)(void);
	/* The side that stores. Starts from the same private data each time. */
	void (*write)(void);
	/* The side that reads. Leaves no trace in memory. */
	void (*read)(void);
	/* NULL, or a reader that sees everything stored so far. */
	void (*at_rest)(void);
	/* Each store releases and each load acquires: what x86 gives. */
	int x86;
};

/* What became of it. */
struct model_result {
	uint64_t executions;
	const char *broken; /* the promise, NULL: none was */
};

struct model_result model_run(const struct model *model);

/* One of 0 .. n - 1: each is tried. */
uint32_t model_choose(uint32_t n);

/* This execution is none, or says nothing: to the next one. */
void model_cut(void) __attribute__((noreturn));

/* A promise. Where it is broken, the execution is printed, and the run ends. */
#ifndef MODEL_PROMISE
#define MODEL_PROMISE(held)                                                                        \
	do {                                                                                       \
		if (!(held))                                                                       \
			model_broken(#held);                                                       \
	} while (0)
#endif
void model_broken(const char *promise) __attribute__((noreturn));

/* How words from `base` on are called in what is printed; until the next run. */
void model_name(const volatile void *base, uint64_t bytes, const char *name);

#endif
