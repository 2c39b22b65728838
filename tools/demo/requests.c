/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/requests.h"

#include "tools/demo/child.h"
#include "tools/program/messages.h"
#include "tools/trace/trace_tokens.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX (UINT64_C(1) << 24)

/* What the demo's own trace is like: many conversations at once, busy enough that load
 * matters, with more content than one worker's cache holds. */
#define TRACE_RATE     "24"
#define TRACE_SESSIONS "96"
#define TRACE_TURNS    "12"

int requests_number(struct json_object *object, const char *name, uint64_t max,
		    uint64_t *ret_value)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value) ||
	    !json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0 ||
	    json_object_get_uint64(value) > max)
		return 0;
	*ret_value = json_object_get_uint64(value);
	return 1;
}

int requests_hash_ids(struct json_object *object, uint64_t *ret_ids, uint32_t count)
{
	struct json_object *list, *value;

	if (!json_object_object_get_ex(object, "hash_ids", &list) ||
	    !json_object_is_type(list, json_type_array) || json_object_array_length(list) != count)
		return -EBADMSG;
	for (uint32_t i = 0; i < count; i++) {
		value = json_object_array_get_idx(list, i);
		if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
			return -EBADMSG;
		ret_ids[i] = json_object_get_uint64(value);
	}
	return 0;
}

/* Everything behind the id, as one text. */
static char *make_body(const struct request *request, uint64_t timestamp_ms,
		       struct json_object *ids)
{
	char *body;

	if (asprintf(&body,
		     "\"timestamp\":%" PRIu64 ",\"input_length\":%u,\"output_length\":%u,"
		     "\"hash_ids\":%s}\n",
		     timestamp_ms, request->input_length, request->output_length,
		     json_object_to_json_string_ext(ids, JSON_C_TO_STRING_PLAIN)) < 0)
		messages_no_memory();
	return body;
}

static int read_request(struct json_object *object, uint64_t first_ms, struct request *ret_request)
{
	uint64_t timestamp, input, output;
	struct request request;
	uint64_t *ids;
	uint32_t count;
	int r;

	if (!requests_number(object, "timestamp", INT64_MAX / 1000000, &timestamp) ||
	    !requests_number(object, "input_length", TOKENS_MAX, &input) || input == 0 ||
	    !requests_number(object, "output_length", TOKENS_MAX, &output))
		return -EBADMSG;
	count = (uint32_t)((input + RDX_TRACE_SPAN_TOKENS - 1) / RDX_TRACE_SPAN_TOKENS);
	ids = calloc(count, sizeof(*ids));
	if (!ids)
		messages_no_memory();
	r = requests_hash_ids(object, ids, count);
	free(ids);
	if (r < 0)
		return r;
	if (first_ms == UINT64_MAX)
		first_ms = timestamp;
	request.timestamp_ms = timestamp > first_ms ? timestamp - first_ms : 0;
	request.input_length = (uint32_t)input;
	request.output_length = (uint32_t)output;
	request.body = make_body(&request, request.timestamp_ms,
				 json_object_object_get(object, "hash_ids"));
	*ret_request = request;
	return 0;
}

static int add_line(struct requests *requests, const char *line, uint64_t *first_ms)
{
	struct json_object *object;
	struct request request;
	int r;

	if (line[strspn(line, " \t\r")] == 0)
		return 0;
	object = json_tokener_parse(line);
	r = json_object_is_type(object, json_type_object)
		    ? read_request(object, *first_ms, &request)
		    : -EBADMSG;
	if (r == 0 && *first_ms == UINT64_MAX)
		requests_number(object, "timestamp", UINT64_MAX, first_ms);
	json_object_put(object);
	if (r < 0)
		return r;
	if (requests->count == requests->capacity) {
		uint64_t capacity = 2 * requests->capacity + 1024;
		struct request *grown = reallocarray(requests->items, capacity, sizeof(*grown));

		if (!grown)
			messages_no_memory();
		requests->items = grown;
		requests->capacity = capacity;
	}
	/* an earlier time than the line before: it arrives with that one */
	if (requests->count &&
	    request.timestamp_ms < requests->items[requests->count - 1].timestamp_ms)
		request.timestamp_ms = requests->items[requests->count - 1].timestamp_ms;
	requests->items[requests->count++] = request;
	return 0;
}

static int is_full(const struct requests *requests, const struct settings *settings)
{
	return settings->requests && requests->count == settings->requests;
}

static int load_file(struct requests *requests, const struct settings *settings)
{
	FILE *file = strcmp(settings->trace, "-") == 0 ? stdin : fopen(settings->trace, "re");
	uint64_t number = 0, first_ms = UINT64_MAX;
	size_t capacity = 0;
	char *line = NULL;
	int r = 0;

	if (!file) {
		r = -errno;
		messages_say("cannot read %s: %s", settings->trace, strerror(errno));
		return r;
	}
	while (r == 0 && !is_full(requests, settings) && getline(&line, &capacity, file) > 0) {
		number++;
		r = add_line(requests, line, &first_ms);
		if (r < 0)
			messages_say("%s:%" PRIu64 ": not a request: \"timestamp\", \"input_length\", "
				 "\"output_length\" and one of \"hash_ids\" per %u tokens are "
				 "needed; see what ringdex-trace show says of it",
				 settings->trace, number, RDX_TRACE_SPAN_TOKENS);
	}
	if (r == 0 && ferror(file)) {
		r = -errno;
		messages_say("cannot read %s: %s", settings->trace, strerror(-r));
	}
	free(line);
	if (file != stdin)
		fclose(file);
	return r;
}

static int load_generated(struct requests *requests, const struct settings *settings)
{
	char path[PATH_MAX], count[32], seed[32];
	char *arguments[] = {"ringdex-trace", "generate", "--requests", count, "--seed", seed,
			     "--rate", TRACE_RATE, "--sessions", TRACE_SESSIONS, "--turns", TRACE_TURNS, NULL};
	struct child child = CHILD_NONE;
	uint64_t first_ms = UINT64_MAX;
	char *line;
	int r;

	snprintf(path, sizeof(path), "%s/ringdex-trace", settings->bin);
	snprintf(count, sizeof(count), "%" PRIu64, settings->requests);
	snprintf(seed, sizeof(seed), "%" PRIu64, settings->seed);
	r = child_start(&child, path, arguments);
	if (r < 0) {
		messages_say("cannot start %s: %s: it is built and installed beside this program", path,
			 strerror(-r));
		return r;
	}
	while (r == 0 && !is_full(requests, settings)) {
		r = child_wait_line(&child, &line);
		if (r == 0)
			r = add_line(requests, line, &first_ms);
	}
	child_stop(&child);
	if (r < 0 && r != -EINTR)
		messages_say("ringdex-trace made %" PRIu64 " requests only", requests->count);
	return r;
}

int requests_load(struct requests *ret_requests, const struct settings *settings)
{
	struct requests requests = {0};
	int r = settings->trace ? load_file(&requests, settings)
				: load_generated(&requests, settings);

	if (r == 0 && requests.count == 0) {
		messages_say("%s: no requests in it", settings->trace);
		r = -EBADMSG;
	}
	if (r < 0) {
		requests_free(&requests);
		return r;
	}
	*ret_requests = requests;
	return 0;
}

void requests_free(struct requests *requests)
{
	for (uint64_t i = 0; i < requests->count; i++)
		free(requests->items[i].body);
	free(requests->items);
	*requests = (struct requests){0};
}
