/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of a trace, as docs/trace-format.md has them, kept in memory.
 */
#ifndef DEMO_REQUESTS_H
#define DEMO_REQUESTS_H

#include "tools/demo/settings.h"
#include "tools/trace/request.h"

struct requests {
	struct trace_request *items;
	uint64_t count;
	uint64_t capacity;
	uint32_t longest; /* tokens of a prompt */
};

/* Read settings->trace, or what ringdex-trace generates, at most settings->requests of it. What
 * fails ends the demo. */
void requests_load(struct requests *ret_requests, const struct settings *settings);

#endif
