/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One JSON object on one line, as programs read it: strictly, and with a message for the
 * person who wrote the line.
 */
#ifndef PROGRAM_JSON_LINE_H
#define PROGRAM_JSON_LINE_H

#include "tools/program/lines.h"

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

/* "what is wrong: what to do". It may have raw texts of the line in it: print it by messages_say. */
struct json_line_fault {
	char text[256];
};

/* Fill `ret_fault` as printf does and return -EBADMSG. */
__attribute__((format(printf, 2, 3))) int json_line_fault(struct json_line_fault *ret_fault,
							  const char *format, ...);

/*
 * Parse one line. The object is the caller's, freed with json_object_put. -ENOMEM, or
 * -EBADMSG with `ret_fault` filled: bad JSON, text behind it, a number beyond 64 bits, not
 * an object.
 */
int json_line_parse(const char *text, size_t length, struct json_object **ret_object,
		    struct json_line_fault *ret_fault);

/*
 * The next object of a stream; blank lines are skipped. 1, with the object the caller's; 0
 * at the end; -EBADMSG for a line that is none (`ret_fault` says why, the next call goes on
 * behind it); else as lines_next.
 */
int json_line_next(struct lines *lines, struct json_object **ret_object,
		   struct json_line_fault *ret_fault);

/* An integer of at most 64 bits, from -2^63 to 2^64 - 1, as a number or as a string of
 * decimal digits or 0x and hexadecimal ones; negative ones give the same 64 bits. 1, or 0
 * where it is none. */
int json_line_integer(struct json_object *value, uint64_t *ret_value);

/* Like json_line_integer, but not negative and at most `max`. */
int json_line_unsigned(struct json_object *value, uint64_t max, uint64_t *ret_value);

#endif
