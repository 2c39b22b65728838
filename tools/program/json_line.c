/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/json_line.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int json_line_fault(struct json_line_fault *ret_fault, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(ret_fault->text, sizeof(ret_fault->text), format, arguments);
	va_end(arguments);
	return -EBADMSG;
}

static int is_blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!isspace((unsigned char)text[i]))
			return 0;
	}
	return 1;
}

/* Does the number's text, `digits` digits long, fit 64 bits? */
static int number_fits(const char *digits, size_t count, int negative)
{
	static const char positive_max[] = "18446744073709551615";
	static const char negative_max[] = "9223372036854775808";
	const char *max = negative ? negative_max : positive_max;
	size_t max_count = strlen(max);

	return count < max_count || (count == max_count && memcmp(digits, max, count) <= 0);
}

/* json-c turns an integer that does not fit into the nearest one that does, in silence. */
static int integers_fit(const char *text, size_t length)
{
	int in_string = 0;

	for (size_t i = 0; i < length; i++) {
		size_t count;

		if (text[i] == '"')
			in_string = !in_string;
		else if (in_string && text[i] == '\\')
			i++;
		if (in_string || !isdigit((unsigned char)text[i]))
			continue;
		for (count = 1; isdigit((unsigned char)text[i + count]); count++)
			;
		if (!number_fits(text + i, count, i > 0 && text[i - 1] == '-') &&
		    !strchr(".eE", text[i + count]))
			return 0;
		i += count - 1;
		if (text[i + 1] == '.' || text[i + 1] == 'e' || text[i + 1] == 'E')
			i += strspn(text + i + 1, ".eE+-0123456789");
	}
	return 1;
}

/* A text with NUL in it would be cut there, a member's name too. */
static int has_nul(const char *text, size_t length)
{
	const char *end = text + length, *at = text;

	if (memchr(text, 0, length))
		return 1;
	/* by two: the second of two backslashes begins no escape */
	for (; at < end && (at = memchr(at, '\\', (size_t)(end - at))); at += 2)
		if (end - at > 5 && memcmp(at + 1, "u0000", 5) == 0)
			return 1;
	return 0;
}

int json_line_parse(const char *text, size_t length, struct json_object **ret_object,
		    struct json_line_fault *ret_fault)
{
	struct json_tokener *tokener;
	struct json_object *object;
	enum json_tokener_error error;
	size_t stopped_at;

	if (length >= INT_MAX)
		return json_line_fault(ret_fault, "the line is too long: split it");
	if (has_nul(text, length))
		return json_line_fault(ret_fault,
				       "a NUL character in the line: write texts without");
	if (!integers_fit(text, length))
		return json_line_fault(ret_fault,
				       "a number beyond 64 bits: write -2^63 to 2^64 - 1");
	tokener = json_tokener_new();
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* with its NUL: that is how the end of the line is seen */
	object = json_tokener_parse_ex(tokener, text, (int)length + 1);
	error = json_tokener_get_error(tokener);
	stopped_at = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	if (error != json_tokener_success) {
		json_object_put(object);
		return json_line_fault(ret_fault,
				       "not JSON: %s at column %zu: write one object per line",
				       json_tokener_error_desc(error), stopped_at + 1);
	}
	if (!json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return json_line_fault(ret_fault, "not a JSON object: write one {...} per line");
	}
	*ret_object = object;
	return 0;
}

int json_line_next(struct lines *lines, struct json_object **ret_object,
		   struct json_line_fault *ret_fault)
{
	size_t length;
	char *text;
	int r;

	do {
		r = lines_next(lines, &text, &length);
		if (r == -E2BIG)
			return json_line_fault(ret_fault, "the line is too long: split it");
		if (r <= 0)
			return r;
	} while (is_blank(text, length));
	r = json_line_parse(text, length, ret_object, ret_fault);
	return r < 0 ? r : 1;
}

/* Digits only: strtoull would take leading blanks, signs and a value that wraps. */
static int text_integer(const char *text, size_t length, uint64_t *ret_value)
{
	int negative = length > 0 && text[0] == '-';
	const char *digits = text + negative;
	int base = digits[0] == '0' && digits[1] == 'x' && !negative ? 16 : 10;
	unsigned long long value;
	char *end;

	if (base == 16)
		digits += 2;
	if (!isxdigit((unsigned char)digits[0]))
		return 0;
	errno = 0;
	value = strtoull(digits, &end, base);
	if (errno || end != text + length)
		return 0;
	if (negative && value > (UINT64_C(1) << 63))
		return 0;
	*ret_value = negative ? 0 - (uint64_t)value : value;
	return 1;
}

int json_line_integer(struct json_object *value, uint64_t *ret_value)
{
	switch (json_object_get_type(value)) {
	case json_type_int:
		/* both calls saturate: the sign chooses the one that does not */
		if (json_object_get_int64(value) < 0)
			*ret_value = (uint64_t)json_object_get_int64(value);
		else
			*ret_value = json_object_get_uint64(value);
		return 1;
	case json_type_string:
		return text_integer(json_object_get_string(value),
				    (size_t)json_object_get_string_len(value), ret_value);
	default:
		return 0;
	}
}

int json_line_unsigned(struct json_object *value, uint64_t max, uint64_t *ret_value)
{
	uint64_t number;

	if (!json_line_integer(value, &number) || number > max)
		return 0;
	if (json_object_is_type(value, json_type_int) ? json_object_get_int64(value) < 0
						      : json_object_get_string(value)[0] == '-')
		return 0;
	*ret_value = number;
	return 1;
}
