/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/trace/request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

void trace_request_free(struct trace_request *request)
{
	free(request->hash_ids);
	*request = (struct trace_request){0};
}

int trace_request_reserve(struct trace_request *request, uint32_t count)
{
	uint32_t capacity = request->hash_capacity ? request->hash_capacity : 64;
	uint64_t *ids;

	if (count <= request->hash_capacity)
		return 0;
	while (capacity < count)
		capacity *= 2;
	ids = realloc(request->hash_ids, capacity * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	request->hash_ids = ids;
	request->hash_capacity = capacity;
	return 0;
}

static int read_number(struct json_object *object, const char *field, uint64_t min, uint64_t max,
		       uint64_t *ret_value, struct json_line_fault *ret_fault)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, field, &value))
		return json_line_fault(ret_fault,
				       "no \"%s\": give a number from %" PRIu64 " to %" PRIu64,
				       field, min, max);
	if (!json_line_unsigned(value, max, ret_value) || *ret_value < min)
		return json_line_fault(
			ret_fault, "\"%s\" is %.40s: give a number from %" PRIu64 " to %" PRIu64,
			field, json_object_to_json_string(value), min, max);
	return 0;
}

static int read_hash_ids(struct json_object *object, struct trace_request *request,
			 struct json_line_fault *ret_fault)
{
	uint32_t spans = trace_spans(request->input_length);
	struct json_object *ids;
	size_t count;

	if (!json_object_object_get_ex(object, "hash_ids", &ids) ||
	    !json_object_is_type(ids, json_type_array))
		return json_line_fault(ret_fault,
				       "no array \"hash_ids\": give one id per %u tokens",
				       RDX_TRACE_SPAN_TOKENS);
	count = json_object_array_length(ids);
	if (count != spans)
		return json_line_fault(ret_fault,
				       "%zu hash_ids for %u tokens: give %u, one per %u tokens",
				       count, request->input_length, spans, RDX_TRACE_SPAN_TOKENS);
	if (trace_request_reserve(request, spans) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < spans; i++) {
		struct json_object *id = json_object_array_get_idx(ids, i);

		if (!json_line_unsigned(id, UINT64_MAX, &request->hash_ids[i]))
			return json_line_fault(ret_fault,
					       "hash_ids[%u] is %.40s: give a number from 0 to "
					       "2^64 - 1",
					       i, json_object_to_json_string(id));
	}
	request->hash_count = spans;
	return 0;
}

int trace_request_read(struct json_object *object, uint64_t line_number,
		       struct trace_request *request, struct json_line_fault *ret_fault)
{
	uint64_t input, output;
	int error;

	request->id = line_number;
	if (json_object_object_get_ex(object, "id", NULL)) {
		error = read_number(object, "id", 0, UINT64_MAX, &request->id, ret_fault);
		if (error)
			return error;
	}
	/* the longest time is a million years in ms: microseconds of it still fit */
	error = read_number(object, "timestamp", 0, UINT64_MAX / 1000000, &request->timestamp_ms,
			    ret_fault);
	if (!error)
		error = read_number(object, "input_length", 1, TRACE_INPUT_MAX, &input, ret_fault);
	if (!error)
		error = read_number(object, "output_length", 0, TRACE_OUTPUT_MAX, &output,
				    ret_fault);
	if (error)
		return error;
	request->input_length = (uint32_t)input;
	request->output_length = (uint32_t)output;
	return read_hash_ids(object, request, ret_fault);
}

int trace_request_next(struct lines *lines, struct trace_request *request,
		       struct json_line_fault *ret_fault)
{
	struct json_object *object;
	int r = json_line_next(lines, &object, ret_fault);

	if (r <= 0)
		return r;
	r = trace_request_read(object, lines->number, request, ret_fault);
	json_object_put(object);
	return r < 0 ? r : 1;
}

void trace_request_write_members(const struct trace_request *request, FILE *file)
{
	fprintf(file,
		"\"timestamp\": %" PRIu64 ", \"input_length\": %u, \"output_length\": %u, "
		"\"hash_ids\": [",
		request->timestamp_ms, request->input_length, request->output_length);
	for (uint32_t i = 0; i < request->hash_count; i++)
		fprintf(file, "%s%" PRIu64, i ? ", " : "", request->hash_ids[i]);
	fputc(']', file);
}

int trace_request_write(const struct trace_request *request, FILE *file)
{
	fputc('{', file);
	trace_request_write_members(request, file);
	return fputs("}\n", file) < 0 ? -1 : 0;
}
