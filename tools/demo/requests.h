/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of a trace, as docs/trace-format.md has them, kept in memory.
 */
#ifndef DEMO_REQUESTS_H
#define DEMO_REQUESTS_H

#include "tools/demo/settings.h"

#include <json-c/json.h>
#include <stddef.h>

struct request {
	uint64_t timestamp_ms; /* from the trace's first */
	uint32_t input_length; /* tokens */
	uint32_t output_length;
	char *body;            /* every field but the id, behind it in a JSON object */
};

struct requests {
	struct request *items;
	uint64_t count;
	uint64_t capacity;
};

/*
 * Read settings->trace, or what ringdex-trace makes, at most settings->requests of it. A
 * message and -errno (-EBADMSG: a bad line, -EINTR: told to stop) when it fails.
 */
int requests_load(struct requests *ret_requests, const struct settings *settings);
void requests_free(struct requests *requests);

/*
 * The hash ids of a parsed request, in `ret_ids` for `count` of them. -EBADMSG where they
 * are not as many, or no unsigned numbers.
 */
int requests_hash_ids(struct json_object *object, uint64_t *ret_ids, uint32_t count);

/* An unsigned number of an object: 1, or 0 where it is none, or over `max`. */
int requests_number(struct json_object *object, const char *name, uint64_t max,
		    uint64_t *ret_value);

#endif
