/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_line.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WIDE_DIGITS (2 * FEED_NAME_BYTES_MAX)
#define ALIASES_MAX 4

/* What a field may be called; the first one present counts. */
static const char *const worker_names[ALIASES_MAX] = {"worker", "worker_id", "instance_id"};
static const char *const rank_names[ALIASES_MAX] = {"dp_rank", "data_parallel_rank", "rank"};
static const char *const type_names[ALIASES_MAX] = {"type", "kind", "event"};
static const char *const tier_names[ALIASES_MAX] = {"tier", "medium", "storage_tier", "scope"};
static const char *const parent_names[ALIASES_MAX] = {"parent", "parent_hash", "parent_block_hash"};
static const char *const block_names[ALIASES_MAX] = {"names", "block_hashes", "hashes"};
static const char *const token_names[ALIASES_MAX] = {"token_ids", "tokens"};
static const char *const local_names[ALIASES_MAX] = {"local_hashes", "tokens_hashes"};
static const char *const time_names[ALIASES_MAX] = {"time_ns"};
static const char *const size_names[ALIASES_MAX] = {"block_size", "block_tokens"};
static const char *const lora_names[ALIASES_MAX] = {"lora", "lora_name"};
static const char *const salt_names[ALIASES_MAX] = {"salt", "cache_salt"};
static const char *const group_names[ALIASES_MAX] = {"group", "group_idx", "cache_group"};

struct word {
	const char *text;
	uint8_t value;
};

static const struct word kinds[] = {
	{"stored", RDX_EVENT_STORED},   {"BlockStored", RDX_EVENT_STORED},
	{"removed", RDX_EVENT_REMOVED}, {"BlockRemoved", RDX_EVENT_REMOVED},
	{"cleared", RDX_EVENT_CLEARED}, {"AllBlocksCleared", RDX_EVENT_CLEARED},
	{"inexact", RDX_EVENT_INEXACT},
};

static const struct word tiers[] = {
	{"device", RDX_TIER_DEVICE},    {"gpu", RDX_TIER_DEVICE},
	{"host", RDX_TIER_HOST},        {"host_pinned", RDX_TIER_HOST},
	{"cpu", RDX_TIER_HOST},         {"cpu_pinned", RDX_TIER_HOST},
	{"cpu_tier1", RDX_TIER_HOST},   {"disk", RDX_TIER_DISK},
	{"nvme", RDX_TIER_DISK},        {"storage", RDX_TIER_DISK},
	{"cpu_tier2", RDX_TIER_DISK},   {"external", RDX_TIER_EXTERNAL},
	{"network", RDX_TIER_EXTERNAL}, {"remote", RDX_TIER_EXTERNAL},
	{"shared", RDX_TIER_EXTERNAL},  {"all", RDX_SCOPE_ALL},
};

/* The field's value; NULL where it is absent or null. `ret_name` gets how it is called. */
static struct json_object *field(struct json_object *object, const char *const *names,
				 const char **ret_name)
{
	struct json_object *value = NULL;

	*ret_name = names[0];
	for (uint32_t i = 0; i < ALIASES_MAX && names[i]; i++) {
		if (!json_object_object_get_ex(object, names[i], &value))
			continue;
		*ret_name = names[i];
		break;
	}
	return value;
}

static int read_unsigned(struct json_object *object, const char *const *names, uint64_t max,
			 int required, uint64_t *ret_value, struct json_line_fault *ret_fault)
{
	const char *name;
	struct json_object *value = field(object, names, &name);

	if (!value && !required) {
		*ret_value = 0;
		return 0;
	}
	if (!value)
		return json_line_fault(ret_fault, "no \"%s\": give a number from 0 to %" PRIu64,
				       name, max);
	if (!json_line_unsigned(value, max, ret_value))
		return json_line_fault(ret_fault,
				       "\"%s\" is %.40s: give a number from 0 to %" PRIu64, name,
				       json_object_to_json_string(value), max);
	return 0;
}

