/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another parser says of a body of Dynamo's routes.
 */
#ifndef RDX_TESTS_FUZZ_BODY_ORACLE_H
#define RDX_TESTS_FUZZ_BODY_ORACLE_H

#include "tools/ringdexd/body.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Does body_read's result `r` of these bytes fit, and with 0 all of `body`? 1, 0. */
int body_oracle(const char *json, size_t count, uint32_t required, uint32_t never_null, int r,
		const struct body *body);

#ifdef __cplusplus
}
#endif
#endif
