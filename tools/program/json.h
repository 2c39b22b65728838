/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs' one way to print JSON. Without memory the program ends.
 */
#ifndef PROGRAM_JSON_H
#define PROGRAM_JSON_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

struct json_object *json_new_object(void);
struct json_object *json_new_array(void);

/* Add one member. `child` becomes the object's. Bytes of a text that are not UTF-8 become
 * U+FFFD each. */
void json_put(struct json_object *object, const char *name, struct json_object *child);
/* A count, size, duration or event id. One above 2^53, which only who lies has, as json_put_id. */
void json_put_number(struct json_object *object, const char *name, uint64_t value);
/* Nanoseconds that passed; null where that is not known, UINT64_MAX. */
void json_put_age(struct json_object *object, const char *name, uint64_t ns);
/* What may be above 2^53 (an id, hash, epoch, name, time) as a string of decimal digits: jq 1.6,
 * JavaScript and others round such numbers without a word. */
void json_put_id(struct json_object *object, const char *name, uint64_t value);
void json_put_ids(struct json_object *object, const char *name, const uint64_t *values,
		  uint64_t count);
void json_put_fraction(struct json_object *object, const char *name, double value);
void json_put_flag(struct json_object *object, const char *name, int value);
/* NULL gives null. */
void json_put_text(struct json_object *object, const char *name, const char *value);

/* Unsigned members of a struct, of 1 to 8 bytes each, as json_put_number. */
struct json_field {
	const char *name;
	uint32_t at;
	uint32_t bytes;
};
#define JSON_FIELD_AS(name, type, member)                                                          \
	{                                                                                          \
		name, (uint32_t)offsetof(type, member), (uint32_t)sizeof(((type *)0)->member)      \
	}
#define JSON_FIELD(type, member) JSON_FIELD_AS(#member, type, member)
void json_put_fields(struct json_object *object, const struct json_field *fields, uint32_t count,
		     const void *from);
#define JSON_PUT_FIELDS(object, fields, from)                                                      \
	json_put_fields(object, fields, sizeof(fields) / sizeof((fields)[0]), from)

void json_append(struct json_object *array, struct json_object *child);
void json_append_text(struct json_object *array, const char *value);

/* Print on one line, and drop it. */
void json_print_line(struct json_object *object);

/* The same, over several lines where a person looks. */
void json_print(struct json_object *object);

#endif