static int read_text(struct json_object *object, const char *const *names, const char **ret_text,
		     struct json_line_fault *ret_fault)
{
	const char *name;
	struct json_object *value = field(object, names, &name);

	if (value && !json_object_is_type(value, json_type_string))
		return json_line_fault(ret_fault, "\"%s\" is %.40s: give a string or null", name,
				       json_object_to_json_string(value));
	*ret_text = value ? json_object_get_string(value) : NULL;
	return 0;
}

static int find_word(const struct word *words, size_t count, const char *text, uint8_t *ret_value)
{
	for (size_t i = 0; i < count; i++) {
		if (strcasecmp(words[i].text, text) == 0) {
			*ret_value = words[i].value;
			return 1;
		}
	}
	return 0;
}

static int read_kind(struct feed_line *line, struct json_object *object,
		     struct json_line_fault *ret_fault)
{
	const char *text;
	int error = read_text(object, type_names, &text, ret_fault);

	if (error)
		return error;
	if (!text)
		return json_line_fault(ret_fault,
				       "no \"type\": give stored, removed, cleared or inexact");
	if (!find_word(kinds, sizeof(kinds) / sizeof(*kinds), text, &line->kind))
		return json_line_fault(
			ret_fault, "\"type\" is %.40s: give stored, removed, cleared or inexact",
			text);
	return 0;
}

static int read_tier(struct feed_line *line, struct json_object *object,
		     struct json_line_fault *ret_fault)
{
	int clears = line->kind == RDX_EVENT_CLEARED;
	const char *text;
	int error = read_text(object, tier_names, &text, ret_fault);

	if (error)
		return error;
	line->tier = clears ? RDX_SCOPE_ALL : RDX_TIER_DEVICE;
	if (text && (!find_word(tiers, sizeof(tiers) / sizeof(*tiers), text, &line->tier) ||
		     (line->tier == RDX_SCOPE_ALL && !clears)))
		return json_line_fault(ret_fault,
				       "\"tier\" is %.40s: give device, host, disk or external%s",
				       text, clears ? ", or all" : "");
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' - 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A name: 8 bytes from an integer, 32 from 64 digits. Returns the bytes, 0 where it is none. */
static uint8_t read_name(struct json_object *value, uint8_t *ret_bytes)
{
	uint64_t integer;
	const char *text;

	if (json_object_is_type(value, json_type_string) &&
	    json_object_get_string_len(value) == WIDE_DIGITS) {
		text = json_object_get_string(value);
		for (uint32_t i = 0; i < FEED_NAME_BYTES_MAX; i++) {
			int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

			if (high < 0 || low < 0)
				return 0;
			ret_bytes[i] = (uint8_t)(high << 4 | low);
		}
		return FEED_NAME_BYTES_MAX;
	}
	if (!json_line_integer(value, &integer))
		return 0;
	memcpy(ret_bytes, &integer, sizeof(integer));
	return sizeof(integer);
}

/* Room for `bytes` bytes in `array`, whose content is lost or kept. -ENOMEM. */
static int reserve(void **array, uint64_t *capacity, uint64_t bytes)
{
	void *grown;

	if (bytes <= *capacity)
		return 0;
	grown = realloc(*array, 2 * bytes);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*capacity = 2 * bytes;
	return 0;
}

/* The array and its length; NULL and 0 where the field is absent or null. */
static int read_array(struct json_object *object, const char *const *names,
		      struct json_object **ret_array, uint64_t *ret_count, const char **ret_name,
		      struct json_line_fault *ret_fault)
{
	struct json_object *array = field(object, names, ret_name);

