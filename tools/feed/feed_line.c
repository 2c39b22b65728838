/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_line.h"

#include "tools/feed/feed_fields.h"
#include "tools/program/figures.h"
#include "tools/program/hex.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WIDE_DIGITS (2 * FEED_NAME_BYTES_MAX)

static const char give_name[] = "give a 64-bit integer, 64 hexadecimal digits, or {\"bin\": these}";

/* Room for `bytes` bytes, whose content is lost or kept. -ENOMEM. */
static int reserve(struct feed_buffer *buffer, uint64_t bytes)
{
	void *grown;

	if (bytes <= buffer->capacity)
		return 0;
	grown = realloc(buffer->bytes, 2 * bytes);
	if (!grown)
		return -ENOMEM;
	buffer->bytes = grown;
	buffer->capacity = 2 * bytes;
	return 0;
}

/* The digits of a {"bin": digits}, as bytes of msgpack are written; the value itself where it is
 * none. */
static struct json_object *unwrap(struct json_object *value)
{
	struct json_object *digits;

	if (json_object_is_type(value, json_type_object) && json_object_object_length(value) == 1 &&
	    json_object_object_get_ex(value, "bin", &digits) &&
	    json_object_is_type(digits, json_type_string) &&
	    json_object_get_string_len(digits) == WIDE_DIGITS)
		return digits;
	return value;
}

/* A name: 8 bytes from an integer, 32 from 64 digits. Returns the bytes, 0 where it is none. */
static uint8_t read_name(struct json_object *value, uint8_t *ret_bytes)
{
	uint64_t integer;

	value = unwrap(value);
	if (json_object_is_type(value, json_type_string) &&
	    json_object_get_string_len(value) == WIDE_DIGITS)
		return hex_read(json_object_get_string(value), FEED_NAME_BYTES_MAX, ret_bytes)
			       ? FEED_NAME_BYTES_MAX
			       : 0;
	if (!json_line_integer(value, &integer))
		return 0;
	memcpy(ret_bytes, &integer, sizeof(integer));
	return sizeof(integer);
}

static int store_name(struct feed_line *line, uint64_t at, struct json_object *value,
		      const struct feed_fields *fields, struct json_line_fault *ret_fault)
{
	uint8_t bytes[FEED_NAME_BYTES_MAX];
	uint8_t width = read_name(value, bytes), *names = line->names.bytes;

	if (!width)
		return feed_fields_fault(fields, FEED_NAMES, at, value, give_name, ret_fault);
	if (at && width != line->event.name_bytes)
		return json_line_fault(
			ret_fault,
			"%s[%" PRIu64 "] has %u bytes, those before have %u: give names "
			"of one size",
			fields->names[FEED_NAMES], at, width, line->event.name_bytes);
	line->event.name_bytes = width;
	memcpy(names + at * width, bytes, width);
	return 0;
}

static int read_names(struct feed_line *line, const struct feed_fields *fields,
		      struct json_line_fault *ret_fault)
{
	struct json_object *array;
	uint64_t count;
	int error = feed_fields_array(fields, FEED_NAMES, &array, &count, ret_fault);

	if (error)
		return error;
	if (count > FEED_COUNT_MAX)
		return json_line_fault(ret_fault, "%" PRIu64 " names: give at most %u", count,
				       FEED_COUNT_MAX);
	error = reserve(&line->names, (count + !count) * FEED_NAME_BYTES_MAX);
	for (uint64_t i = 0; !error && i < count; i++)
		error = store_name(line, i, json_object_array_get_idx(array, i), fields, ret_fault);
	line->event.names = array ? line->names.bytes : NULL;
	line->event.count = (uint32_t)count;
	return error;
}

static int read_parent(struct feed_line *line, const struct feed_fields *fields,
		       struct json_line_fault *ret_fault)
{
	struct json_object *value = fields->values[FEED_PARENT];
	uint8_t width;

	if (!value)
		return 0;
	width = read_name(value, line->parent);
	if (!width)
		return feed_fields_fault(fields, FEED_PARENT, UINT64_MAX, value, give_name,
					 ret_fault);
	if (line->event.count && width != line->event.name_bytes)
		return json_line_fault(
			ret_fault, "\"%s\" has %u bytes, the names have %u: give names of one size",
			fields->names[FEED_PARENT], width, line->event.name_bytes);
	line->event.name_bytes = width;
	line->event.parent = line->parent;
	return 0;
}

