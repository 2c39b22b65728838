/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/requests.h"

#include "tools/demo/narrate.h"
#include "tools/program/messages.h"
#include "tools/trace/generator.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the demo's own trace is like: many conversations at once, busy enough that load
 * matters, with more content than one worker's cache holds. */
#define TRACE_RATE_PER_S 24
#define TRACE_SESSIONS   96
#define TRACE_TURNS      12

static char *make_fields(const struct trace_request *request)
{
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	if (!file || trace_request_write(request, file) < 0 || fclose(file))
		messages_no_memory();
	memmove(text, text + 1, length); /* without the { */
	return text;
}

static void add(struct requests *requests, const struct trace_request *from, uint64_t *first_ms)
{
	uint64_t last_ms = requests->count ? requests->items[requests->count - 1].timestamp_ms : 0;
	struct trace_request request = *from;

	if (requests->count == 0)
		*first_ms = request.timestamp_ms;
	/* an earlier time than the line before: it arrives with that one */
	request.timestamp_ms = request.timestamp_ms > *first_ms + last_ms
				       ? request.timestamp_ms - *first_ms
				       : last_ms;
	if (requests->count == requests->capacity) {
		requests->capacity = 2 * requests->capacity + 1024;
		requests->items =
			reallocarray(requests->items, requests->capacity, sizeof(*requests->items));
		if (!requests->items)
			messages_no_memory();
	}
	requests->items[requests->count++] = (struct request){
		.timestamp_ms = request.timestamp_ms,
		.input_length = request.input_length,
		.output_length = request.output_length,
		.fields = make_fields(&request),
	};
}

static void load_file(struct requests *requests, const struct settings *settings)
{
	struct trace_request request = {0};
	struct json_line_fault fault = {""};
	uint64_t first_ms = 0;
	struct lines lines;
	int r = lines_open(&lines, settings->trace);

	if (r < 0)
		narrate_failure("cannot read %s: %s", settings->trace, strerror(-r));
	while ((!settings->requests || requests->count < settings->requests) &&
	       (r = trace_request_next(&lines, &request, &fault)) > 0)
		add(requests, &request, &first_ms);
	if (r == -EINTR)
		narrate_failure("told to stop");
	if (r < 0)
		narrate_failure("%s:%" PRIu64 ": %s", settings->trace, lines.number,
				r == -EBADMSG ? fault.text : strerror(-r));
	if (requests->count == 0)
		narrate_failure("%s: no requests in it", settings->trace);
	trace_request_free(&request);
	lines_close(&lines);
}

static void generate(struct requests *requests, const struct settings *settings)
{
	struct trace_generate_options options = TRACE_GENERATE_DEFAULTS;
	struct trace_generator *generator;
	struct trace_request request;
	uint64_t first_ms = 0;

	options.requests = settings->requests;
	options.seed = settings->seed;
	options.rate_per_s = TRACE_RATE_PER_S;
	options.sessions = TRACE_SESSIONS;
	options.turns = TRACE_TURNS;
	if (trace_generator_open(&generator, &options) < 0)
		messages_no_memory();
	while (trace_generator_next(generator, &request) > 0)
		add(requests, &request, &first_ms);
	trace_generator_close(generator);
}

void requests_load(struct requests *ret_requests, const struct settings *settings)
{
	*ret_requests = (struct requests){0};
	if (settings->trace)
		load_file(ret_requests, settings);
	else
		generate(ret_requests, settings);
}

void requests_free(struct requests *requests)
{
	for (uint64_t i = 0; i < requests->count; i++)
		free(requests->items[i].fields);
	free(requests->items);
}