	if (array && !json_object_is_type(array, json_type_array))
		return json_line_fault(ret_fault, "\"%s\" is %.40s: give an array", *ret_name,
				       json_object_to_json_string(array));
	*ret_array = array;
	*ret_count = array ? json_object_array_length(array) : 0;
	return 0;
}

static int store_name(struct feed_line *line, uint64_t at, struct json_object *value,
		      const char *field_name, struct json_line_fault *ret_fault)
{
	uint8_t bytes[FEED_NAME_BYTES_MAX];
	uint8_t width = read_name(value, bytes);

	if (!width)
		return json_line_fault(ret_fault,
				       "%s[%" PRIu64 "] is %.70s: give a 64-bit integer, or 64 "
				       "hexadecimal digits",
				       field_name, at, json_object_to_json_string(value));
	if (at && width != line->name_bytes)
		return json_line_fault(ret_fault,
				       "%s[%" PRIu64
				       "] has %u bytes, those before have %u: give names "
				       "of one size",
				       field_name, at, width, line->name_bytes);
	line->name_bytes = width;
	memcpy(line->names + at * width, bytes, width);
	return 0;
}

static int read_names(struct feed_line *line, struct json_object *object,
		      struct json_line_fault *ret_fault)
{
	struct json_object *array;
	void *names = line->names;
	const char *name;
	uint64_t count;
	int error = read_array(object, block_names, &array, &count, &name, ret_fault);

	if (error)
		return error;
	if (!array)
		return json_line_fault(ret_fault, "no \"names\": give an array of block names");
	if (count > FEED_COUNT_MAX)
		return json_line_fault(ret_fault, "%" PRIu64 " names: give at most %u", count,
				       FEED_COUNT_MAX);
	error = reserve(&names, &line->names_capacity, count * FEED_NAME_BYTES_MAX);
	line->names = names;
	for (uint64_t i = 0; !error && i < count; i++)
		error = store_name(line, i, json_object_array_get_idx(array, i), name, ret_fault);
	line->count = (uint32_t)count;
	return error;
}

static int read_parent(struct feed_line *line, struct json_object *object,
		       struct json_line_fault *ret_fault)
{
	const char *name;
	struct json_object *value = field(object, parent_names, &name);
	uint8_t width;

	if (!value)
		return 0;
	width = read_name(value, line->parent);
	if (!width)
		return json_line_fault(
			ret_fault,
			"\"%s\" is %.70s: give a 64-bit integer, 64 hexadecimal digits, "
			"or null",
			name, json_object_to_json_string(value));
	if (line->count && width != line->name_bytes)
		return json_line_fault(
			ret_fault, "\"%s\" has %u bytes, the names have %u: give names of one size",
			name, width, line->name_bytes);
	line->has_parent = 1;
	return 0;
}

static int read_tokens(struct feed_line *line, struct json_object *object,
		       struct json_line_fault *ret_fault)
{
	struct json_object *array;
	void *tokens = line->tokens;
	const char *name;
	uint64_t count, token;
	int error = read_array(object, token_names, &array, &count, &name, ret_fault);

	if (error)
		return error;
	error = reserve(&tokens, &line->tokens_capacity, count * sizeof(*line->tokens));
	line->tokens = tokens;
	if (error)
		return error;
	for (uint64_t i = 0; i < count; i++) {
		struct json_object *value = json_object_array_get_idx(array, i);

		if (!json_line_unsigned(value, UINT32_MAX, &token))
			return json_line_fault(ret_fault,
					       "%s[%" PRIu64 "] is %.40s: give a number from 0 to "
					       "2^32 - 1",
					       name, i, json_object_to_json_string(value));
		line->tokens[i] = (uint32_t)token;
	}
	line->token_count = count;
	return 0;
}

static int read_locals(struct feed_line *line, struct json_object *object,
		       struct json_line_fault *ret_fault)
{
	struct json_object *array;
	void *locals = line->locals;
	const char *name;
	uint64_t count;
	int error = read_array(object, local_names, &array, &count, &name, ret_fault);