/* A token: a number, or a text that is none. */
static int read_token(struct feed_line *line, uint64_t at, struct json_object *value,
		      const struct feed_fields *fields, struct json_line_fault *ret_fault)
{
	uint32_t *tokens = line->tokens.bytes;
	uint64_t token;

	if (json_line_unsigned(value, UINT32_MAX, &token)) {
		tokens[at] = (uint32_t)token;
		return 0;
	}
	if (!json_object_is_type(value, json_type_string) || json_line_integer(value, &token) ||
	    json_object_get_string_len(value) == 0)
		return feed_fields_fault(fields, FEED_TOKENS, at, value,
					 "give a number from 0 to 2^32 - 1, a text that is none, "
					 "or pairs of such numbers",
					 ret_fault);
	tokens[at] = rdx_engine_token(json_object_get_string(value),
				      (uint64_t)json_object_get_string_len(value));
	return extra_keys_add_token(&line->keys, value, (uint32_t)at);
}

static int read_pair(struct feed_line *line, uint64_t at, struct json_object *value,
		     const struct feed_fields *fields, struct json_line_fault *ret_fault)
{
	uint32_t *tokens = line->tokens.bytes;
	uint64_t first, second;

	if (!json_object_is_type(value, json_type_array) || json_object_array_length(value) != 2 ||
	    !json_line_unsigned(json_object_array_get_idx(value, 0), UINT32_MAX, &first) ||
	    !json_line_unsigned(json_object_array_get_idx(value, 1), UINT32_MAX, &second))
		return feed_fields_fault(fields, FEED_TOKENS, at, value,
					 "give pairs of numbers from 0 to 2^32 - 1, as before",
					 ret_fault);
	tokens[2 * at] = (uint32_t)first;
	tokens[2 * at + 1] = (uint32_t)second;
	return 0;
}

static int read_tokens(struct feed_line *line, const struct feed_fields *fields,
		       struct json_line_fault *ret_fault)
{
	struct json_object *array;
	uint64_t count;
	int error = feed_fields_array(fields, FEED_TOKENS, &array, &count, ret_fault), pairs;

	if (error)
		return error;
	if (count > UINT32_MAX / 2)
		return json_line_fault(ret_fault, "%" PRIu64 " tokens: give at most 2^31", count);
	error = reserve(&line->tokens, count * 2 * sizeof(uint32_t));
	pairs = count && json_object_is_type(json_object_array_get_idx(array, 0), json_type_array);
	for (uint64_t i = 0; !error && i < count; i++) {
		struct json_object *value = json_object_array_get_idx(array, i);

		error = pairs ? read_pair(line, i, value, fields, ret_fault)
			      : read_token(line, i, value, fields, ret_fault);
	}
	line->event.tokens = line->tokens.bytes;
	line->event.token_count = count;
	line->event.flags |= pairs ? RDX_ENGINE_PAIRS : 0;
	return error;
}

/* Is there a key in the list? */
static int list_says_something(struct json_object *list)
{
	for (uint64_t i = 0; list && i < json_object_array_length(list); i++) {
		if (json_object_array_get_idx(list, i))
			return 1;
	}
	return 0;
}

static int read_keys(struct feed_line *line, const struct feed_fields *fields,
		     struct json_line_fault *ret_fault)
{
	struct json_object *keys, *others;
	uint64_t count, other_count;
	int error = feed_fields_array(fields, FEED_EXTRA_KEYS, &keys, &count, ret_fault), objects;

	if (!error)
		error = feed_fields_array(fields, FEED_MM_KEYS, &others, &other_count, ret_fault);
	if (error)
		return error;
	objects = list_says_something(others);
	if (objects && list_says_something(keys))
		return json_line_fault(ret_fault, "extra_keys and mm_keys: give one of them");
	if (keys || others)
		line->event.flags |= RDX_ENGINE_KEYS;
	line->event.key_blocks = objects || !keys ? other_count : count;
	return extra_keys_read(&line->keys, objects ? others : keys, objects);
}

static int read_locals(struct feed_line *line, const struct feed_fields *fields,
		       struct json_line_fault *ret_fault)
{
	struct json_object *array;
	uint64_t count, *locals;
	int error = feed_fields_array(fields, FEED_LOCALS, &array, &count, ret_fault);

