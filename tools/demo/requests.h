/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of a trace, as docs/trace-format.md has them, kept in memory.
 */
#ifndef DEMO_REQUESTS_H
#define DEMO_REQUESTS_H

#include "tools/demo/settings.h"

struct request {
	uint64_t timestamp_ms; /* from the trace's first, never falling */
	uint32_t input_length; /* tokens */
	uint32_t output_length;
	char *fields; /* of its JSON object, but the id; up to the } and a newline */
};

struct requests {
	struct request *items;
	uint64_t count;
	uint64_t capacity;
};

/* Read settings->trace, or generate one, at most settings->requests of it. What fails ends the
 * demo. */
void requests_load(struct requests *ret_requests, const struct settings *settings);
void requests_free(struct requests *requests);

#endif
