/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checker of model.h for several sides that store: all executions that C11 allows of up to four
 * threads. Slower: scripts are to be of a dozen accesses a thread, at most.
 *
 * A word is the list of its stores, in the order that all agree on; a store is put anywhere after those
 * that its thread knows, what reads and writes directly after the store that it read. A thread has
 * views: for each word the store that it knows. A release store carries its thread's view, a relaxed one
 * that of the last release fence; who reads it takes that over, at once or at its next acquire fence. All
 * seq_cst fences join one view. A seq_cst access is taken for acquire and release: promises that hold
 * hold with it. (RC11 by views and timestamps; a relaxed store does not go on with the release of an
 * earlier one, as in C++20.)
 *
 * Two steps in a row of which neither could see the other are tried in one order only (sleep sets).
 */
#ifndef RDX_TESTS_MODELS_SEVERAL_H
#define RDX_TESTS_MODELS_SEVERAL_H

#include "tests/models/model.h"

#define SEVERAL_THREADS_MAX 4

struct several {
	int threads;
	/* Once, before all. */
	void (*begin)(void);
	/* A thread. Run again and again from its beginning, each time a step further: it sets all private
	 * data that it uses. */
	void (*run)(int thread);
	/* NULL, or after all, knowing all of it: reads only. */
	void (*end)(void);
	/* Each store releases, each load acquires, and each store is followed by a fence: of all orders
	 * of steps. */
	int sequential;
};

struct model_result several_run(const struct several *several);

#endif