	if (error || !array)
		return error;
	if (count != line->event.count)
		return json_line_fault(ret_fault, "%" PRIu64 " %s for %u name%s: give one for each",
				       count, fields->names[FEED_LOCALS], line->event.count,
				       figures_plural(line->event.count));
	error = reserve(&line->locals, count * sizeof(*locals));
	locals = line->locals.bytes;
	for (uint64_t i = 0; !error && i < count; i++) {
		struct json_object *value = json_object_array_get_idx(array, i);

		if (!json_line_integer(value, &locals[i]))
			error = feed_fields_fault(fields, FEED_LOCALS, i, value,
						  "give a 64-bit integer", ret_fault);
	}
	line->event.local_hashes = count ? locals : NULL;
	return error;
}

static int read_remaining(struct feed_line *line, const struct feed_fields *fields,
			  struct json_line_fault *ret_fault)
{
	struct json_object *array;
	uint64_t count, number;
	uint32_t *remaining;
	int error = feed_fields_array(fields, FEED_REMAINING, &array, &count, ret_fault);

	if (error || !array)
		return error;
	if (count != line->event.count)
		return json_line_fault(ret_fault, "%" PRIu64 " %s for %u name%s: give one for each",
				       count, fields->names[FEED_REMAINING], line->event.count,
				       figures_plural(line->event.count));
	error = reserve(&line->remaining, count * sizeof(*remaining));
	remaining = line->remaining.bytes;
	for (uint64_t i = 0; !error && i < count; i++) {
		struct json_object *value = json_object_array_get_idx(array, i);

		if (!json_line_unsigned(value, UINT32_MAX, &number))
			error = feed_fields_fault(fields, FEED_REMAINING, i, value,
						  "give a number from 0 to 2^32 - 1", ret_fault);
		else
			remaining[i] = (uint32_t)number;
	}
	line->event.remaining = count ? remaining : NULL;
	return error;
}

/* Whose line it is. */
static int read_rank(struct feed_line *line, const struct feed_fields *fields,
		     struct json_line_fault *ret_fault)
{
	uint64_t rank = 0;
	int error;

	if (!feed_fields_has(fields, FEED_WORKER))
		return json_line_fault(ret_fault,
				       "no \"worker\": give a number from 0 to 2^64 - 1");
	error = feed_fields_unsigned(fields, FEED_WORKER, UINT64_MAX, &line->worker, ret_fault);
	if (!error)
		error = feed_fields_unsigned(fields, FEED_RANK, UINT32_MAX, &rank, ret_fault);
	line->dp_rank = (uint32_t)rank;
	line->has_rank = !error;
	return error;
}

static int read_numbers(struct feed_line *line, const struct feed_fields *fields,
			struct json_line_fault *ret_fault)
{
	struct rdx_engine_event *event = &line->event;
	uint64_t lora_id, block_tokens = 0;
	int error = feed_fields_unsigned(fields, FEED_TIME, UINT64_MAX, &event->time_ns, ret_fault);

	if (!error)
		error = feed_fields_unsigned(fields, FEED_SEQUENCE, UINT64_MAX, &line->sequence,
					     ret_fault);
	if (!error)
		error = feed_fields_unsigned(fields, FEED_GROUP, UINT64_MAX, &event->group,
					     ret_fault);
	if (!error)
		error = feed_fields_unsigned(fields, FEED_LORA_ID, UINT64_MAX, &lora_id, ret_fault);
	if (!error)
		error = feed_fields_unsigned(fields, FEED_BLOCK_TOKENS, UINT32_MAX, &block_tokens,
					     ret_fault);
	event->block_tokens = (uint32_t)block_tokens;
	line->has_sequence = feed_fields_has(fields, FEED_SEQUENCE);
	if (feed_fields_has(fields, FEED_GROUP))
		event->flags |= RDX_ENGINE_GROUP;
	if (feed_fields_has(fields, FEED_LORA_ID))
		event->flags |= RDX_ENGINE_LORA_ID;
	return error;
}

static int read_texts(struct feed_line *line, const struct feed_fields *fields,
		      struct json_line_fault *ret_fault)
{
	const struct {
		enum feed_field field;
		const char **text;
	} texts[] = {
		{FEED_TYPE, &line->event.type},           {FEED_MEDIUM, &line->event.medium},
		{FEED_SPEC_KIND, &line->event.spec_kind}, {FEED_LOCALITY, &line->event.locality},
		{FEED_OWNERSHIP, &line->event.ownership}, {FEED_LORA, &line->event.lora_name},
		{FEED_SALT, &line->event.cache_salt},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		int error = feed_fields_text(fields, texts[i].field, texts[i].text, ret_fault);

		if (error)
			return error;
	}
	if (!line->event.type)
		return json_line_fault(ret_fault,
				       "no \"type\": give stored, removed, cleared or inexact");
	return 0;
}

