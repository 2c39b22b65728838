/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another parser says of a body of /v1.
 */
#ifndef RDX_TESTS_FUZZ_ASK_ORACLE_H
#define RDX_TESTS_FUZZ_ASK_ORACLE_H

#include "tools/ringdexd/ask.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Does ask_read's result `r` of these bytes fit, and with 0 all of `ask`? 1, 0. */
int ask_oracle(const char *json, size_t count, enum ask_kind kind, int r, const struct ask *ask);

#ifdef __cplusplus
}
#endif
#endif
