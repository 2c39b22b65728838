/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/json.h"

#include "tools/program/messages.h"
#include "tools/program/printable.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUMBER_MAX (UINT64_C(1) << 53)

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

static struct json_object *id_json(uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return made(json_object_new_string(text));
}

void json_put_number(struct json_object *object, const char *name, uint64_t value)
{
	json_put(object, name,
		 value <= NUMBER_MAX ? made(json_object_new_uint64(value)) : id_json(value));
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

static struct json_object *text_json(const char *value)
{
	static const char replacement[] = "\xef\xbf\xbd";
	char *text = malloc(3 * strlen(value) + 1), *to = text;
	struct json_object *object;

	if (!text)
		messages_no_memory();
	while (*value) {
		size_t bytes = printable_sequence(value);

		to = mempcpy(to, bytes ? value : replacement, bytes ? bytes : 3);
		value += bytes ? bytes : 1;
	}
	*to = 0;
	object = made(json_object_new_string(text));
	free(text);
	return object;
}

void json_put_age(struct json_object *object, const char *name, uint64_t ns)
{
	if (ns == UINT64_MAX)
		json_put(object, name, NULL);
	else
		json_put_number(object, name, ns);
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