/* What ringdex tail prints where a rank is not EXACT, or is again. */
static int read_worth(struct feed_line *line, const struct feed_fields *fields,
		      struct json_line_fault *ret_fault)
{
	static const char *const words[] = {[0] = "exact",
					    [RDX_INEXACT_LACKING] = "lacking",
					    [RDX_INEXACT_UNKNOWN] = "unknown"};
	const char *text;
	int error = feed_fields_text(fields, FEED_INEXACT, &text, ret_fault);

	line->inexact = 0;
	line->is_about_worth = 0;
	if (error || !text)
		return error;
	line->is_about_worth = strcmp(line->event.type, "inexact") == 0;
	for (uint8_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		line->inexact = i;
		if (strcmp(words[i], text) == 0)
			return 0;
	}
	return feed_fields_fault(fields, FEED_INEXACT, UINT64_MAX, fields->values[FEED_INEXACT],
				 "give lacking, unknown or exact", ret_fault);
}

static int read_content(struct feed_line *line, const struct feed_fields *fields,
			struct json_line_fault *ret_fault)
{
	int error = read_names(line, fields, ret_fault);

	if (!error)
		error = read_parent(line, fields, ret_fault);
	if (!error)
		error = read_keys(line, fields, ret_fault);
	if (!error) /* appends keys */
		error = read_tokens(line, fields, ret_fault);
	if (!error)
		error = read_locals(line, fields, ret_fault);
	if (!error)
		error = read_remaining(line, fields, ret_fault);
	line->event.keys = line->keys.keys;
	line->event.key_count = line->keys.count;
	return error;
}

int feed_line_read(struct feed_line *line, struct json_object *object, const char *const *harmless,
		   struct json_line_fault *ret_fault)
{
	struct feed_fields fields;
	int error;

	line->has_rank = 0;
	json_object_put(line->object);
	line->object = json_object_get(object);
	line->event = (struct rdx_engine_event){.size = sizeof(line->event),
						.name_bytes = sizeof(uint64_t)};
	feed_fields_sort(&fields, object, harmless);
	line->event.unknown_fields = fields.unknown;
	error = read_rank(line, &fields, ret_fault);
	if (!error)
		error = read_texts(line, &fields, ret_fault);
	if (!error)
		error = read_numbers(line, &fields, ret_fault);
	if (!error)
		error = read_worth(line, &fields, ret_fault);
	if (!error)
		error = read_content(line, &fields, ret_fault);
	return error;
}

void feed_line_free(struct feed_line *line)
{
	json_object_put(line->object);
	free(line->names.bytes);
	free(line->tokens.bytes);
	free(line->locals.bytes);
	free(line->remaining.bytes);
	extra_keys_free(&line->keys);
	*line = (struct feed_line){0};
}

/* By the same rank, in the same place of its stream? */
static int are_neighbours(const struct feed_line *a, const struct feed_line *b)
{
	return a->worker == b->worker && a->dp_rank == b->dp_rank &&
	       a->has_sequence == b->has_sequence &&
	       (!a->has_sequence || a->sequence == b->sequence);
}

int feed_line_is_removal(const struct feed_line *line, const struct rdx_engine_options *options)
{
	return !line->inexact && rdx_engine_joins(options, &line->event, NULL);
}

int feed_line_join(struct feed_line *line, const struct feed_line *next,
		   const struct rdx_engine_options *options)
{
	struct rdx_engine_event *event = &line->event;
	uint64_t count = (uint64_t)event->count + next->event.count, bytes = event->name_bytes;
	int error;

	if (line->inexact || next->inexact || !are_neighbours(line, next) ||
	    !rdx_engine_joins(options, event, &next->event))
		return 0;
	error = reserve(&line->names, count * bytes);
	if (error)
		return error;
	event->names = line->names.bytes;
	memcpy((uint8_t *)line->names.bytes + event->count * bytes, next->event.names,
	       next->event.count * bytes);
	event->count = (uint32_t)count;
	return 1;
}
