/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/parameter.h"

#include "tools/program/hex.h"

#include <errno.h>
#include <string.h>

/* A text that is taken out of a query. */
struct decoded {
	int is_whole;
	int is_encoded;
};

static struct decoded decode(const char *from, size_t count, char *ret_text, size_t bytes)
{
	struct decoded decoded = {.is_whole = 1, .is_encoded = 1};
	size_t used = 0;

	while (count) {
		uint8_t byte = *from == '+' ? ' ' : (uint8_t)*from;
		size_t taken = *from == '%' && count >= 3 && hex_read(from + 1, 1, &byte) ? 3 : 1;

		decoded.is_encoded &= *from != '%' || taken == 3;
		decoded.is_whole &= used + 1 < bytes && byte;
		if (used + 1 < bytes) /* a NUL would make it another text */
			ret_text[used++] = byte ? (char)byte : '?';
		from += taken;
		count -= taken;
	}
	ret_text[used] = 0;
	return decoded;
}

/* The next one of "a=1&b": where its value is, and its length. 0: there is none. */
static int next(const char **at, char ret_name[PARAMETER_NAME_BYTES], const char **ret_value,
		size_t *ret_count)
{
	size_t count, name_bytes;

	*at += strspn(*at, "&");
	if (!**at)
		return 0;
	count = strcspn(*at, "&");
	name_bytes = strcspn(*at, "&=");
	decode(*at, name_bytes, ret_name, PARAMETER_NAME_BYTES); /* what is cut is none of ours */
	*ret_value = *at + name_bytes + (name_bytes < count);
	*ret_count = (size_t)(*at + count - *ret_value);
	*at += count;
	return 1;
}

int parameter_read(const char *query, struct parameter *list, size_t count,
		   const struct parameter **ret_twice)
{
	char name[PARAMETER_NAME_BYTES];
	const char *value;
	size_t bytes;

	for (size_t i = 0; i < count; i++)
		list[i].is_there = 0;
	while (next(&query, name, &value, &bytes)) {
		struct parameter *at = list;
		struct decoded decoded;

		while (at < list + count && strcmp(at->name, name) != 0)
			at++;
		if (at == list + count)
			continue;
		if (at->is_there) {
			*ret_twice = at;
			return -EEXIST;
		}
		decoded = decode(value, bytes, at->value, sizeof(at->value));
		at->is_there = 1;
		at->is_whole = decoded.is_whole != 0;
		at->is_encoded = decoded.is_encoded != 0;
	}
	return 0;
}

int parameter_unknown(const char *query, const char *const *names,
		      char ret_name[PARAMETER_NAME_BYTES])
{
	const char *value;
	size_t bytes;

	while (next(&query, ret_name, &value, &bytes)) {
		const char *const *known = names;

		while (*known && strcmp(*known, ret_name) != 0)
			known++;
		if (!*known)
			return 1;
	}
	return 0;
}
