/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/query/request.h"

#include "tools/program/messages.h"
#include "tools/program/options_value.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATORS " \t\r\n,"
#define DIGITS_MAX 24
#define FIRST_ROOM 1024

void request_free(struct request *request)
{
	free(request->numbers);
	*request = (struct request){0};
}

static void add(struct request *request, uint64_t number)
{
	if (request->count == request->capacity) {
		uint64_t capacity = request->capacity ? request->capacity * 2 : FIRST_ROOM;
		uint64_t *numbers = realloc(request->numbers, capacity * sizeof(*numbers));

		if (!numbers)
			messages_no_memory();
		request->numbers = numbers;
		request->capacity = capacity;
	}
	request->numbers[request->count++] = number;
}

/* Read and add one number. */
static int add_text(struct request *request, const char *text, size_t length, uint64_t max,
		    struct json_line_fault *ret_fault)
{
	char digits[DIGITS_MAX + 1];
	int negative = length > 1 && text[0] == '-' && max == UINT64_MAX;
	uint64_t number;

	snprintf(digits, sizeof(digits), "%.*s", (int)(length < DIGITS_MAX ? length : DIGITS_MAX),
		 text);
	if (length > DIGITS_MAX || !options_value_number(digits + negative, 0, max, &number) ||
	    (negative && number > (uint64_t)INT64_MAX + 1)) {
		return json_line_fault(ret_fault,
				       "number %" PRIu64
				       ": '%s' is not a whole number from 0 to %" PRIu64,
				       request->count + 1, digits, max);
	}
	add(request, negative ? 0 - number : number);
	return 1;
}

static int read_plain(struct request *request, const char *line, const char *separators,
		      uint64_t max, struct json_line_fault *ret_fault)
{
	while (*(line += strspn(line, separators))) {
		size_t length = strcspn(line, separators);
		int r = add_text(request, line, length, max, ret_fault);

		if (r < 0)
			return r;
		line += length;
	}
	return 1;
}

/* How many elements has the array on this line? -EBADMSG where it is none. */
static int64_t count_elements(const char *line, struct json_line_fault *ret_fault)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *array;
	enum json_tokener_error error;
	int64_t count = -EBADMSG;
	const char *rest;

	if (!tokener)
		messages_no_memory();
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	array = json_tokener_parse_ex(tokener, line, (int)strlen(line));
	error = json_tokener_get_error(tokener);
	rest = line + json_tokener_get_parse_end(tokener);
	if (array && !rest[strspn(rest, SEPARATORS)])
		count = (int64_t)json_object_array_length(array);
	else
		json_line_fault(ret_fault, "not a JSON array: %s at character %zu",
				array                            ? "something follows it"
				: error == json_tokener_continue ? "it does not end"
								 : json_tokener_error_desc(error),
				(size_t)(rest - line) + 1);
	json_object_put(array);
	json_tokener_free(tokener);
	return count;
}

/* The parser tells whether it is an array; the numbers are read from the text, since it
 * makes those beyond 64 bits others. */
static int read_json(struct request *request, const char *line, uint64_t max,
		     struct json_line_fault *ret_fault)
{
	int64_t count = count_elements(line, ret_fault);
	int r = count < 0 ? (int)count
			  : read_plain(request, line, SEPARATORS "[]\"", max, ret_fault);

	if (r == 1 && request->count != (uint64_t)count)
		return json_line_fault(ret_fault, "an array of something other than numbers");
	return r;
}

int request_is_object(const char *line)
{
	return line[strspn(line, SEPARATORS)] == '{';
}

int request_read(struct request *request, const char *line, uint64_t max,
		 struct json_line_fault *ret_fault)
{
	request->count = 0;
	line += strspn(line, SEPARATORS);
	if (!*line)
		return 0;
	if (*line == '[')
		return read_json(request, line, max, ret_fault);
	return read_plain(request, line, SEPARATORS, max, ret_fault);
}
