/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/requests.h"

#include "tools/demo/child.h"
#include "tools/demo/narrate.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Many conversations at once, busy enough that load matters, with more content than one
 * worker's cache holds. */
#define GENERATE                                                                                   \
	"ringdex-trace\ngenerate\n--requests\n%" PRIu64 "\n--seed\n%" PRIu64                       \
	"\n--rate\n24\n--sessions\n96\n--turns\n12"

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

static void read_all(struct requests *requests, uint64_t most, struct lines *lines)
{
	struct json_line_fault fault = {""};
	struct trace_request *request;
	int r = 0;

	while ((!most || requests->count < most) &&
	       (r = trace_request_next(lines, request = make_room(requests), &fault)) > 0) {
		requests->count++;
		if (request->input_length > requests->longest)
			requests->longest = request->input_length;
	}
	if (r == -EINTR)
		narrate_failure("told to stop");
	if (r < 0)
		narrate_failure("%s:%" PRIu64 ": %s", lines->name, lines->number,
				r == -EBADMSG ? fault.text : strerror(-r));
	if (requests->count == 0)
		narrate_failure("%s: no requests in it", lines->name);
}

void requests_load(struct requests *ret_requests, const struct settings *settings)
{
	struct child generator = {0};
	struct lines file;
	int r;

	*ret_requests = (struct requests){0};
	if (settings->trace) {
		r = lines_open(&file, settings->trace);
		if (r < 0)
			narrate_failure("cannot read %s: %s", settings->trace, strerror(-r));
		read_all(ret_requests, settings->requests, &file);
		lines_close(&file);
	} else {
		child_start(&generator, GENERATE, settings->requests, settings->seed);
		generator.out.at_once = 0;
		read_all(ret_requests, settings->requests, &generator.out);
		child_stop(&generator);
	}
}
