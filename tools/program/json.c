/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/json.h"

#include "tools/program/messages.h"

#include <stdio.h>
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

void json_put_signed(struct json_object *object, const char *name, int64_t value)
{
	json_put(object, name, made(json_object_new_int64(value)));
}

void json_put_fraction(struct json_object *object, const char *name, double value)
{
	json_put(object, name, made(json_object_new_double(value)));
}

void json_put_flag(struct json_object *object, const char *name, int value)
{
	json_put(object, name, made(json_object_new_boolean(value != 0)));
}

void json_put_text(struct json_object *object, const char *name, const char *value)
{
	json_put(object, name, value ? made(json_object_new_string(value)) : NULL);
}

void json_put_numbers(struct json_object *object, const char *name, const uint64_t *values,
		      uint64_t count)
{
	struct json_object *array = json_new_array();

	for (uint64_t i = 0; i < count; i++)
		json_append(array, made(json_object_new_uint64(values[i])));
	json_put(object, name, array);
}

void json_append(struct json_object *array, struct json_object *child)
{
	if (json_object_array_add(array, child) < 0)
		messages_no_memory();
}

static void print(struct json_object *object, int flags)
{
	const char *text =
		json_object_to_json_string_ext(object, flags | JSON_C_TO_STRING_NOSLASHESCAPE);

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
