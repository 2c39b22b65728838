/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States of ranks as /v1 calls them, "exact", and which of two is worth more.
 */
#ifndef RINGDEXD_WORTH_H
#define RINGDEXD_WORTH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "exact", "lacking", "inexact", "stale", "recovering", "gone"; "unknown": there is no such state. */
const char *worth_text(uint8_t state);

/* Find one that a request may ask for, which is one in which blocks are told: exact, lacking, inexact,
 * stale. 1, or 0: there is none of that name. */
int worth_find(const char *text, size_t bytes, uint8_t *ret_state);

/* Is `state` worth as much as `least`, or more? In the order above. */
int worth_suffices(uint8_t state, uint8_t least);

#ifdef __cplusplus
}
#endif
#endif
