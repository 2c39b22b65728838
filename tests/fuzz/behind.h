/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body of a request as the daemon has it: in memory that goes on behind it.
 */
#ifndef RDX_TESTS_FUZZ_BEHIND_H
#define RDX_TESTS_FUZZ_BEHIND_H

#include "tests/fuzz/fuzz.h"
#include "tools/ringdexd/body.h"

#include <stdlib.h>
#include <string.h>

#define BEHIND_FORMS 8

/* `count` bytes, and behind them what must not matter, one of BEHIND_FORMS by `form`. To be freed. */
static inline char *behind_put(const uint8_t *bytes, size_t count, uint32_t form)
{
	static const char behind[BEHIND_FORMS] = {0, '}', '"', '1', ']', ' ', 'l', (char)0xff};
	char *json = malloc(count + BODY_PADDING);

	FUZZ_CHECK(json);
	memcpy(json, bytes, count);
	memset(json + count, behind[form % BEHIND_FORMS], BODY_PADDING);
	return json;
}

#endif
