/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of ringdex-query that are a line of numbers.
 */
#ifndef QUERY_REQUEST_H
#define QUERY_REQUEST_H

#include "tools/program/json_line.h"

#include <stdint.h>

/* Numbers of one line, kept from one to the next. {0}. */
struct request {
	uint64_t *numbers;
	uint64_t count;
	uint64_t capacity;
};
void request_free(struct request *request);

/* Is it a JSON object instead (prompt.h)? */
int request_is_object(const char *line);

/*
 * Read a JSON array of numbers (strings of digits too), or numbers with blanks or commas
 * between them, none above `max`; negative ones stand for the same 64 bits where `max` is
 * UINT64_MAX. 1, 0 for a blank line, -EBADMSG and what is wrong in ret_fault.
 */
int request_read(struct request *request, const char *line, uint64_t max,
		 struct json_line_fault *ret_fault);

#endif
