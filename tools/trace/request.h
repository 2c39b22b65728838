/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of a trace: Mooncake's format, see docs/trace-format.md.
 */
#ifndef TRACE_REQUEST_H
#define TRACE_REQUEST_H

#include "tools/program/json_line.h"
#include "tools/program/lines.h"
#include "tools/trace/trace_tokens.h"

#include <stdio.h>

#define TRACE_INPUT_MAX  (UINT32_C(1) << 24) /* tokens */
#define TRACE_OUTPUT_MAX (UINT32_C(1) << 24)

struct trace_request {
	uint64_t id; /* given, or the line's number */
	uint64_t timestamp_ms;
	uint64_t *hash_ids;
	uint32_t hash_count; /* one per started span of input_length */
	uint32_t hash_capacity;
	uint32_t input_length;  /* tokens, 1 .. TRACE_INPUT_MAX */
	uint32_t output_length; /* tokens, 0 .. TRACE_OUTPUT_MAX */
};

/* Spans that `tokens` tokens start. */
static inline uint32_t trace_spans(uint32_t tokens)
{
	return (tokens + RDX_TRACE_SPAN_TOKENS - 1) / RDX_TRACE_SPAN_TOKENS;
}

/*
 * Read a request from a parsed line into `request`, whose hash_ids are reused or grown.
 * A missing "id" becomes `line_number`. -ENOMEM, or -EBADMSG with `ret_fault` filled; the
 * request's content is then undefined, its memory still owned.
 */
int trace_request_read(struct json_object *object, uint64_t line_number,
		       struct trace_request *request, struct json_line_fault *ret_fault);

/*
 * The next request of a file; blank lines are skipped. 1, 0 at the end, -EBADMSG for a line
 * that is none (`ret_fault` says why; the next call goes on behind it), else as lines_next.
 */
int trace_request_next(struct lines *lines, struct trace_request *request,
		       struct json_line_fault *ret_fault);

/* Room for `count` hash ids. -ENOMEM. */
int trace_request_reserve(struct trace_request *request, uint32_t count);

void trace_request_free(struct trace_request *request);

/* Write the members of its JSON object, but its id. */
void trace_request_write_members(const struct trace_request *request, FILE *file);

/* Write the request as one line, without its id. 0, or -1 as fprintf. */
int trace_request_write(const struct trace_request *request, FILE *file);

#endif
