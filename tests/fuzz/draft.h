/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON of a made corpus, put together by a random number.
 */
#ifndef RDX_TESTS_FUZZ_DRAFT_H
#define RDX_TESTS_FUZZ_DRAFT_H

#include <stddef.h>
#include <stdint.h>

struct draft {
	uint64_t random;
	char *at;
	size_t left;
};

/* A number below `sides`. */
uint32_t draft_roll(struct draft *draft, uint32_t sides);

/* More text; there must be room. */
void draft_put(struct draft *draft, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Any value at all, right or wrong, some of them no JSON. */
void draft_put_value(struct draft *draft);

/* Numbers that a list may have, most of them right. */
void draft_put_numbers(struct draft *draft);

#endif
