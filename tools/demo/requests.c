/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/requests.h"

#include "tools/demo/narrate.h"
#include "tools/program/messages.h"
#include "tools/trace/generator.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more, with nothing in it. */
static struct trace_request *make_room(struct requests *requests)
{
	if (requests->count == requests->capacity) {
		requests->capacity = 2 * requests->capacity + 1024;
		requests->items =
			reallocarray(requests->items, requests->capacity, sizeof(*requests->items));
		if (!requests->items)
			messages_no_memory();
	}
	requests->items[requests->count] = (struct trace_request){0};
	return &requests->items[requests->count];
}

static void load_file(struct requests *requests, const struct settings *settings)
{
	struct json_line_fault fault = {""};
	struct lines lines;
	int r = lines_open(&lines, settings->trace);

	if (r < 0)
		narrate_failure("cannot read %s: %s", settings->trace, strerror(-r));
	while ((!settings->requests || requests->count < settings->requests) &&
	       (r = trace_request_next(&lines, make_room(requests), &fault)) > 0)
		requests->count++;
	if (r == -EINTR)
		narrate_failure("told to stop");
	if (r < 0)
		narrate_failure("%s:%" PRIu64 ": %s", settings->trace, lines.number,
				r == -EBADMSG ? fault.text : strerror(-r));
	if (requests->count == 0)
		narrate_failure("%s: no requests in it", settings->trace);
	lines_close(&lines);
}

/* Many conversations at once, busy enough that load matters, with more content than one
 * worker's cache holds. */
static void generate(struct requests *requests, const struct settings *settings)
{
	struct trace_generate_options options = TRACE_GENERATE_DEFAULTS;
	struct trace_generator *generator;
	struct trace_request made;

	options.requests = settings->requests;
	options.seed = settings->seed;
	options.rate_per_s = 24;
	options.sessions = 96;
	options.turns = 12;
	if (trace_generator_open(&generator, &options) < 0)
		messages_no_memory();
	while (trace_generator_next(generator, &made) > 0) {
		struct trace_request *request = make_room(requests);

		if (trace_request_reserve(request, made.hash_count) < 0)
			messages_no_memory();
		memcpy(request->hash_ids, made.hash_ids, made.hash_count * sizeof(uint64_t));
		made.hash_ids = request->hash_ids;
		*request = made;
		requests->count++;
	}
	trace_generator_close(generator);
}

void requests_load(struct requests *ret_requests, const struct settings *settings)
{
	uint64_t first_ms, last_ms = 0;

	*ret_requests = (struct requests){0};
	if (settings->trace)
		load_file(ret_requests, settings);
	else
		generate(ret_requests, settings);
	first_ms = ret_requests->items[0].timestamp_ms;
	for (uint64_t i = 0; i < ret_requests->count; i++) {
		struct trace_request *request = &ret_requests->items[i];

		/* an earlier time than the line before: it arrives with that one */
		if (request->timestamp_ms > first_ms + last_ms)
			last_ms = request->timestamp_ms - first_ms;
		request->timestamp_ms = last_ms;
		if (request->input_length > ret_requests->longest)
			ret_requests->longest = request->input_length;
	}
}
