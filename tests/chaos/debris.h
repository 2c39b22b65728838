/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that a fault cut or replaced. What does not heal is what the operator has to see to: to remove
 * the file, and to start anew whose it was (docs/operations.md).
 */
#ifndef RDX_TESTS_CHAOS_DEBRIS_H
#define RDX_TESTS_CHAOS_DEBRIS_H

#include "tests/chaos/crew.h"

/* This file, as it is now, was `owner`'s. */
void debris_add(const char *path, struct member *owner);

/* Remove those that are still there, and start their owners anew. How many these were. */
uint32_t debris_clear(struct crew *crew);

/* All is well. What is no file, and would be in the way of a later start, is removed. */
void debris_forget(void);

#endif
