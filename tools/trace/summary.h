/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a trace is like: counts, lengths, and what a cache without end could reuse.
 */
#ifndef TRACE_SUMMARY_H
#define TRACE_SUMMARY_H

#include "tools/trace/request.h"

struct trace_summary {
	uint64_t requests;
	uint64_t ids; /* hash ids of all requests */
	uint64_t distinct_ids;
	uint64_t reused_ids; /* seen in an earlier request */
	uint64_t input_tokens;
	uint64_t output_tokens;
	uint64_t first_ms;
	uint64_t last_ms;
	uint32_t longest_ids; /* of one request */
	uint32_t median_ids;
};

struct trace_summarizer;

int trace_summary_open(struct trace_summarizer **ret_summarizer); /* -ENOMEM */
void trace_summary_close(struct trace_summarizer *summarizer);

/* Add a request. -ENOMEM; -EBADMSG with `ret_fault` filled, and nothing added, where an id
 * follows another than before: an id stands for a whole prefix, so it has one parent. */
int trace_summary_add(struct trace_summarizer *summarizer, const struct trace_request *request,
		      struct json_line_fault *ret_fault);

void trace_summary_result(struct trace_summarizer *summarizer, struct trace_summary *ret_summary);

#endif
