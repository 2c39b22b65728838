/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of a request's target: what stands behind the "?".
 */
#ifndef RINGDEXD_PARAMETER_H
#define RINGDEXD_PARAMETER_H

#include <stddef.h>

/* The first value of `name`, decoded: 1; 0: there is none; -EBADMSG: it is not encoded as it must be, has a
 * NUL, or is longer than ret_value's `bytes`. */
int parameter_get(const char *query, const char *name, char *ret_value, size_t bytes);

#endif
