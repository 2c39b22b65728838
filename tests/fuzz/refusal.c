/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/refusal.h"

#include "tests/fuzz/fuzz.h"
#include "tools/program/printable.h"

#include <errno.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>

void refusal_check(int r, const struct json_line_fault *fault)
{
	static char shown[4 * sizeof(fault->text) + 1];
	static FILE *to;

	FUZZ_CHECK(r >= 0 || r == -EBADMSG);
	if (r >= 0)
		return;
	FUZZ_CHECK(*fault->text && memchr(fault->text, 0, sizeof(fault->text)));
	if (!to) {
		to = fmemopen(shown, sizeof(shown), "w");
		FUZZ_CHECK(to);
		__fsetlocking(to, FSETLOCKING_BYCALLER);
	}
	rewind(to);
	printable_put(to, fault->text);
	FUZZ_CHECK(fputc(0, to) == 0 && fflush(to) == 0);
	for (const char *at = shown; *at; at++)
		FUZZ_CHECK((uint8_t)*at >= ' ' && *at != 127);
}
