/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a round: all that was stopped goes on, what must run runs, and in the end every answer is
 * that of the oracle.
 */
#ifndef RDX_TESTS_CHAOS_REST_H
#define RDX_TESTS_CHAOS_REST_H

#include "tests/chaos/crew.h"

/* Wait for it, with patience, or diverge. Workers that are dead stay so. */
void rest_await(struct crew *crew);

#endif
