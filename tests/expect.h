/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tests that run programs expect of them: how they end, what their text and their JSON have.
 * What is missing is printed.
 */
#ifndef RDX_TESTS_EXPECT_H
#define RDX_TESTS_EXPECT_H

#include "tests/programs.h"
#include "tests/rig.h"

#include <json-c/json.h>
#include <string.h>

/* RUN(&result, 0, "ringdex-ls", "input" or NULL, "--dir", dir): run it and check its status. */
#define RUN(result, status_wanted, ...)                                                            \
	do {                                                                                       \
		assert_int_equal(program_run(result, __VA_ARGS__, NULL), 0);                       \
		if ((result)->status != (status_wanted))                                           \
			print_error("out: %s\nerr: %s\n", (result)->out, (result)->err);           \
		assert_int_equal((result)->status, status_wanted);                                 \
	} while (0)

static inline void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		print_error("not in it: '%s'\n%s\n", part, text);
	assert_non_null(strstr(text, part));
}

/* jq 1.6 and others round greater numbers without a word. */
static inline int has_only_safe_numbers(struct json_object *value)
{
	if (json_object_is_type(value, json_type_int))
		return json_object_get_uint64(value) <= UINT64_C(1) << 53;
	if (json_object_is_type(value, json_type_array))
		for (size_t i = 0; i < json_object_array_length(value); i++)
			if (!has_only_safe_numbers(json_object_array_get_idx(value, i)))
				return 0;
	if (json_object_is_type(value, json_type_object)) {
		struct json_object_iterator at = json_object_iter_begin(value);
		struct json_object_iterator end = json_object_iter_end(value);

		for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
			if (!has_only_safe_numbers(json_object_iter_peek_value(&at)))
				return 0;
	}
	return 1;
}

static inline struct json_object *parsed(const char *text)
{
	struct json_object *object = json_tokener_parse(text);

	if (!object)
		print_error("no JSON: %s\n", text);
	assert_non_null(object);
	if (!has_only_safe_numbers(object))
		print_error("a number above 2^53: %s\n", text);
	assert_true(has_only_safe_numbers(object));
	return object;
}

static inline struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(object, name, &value))
		print_error("no member '%s' in %s\n", name, json_object_to_json_string(object));
	assert_true(json_object_object_get_ex(object, name, &value));
	return value;
}

static inline const char *string(struct json_object *object, const char *name)
{
	return json_object_get_string(member(object, name));
}

static inline uint64_t number(struct json_object *object, const char *name)
{
	return json_object_get_uint64(member(object, name));
}

#endif