	if (error || !array)
		return error;
	if (line->token_count)
		return json_line_fault(ret_fault, "token_ids and %s: give one of them", name);
	if (count != line->count)
		return json_line_fault(ret_fault, "%" PRIu64 " %s for %u names: give one for each",
				       count, name, line->count);
	error = reserve(&locals, &line->locals_capacity, count * sizeof(*line->locals));
	line->locals = locals;
	if (error)
		return error;
	for (uint64_t i = 0; i < count; i++) {
		struct json_object *value = json_object_array_get_idx(array, i);

		if (!json_line_integer(value, &line->locals[i]))
			return json_line_fault(ret_fault,
					       "%s[%" PRIu64 "] is %.40s: give a 64-bit integer",
					       name, i, json_object_to_json_string(value));
	}
	line->has_locals = 1;
	return 0;
}

/* What every line has. */
static int read_head(struct feed_line *line, struct json_object *object,
		     struct json_line_fault *ret_fault)
{
	uint64_t rank = 0, group = 0;
	int error = read_unsigned(object, worker_names, UINT64_MAX, 1, &line->worker, ret_fault);

	if (!error)
		error = read_unsigned(object, rank_names, UINT32_MAX, 0, &rank, ret_fault);
	line->dp_rank = (uint32_t)rank;
	line->has_rank = !error;
	if (!error)
		error = read_unsigned(object, time_names, UINT64_MAX, 0, &line->time_ns, ret_fault);
	if (!error)
		error = read_unsigned(object, group_names, UINT8_MAX, 0, &group, ret_fault);
	if (!error)
		error = read_kind(line, object, ret_fault);
	if (!error)
		error = read_tier(line, object, ret_fault);
	line->group = (uint8_t)group;
	return error;
}

static int read_content(struct feed_line *line, struct json_object *object,
			struct json_line_fault *ret_fault)
{
	uint64_t block_tokens = 0;
	int error = read_unsigned(object, size_names, UINT32_MAX, 0, &block_tokens, ret_fault);

	line->block_tokens = (uint32_t)block_tokens;
	if (!error)
		error = read_parent(line, object, ret_fault);
	if (!error)
		error = read_tokens(line, object, ret_fault);
	if (!error)
		error = read_locals(line, object, ret_fault);
	if (!error)
		error = read_text(object, lora_names, &line->lora, ret_fault);
	if (!error)
		error = read_text(object, salt_names, &line->salt, ret_fault);
	return error;
}

int feed_line_read(struct feed_line *line, struct json_object *object,
		   struct json_line_fault *ret_fault)
{
	int error;

	line->name_bytes = sizeof(uint64_t);
	line->has_parent = line->has_locals = 0;
	line->count = 0;
	line->token_count = 0;
	line->block_tokens = 0;
	line->lora = line->salt = NULL;
	error = read_head(line, object, ret_fault);
	if (!error && (line->kind == RDX_EVENT_STORED || line->kind == RDX_EVENT_REMOVED))
		error = read_names(line, object, ret_fault);
	if (!error && line->kind == RDX_EVENT_STORED)
		error = read_content(line, object, ret_fault);
	return error;
}

void feed_line_free(struct feed_line *line)
{
	free(line->names);
	free(line->locals);
	free(line->tokens);
	*line = (struct feed_line){0};
}

int feed_line_join(struct feed_line *line, const struct feed_line *next)
{
	uint64_t bytes = (uint64_t)line->count * line->name_bytes;
	void *names = line->names;
	int error;

	if (line->kind != RDX_EVENT_REMOVED || next->kind != RDX_EVENT_REMOVED ||
	    line->worker != next->worker || line->dp_rank != next->dp_rank ||
	    line->tier != next->tier || line->group != next->group ||
	    line->time_ns != next->time_ns || line->name_bytes != next->name_bytes ||
	    (uint64_t)line->count + next->count > FEED_JOINED_MAX)
		return 0;
	error = reserve(&names, &line->names_capacity,
			((uint64_t)line->count + next->count) * line->name_bytes);
	line->names = names;
	if (error)
		return error;
	memcpy(line->names + bytes, next->names, (uint64_t)next->count * next->name_bytes);
	line->count += next->count;
	return 1;
}
