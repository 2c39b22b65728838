/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes written as hexadecimal digits.
 */
#ifndef PROGRAM_HEX_H
#define PROGRAM_HEX_H

#include <stdint.h>

static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' - 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* So many bytes from twice as many digits; 0 where they are none. */
static inline int hex_read(const char *text, uint32_t bytes, uint8_t *ret_bytes)
{
	for (uint32_t i = 0; i < bytes; i++) {
		int high = hex_digit(text[2 * i]);
		int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);

		if (low < 0)
			return 0;
		ret_bytes[i] = (uint8_t)(high << 4 | low);
	}
	return 1;
}

#endif
