/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/parameter.h"

#include "tools/program/hex.h"

#include <errno.h>
#include <string.h>

/* One character of `count` bytes, decoded: how many of them it took; 0: it is none. */
static size_t decode(const char *from, size_t count, char *ret_character)
{
	uint8_t byte;

	*ret_character = *from == '+' ? ' ' : *from;
	if (*from != '%')
		return 1;
	if (count < 3 || !hex_read(from + 1, 1, &byte) || !byte)
		return 0;
	*ret_character = (char)byte;
	return 3;
}

static int take(const char *from, size_t count, char *ret_value, size_t bytes)
{
	size_t used = 0;

	while (count) {
		size_t taken = used + 1 < bytes ? decode(from, count, &ret_value[used]) : 0;

		if (!taken)
			return -EBADMSG;
		used++;
		from += taken;
		count -= taken;
	}
	ret_value[used] = 0;
	return 1;
}

int parameter_get(const char *query, const char *name, char *ret_value, size_t bytes)
{
	size_t name_bytes = strlen(name);

	while (*query) {
		size_t count = strcspn(query, "&");

		if (count > name_bytes && query[name_bytes] == '=' &&
		    strncmp(query, name, name_bytes) == 0)
			return take(query + name_bytes + 1, count - name_bytes - 1, ret_value,
				    bytes);
		query += count + (query[count] == '&');
	}
	return 0;
}
