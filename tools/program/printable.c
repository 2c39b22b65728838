/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/printable.h"

size_t printable_sequence(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t bytes = s[0] < 0x80                   ? 1
		       : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		       : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		       : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						     : 0;

	for (size_t i = 1; i < bytes; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* longer than need be, surrogates, beyond U+10FFFF */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return bytes;
}

/* C0, DEL, and C1: U+0080 to U+009F. */
static int is_control(const unsigned char *s)
{
	return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

void printable_put(FILE *to, const char *text)
{
	while (*text) {
		size_t bytes = printable_sequence(text);
		int raw = bytes && !is_control((const unsigned char *)text);

		for (size_t i = 0; i < (bytes ? bytes : 1); i++, text++) {
			if (raw)
				fputc(*text, to);
			else
				fprintf(to, "\\x%02x", (unsigned char)*text);
		}
	}
}
