/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tools' one way to print JSON. Without memory the program ends.
 */
#ifndef PROGRAM_JSON_H
#define PROGRAM_JSON_H

#include <json-c/json.h>
#include <stdint.h>

struct json_object *json_new_object(void);
struct json_object *json_new_array(void);

/* Add one member. `child` becomes the object's. */
void json_put(struct json_object *object, const char *name, struct json_object *child);
void json_put_number(struct json_object *object, const char *name, uint64_t value);
void json_put_signed(struct json_object *object, const char *name, int64_t value);
void json_put_fraction(struct json_object *object, const char *name, double value);
void json_put_flag(struct json_object *object, const char *name, int value);
/* NULL gives null. */
void json_put_text(struct json_object *object, const char *name, const char *value);
void json_put_numbers(struct json_object *object, const char *name, const uint64_t *values,
		      uint64_t count);

void json_append(struct json_object *array, struct json_object *child);

/* Print on one line, and drop it. */
void json_print_line(struct json_object *object);

/* The same, over several lines where a person looks. */
void json_print(struct json_object *object);

#endif
