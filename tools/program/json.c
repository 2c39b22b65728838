/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/json.h"

#include "tools/program/messages.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct json_object *made(struct json_object *object)
{
	if (!object)
		messages_no_memory();
	return object;
}

struct json_object *json_new_object(void)
{
	return made(json_object_new_object());
}

struct json_object *json_new_array(void)
{
	return made(json_object_new_array());
}

void json_put(struct json_object *object, const char *name, struct json_object *child)
{
	if (json_object_object_add(object, name, child) < 0)
		messages_no_memory();
}

void json_put_number(struct json_object *object, const char *name, uint64_t value)
{
	json_put(object, name, made(json_object_new_uint64(value)));
}

static struct json_object *id_json(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return made(json_object_new_string(text));
}

void json_put_id(struct json_object *object, const char *name, uint64_t value)
{
	json_put(object, name, id_json(value));
}

void json_put_fraction(struct json_object *object, const char *name, double value)
{
	json_put(object, name, made(json_object_new_double(value)));
}

void json_put_flag(struct json_object *object, const char *name, int value)
{
	json_put(object, name, made(json_object_new_boolean(value != 0)));
}

/* Bytes of the UTF-8 sequence that begins here, 0 where none does. */
static size_t sequence(const unsigned char *s)
{
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

static struct json_object *text_json(const char *value)
{
	static const char replacement[] = "\xef\xbf\xbd";
	char *text = malloc(3 * strlen(value) + 1), *to = text;
	struct json_object *object;

	if (!text)
		messages_no_memory();
	while (*value) {
		size_t bytes = sequence((const unsigned char *)value);

		to = mempcpy(to, bytes ? value : replacement, bytes ? bytes : 3);
		value += bytes ? bytes : 1;
	}
	*to = 0;
	object = made(json_object_new_string(text));
	free(text);
	return object;
}

void json_put_text(struct json_object *object, const char *name, const char *value)
{
	json_put(object, name, value ? text_json(value) : NULL);
}

static uint64_t load(const char *at, uint32_t bytes)
{
	uint32_t word;
	uint16_t half;
	uint64_t value;

	switch (bytes) {
	case sizeof(word):
		memcpy(&word, at, sizeof(word));
		return word;
	case sizeof(half):
		memcpy(&half, at, sizeof(half));
		return half;
	case 1:
		return *(const unsigned char *)at;
	default:
		assert(bytes == sizeof(value));
		memcpy(&value, at, sizeof(value));
		return value;
	}
}

void json_put_fields(struct json_object *object, const struct json_field *fields, uint32_t count,
		     const void *from)
{
	for (uint32_t i = 0; i < count; i++)
		json_put_number(object, fields[i].name,
				load((const char *)from + fields[i].at, fields[i].bytes));
}

void json_put_ids(struct json_object *object, const char *name, const uint64_t *values,
		  uint64_t count)
{
	struct json_object *array = json_new_array();

	for (uint64_t i = 0; i < count; i++)
		json_append(array, id_json(values[i]));
	json_put(object, name, array);
}

void json_append(struct json_object *array, struct json_object *child)
{
	if (json_object_array_add(array, child) < 0)
		messages_no_memory();
}

void json_append_text(struct json_object *array, const char *value)
{
	json_append(array, text_json(value));
}

static void print(struct json_object *object, int flags)
{
	const char *text;

	/* as many digits as people write, not all that tell doubles apart */
	json_c_set_serialization_double_format("%.12g", JSON_C_OPTION_GLOBAL);
	text = json_object_to_json_string_ext(object, flags | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (!text)
		messages_no_memory();
	fputs(text, stdout);
	fputc('\n', stdout);
	json_object_put(object);
}

void json_print_line(struct json_object *object)
{
	print(object, JSON_C_TO_STRING_PLAIN);
}

void json_print(struct json_object *object)
{
	print(object, isatty(STDOUT_FILENO) ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
					    : JSON_C_TO_STRING_PLAIN);
}
