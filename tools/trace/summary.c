/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/trace/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define FIRST_CAPACITY 4096

struct id_entry {
	uint64_t id;
	uint64_t parent;
	uint32_t used;
	uint32_t has_parent;
};

struct trace_summarizer {
	struct trace_summary summary;
	struct id_entry *ids; /* open addressing, at most half full */
	uint64_t capacity;
	uint32_t *lengths;
	uint64_t lengths_capacity;
};

int trace_summary_open(struct trace_summarizer **ret_summarizer)
{
	struct trace_summarizer *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->capacity = FIRST_CAPACITY;
	s->ids = calloc(s->capacity, sizeof(*s->ids));
	if (!s->ids) {
		free(s);
		return -ENOMEM;
	}
	*ret_summarizer = s;
	return 0;
}

void trace_summary_close(struct trace_summarizer *s)
{
	if (!s)
		return;
	free(s->ids);
	free(s->lengths);
	free(s);
}

/* The id's entry, or the free one where it belongs. */
static struct id_entry *find_id(const struct trace_summarizer *s, uint64_t id)
{
	uint64_t at = rdx_trace_mix(id) & (s->capacity - 1);

	while (s->ids[at].used && s->ids[at].id != id)
		at = (at + 1) & (s->capacity - 1);
	return &s->ids[at];
}

static int grow_ids(struct trace_summarizer *s, uint64_t more)
{
	struct trace_summarizer old = *s;

	if (2 * (s->summary.distinct_ids + more) <= s->capacity)
		return 0;
	while (2 * (s->summary.distinct_ids + more) > s->capacity)
		s->capacity *= 2;
	s->ids = calloc(s->capacity, sizeof(*s->ids));
	if (!s->ids) {
		s->ids = old.ids;
		s->capacity = old.capacity;
		return -ENOMEM;
	}
	for (uint64_t i = 0; i < old.capacity; i++) {
		if (old.ids[i].used)
			*find_id(s, old.ids[i].id) = old.ids[i];
	}
	free(old.ids);
	return 0;
}

static int grow_lengths(struct trace_summarizer *s)
{
	uint64_t capacity = s->lengths_capacity ? 2 * s->lengths_capacity : FIRST_CAPACITY;
	uint32_t *lengths;

	if (s->summary.requests < s->lengths_capacity)
		return 0;
	lengths = realloc(s->lengths, capacity * sizeof(*lengths));
	if (!lengths)
		return -ENOMEM;
	s->lengths = lengths;
	s->lengths_capacity = capacity;
	return 0;
}

static int check_parents(const struct trace_summarizer *s, const struct trace_request *request,
			 struct json_line_fault *ret_fault)
{
	for (uint32_t i = 0; i < request->hash_count; i++) {
		const struct id_entry *entry = find_id(s, request->hash_ids[i]);

		if (entry->used && (entry->has_parent != (i > 0) ||
				    (i > 0 && entry->parent != request->hash_ids[i - 1])))
			return json_line_fault(
				ret_fault,
				"hash id %" PRIu64 " follows a different id than before: an id "
				"stands for a whole prefix; give the other prefix its own id",
				entry->id);
	}
	return 0;
}

int trace_summary_add(struct trace_summarizer *s, const struct trace_request *request,
		      struct json_line_fault *ret_fault)
{
	struct trace_summary *sum = &s->summary;
	int error = grow_ids(s, request->hash_count);

	if (!error)
		error = grow_lengths(s);
	if (!error)
		error = check_parents(s, request, ret_fault);
	if (error)
		return error;
	for (uint32_t i = 0; i < request->hash_count; i++) {
		struct id_entry *entry = find_id(s, request->hash_ids[i]);

		if (entry->used) {
			sum->reused_ids++;
			continue;
		}
		*entry = (struct id_entry){.id = request->hash_ids[i],
					   .used = 1,
					   .has_parent = i > 0,
					   .parent = i ? request->hash_ids[i - 1] : 0};
		sum->distinct_ids++;
	}
	s->lengths[sum->requests] = request->hash_count;
	if (!sum->requests || request->timestamp_ms < sum->first_ms)
		sum->first_ms = request->timestamp_ms;
	if (request->timestamp_ms > sum->last_ms)
		sum->last_ms = request->timestamp_ms;
	if (request->hash_count > sum->longest_ids)
		sum->longest_ids = request->hash_count;
	sum->ids += request->hash_count;
	sum->input_tokens += request->input_length;
	sum->output_tokens += request->output_length;
	sum->requests++;
	return 0;
}

static int compare_lengths(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

void trace_summary_result(struct trace_summarizer *s, struct trace_summary *ret_summary)
{
	if (s->summary.requests) {
		qsort(s->lengths, s->summary.requests, sizeof(*s->lengths), compare_lengths);
		s->summary.median_ids = s->lengths[(s->summary.requests - 1) / 2];
	}
	*ret_summary = s->summary;
}
