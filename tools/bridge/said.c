/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/said.h"

#include "tools/bridge/said_keys.h"
#include "tools/bridge/said_text.h"

#include <string.h>

/* Fields that are read; LEFT stands for one whose place in an array is known and means nothing. */
enum field {
	TYPE,
	NAMES,
	PARENT,
	TOKENS,
	BLOCK_TOKENS,
	LORA_ID,
	MEDIUM,
	LORA,
	EXTRA_KEYS,
	MM_KEYS,
	GROUP,
	SPEC_KIND,
	LOCALITY,
	OWNERSHIP,
	SALT,
	REMAINING,
	FIELDS,
	LEFT = FIELDS,
};

static const char *const field_names[FIELDS] = {
	[TYPE] = "type",
	[NAMES] = "block_hashes",
	[PARENT] = "parent_block_hash",
	[TOKENS] = "token_ids",
	[BLOCK_TOKENS] = "block_size",
	[LORA_ID] = "lora_id",
	[MEDIUM] = "medium",
	[LORA] = "lora_name",
	[EXTRA_KEYS] = "extra_keys",
	[MM_KEYS] = "mm_keys",
	[GROUP] = "group_idx",
	[SPEC_KIND] = "kv_cache_spec_kind",
	[LOCALITY] = "locality",
	[OWNERSHIP] = "ownership",
	[SALT] = "cache_salt",
	[REMAINING] = "remaining_copy_counts",
};

/* The places of an event that is an array, behind its type. */
static const struct layout {
	const char *type;
	uint32_t count;
	uint8_t fields[11];
} layouts[] = {
	{"BlockStored",
	 11,
	 {NAMES, PARENT, TOKENS, BLOCK_TOKENS, LORA_ID, MEDIUM, LORA, EXTRA_KEYS, GROUP, SPEC_KIND,
	  LEFT}},
	{"BlockRemoved", 3, {NAMES, MEDIUM, GROUP}},
};

/* The values of an event by field; NULL: absent or nil. */
struct fields {
	const msgpack_object *values[FIELDS];
	uint32_t unknown;
};

static enum fault put(struct fields *fields, uint32_t field, const msgpack_object *value)
{
	if (value->type == MSGPACK_OBJECT_NIL || field == LEFT)
		return FAULT_NONE;
	if (fields->values[field])
		return FAULT_FIELD_TWICE;
	fields->values[field] = value;
	return FAULT_NONE;
}

static uint32_t find(const msgpack_object *name)
{
	uint32_t field = 0;

	while (field < FIELDS && !said_text_is(name, field_names[field]))
		field++;
	return field;
}

/* A field without a place in the translator's structure. */
static void judge(struct said *said, struct fields *fields, const msgpack_object_kv *at,
		  const struct rdx_engine *engine)
{
	if (at->val.type == MSGPACK_OBJECT_NIL)
		return;
	fields->unknown += said_text_has_nul(&at->key) ||
			   rdx_engine_field(engine, said_text_copy(said, &at->key)) !=
				   RDX_ENGINE_FIELD_HARMLESS;
}

static enum fault sort_map(struct said *said, struct fields *fields, const msgpack_object *event,
			   const struct rdx_engine *engine)
{
	for (uint32_t i = 0; i < event->via.map.size; i++) {
		const msgpack_object_kv *at = &event->via.map.ptr[i];
		uint32_t field;
		enum fault fault;

		if (at->key.type != MSGPACK_OBJECT_STR)
			return FAULT_FIELD_TWICE;
		field = find(&at->key);
		if (field == FIELDS) {
			judge(said, fields, at, engine);
			continue;
		}
		fault = put(fields, field, &at->val);
		if (fault)
			return fault;
	}
	return FAULT_NONE;
}

/* Places behind the known ones are fields that nobody here knows. */
static enum fault sort_array(struct fields *fields, const msgpack_object *event)
{
	static const struct layout bare = {0};
	const msgpack_object *at = event->via.array.ptr;
	const struct layout *layout = &bare;

	if (!event->via.array.size)
		return FAULT_EVENT;
	fields->values[TYPE] = at;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++) {
		if (said_text_is(at, layouts[i].type))
			layout = &layouts[i];
	}
	for (uint32_t i = 1; i < event->via.array.size; i++) {
		if (i <= layout->count)
			put(fields, layout->fields[i - 1], &at[i]);
		else
			fields->unknown += at[i].type != MSGPACK_OBJECT_NIL;
	}
	return FAULT_NONE;
}

/* 8 bytes from an integer, whatever its sign; 32 as they are. 0 where it is no name. */
static uint8_t read_name(const msgpack_object *value, uint8_t *ret_bytes)
{
	switch (value->type) {
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		memcpy(ret_bytes, &value->via.u64, sizeof(value->via.u64));
		return sizeof(value->via.u64);
	case MSGPACK_OBJECT_BIN:
		if (value->via.bin.size != SAID_NAME_BYTES_MAX)
			return 0;
		memcpy(ret_bytes, value->via.bin.ptr, SAID_NAME_BYTES_MAX);
		return SAID_NAME_BYTES_MAX;
	default:
		return 0;
	}
}

static enum fault read_names(struct said *said, const msgpack_object *list)
{
	struct rdx_engine_event *event = &said->event;
	uint8_t *names;

	if (!list)
		return FAULT_NONE;
	if (list->type != MSGPACK_OBJECT_ARRAY)
		return FAULT_LIST;
	event->count = list->via.array.size;
	names = vector_reserve(&said->names, (event->count + UINT64_C(1)) * SAID_NAME_BYTES_MAX);
	event->names = names;
	for (uint32_t i = 0; i < event->count; i++) {
		uint8_t width = read_name(&list->via.array.ptr[i], names);

		if (!width)
			return FAULT_NAME;
		if (i && width != event->name_bytes)
			return FAULT_NAME_SIZES;
		event->name_bytes = width;
		names += width;
	}
	return FAULT_NONE;
}

static enum fault read_parent(struct said *said, const msgpack_object *value)
{
	uint8_t width;

	if (!value)
		return FAULT_NONE;
	width = read_name(value, said->parent);
	if (!width)
		return FAULT_NAME;
	if (said->event.count && width != said->event.name_bytes)
		return FAULT_NAME_SIZES;
	said->event.name_bytes = width;
	said->event.parent = said->parent;
	return FAULT_NONE;
}

static enum fault read_texts(struct said *said, const struct fields *fields)
{
	struct rdx_engine_event *event = &said->event;
	const struct {
		enum field field;
		const char **text;
	} texts[] = {
		{TYPE, &event->type},         {MEDIUM, &event->medium},
		{LORA, &event->lora_name},    {SPEC_KIND, &event->spec_kind},
		{LOCALITY, &event->locality}, {OWNERSHIP, &event->ownership},
		{SALT, &event->cache_salt},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const msgpack_object *value = fields->values[texts[i].field];

		if (!value)
			continue;
		if (value->type != MSGPACK_OBJECT_STR || said_text_has_nul(value))
			return FAULT_TEXT;
		*texts[i].text = said_text_copy(said, value);
	}
	return event->type ? FAULT_NONE : FAULT_EVENT;
}

static int read_number(const msgpack_object *value, uint64_t max, uint64_t *ret_number)
{
	*ret_number = 0;
	if (!value)
		return 1;
	if (value->type != MSGPACK_OBJECT_POSITIVE_INTEGER || value->via.u64 > max)
		return 0;
	*ret_number = value->via.u64;
	return 1;
}

static enum fault read_numbers(struct said *said, const struct fields *fields)
{
	struct rdx_engine_event *event = &said->event;
	uint64_t block_tokens;

	if (!read_number(fields->values[BLOCK_TOKENS], UINT32_MAX, &block_tokens) ||
	    !read_number(fields->values[GROUP], UINT64_MAX, &event->group))
		return FAULT_NUMBER;
	event->block_tokens = (uint32_t)block_tokens;
	event->flags |= fields->values[GROUP] ? RDX_ENGINE_GROUP : 0;
	event->flags |= fields->values[LORA_ID] ? RDX_ENGINE_LORA_ID : 0;
	return FAULT_NONE;
}

/* How many copies of each name are left. */
static enum fault read_remaining(struct said *said, const msgpack_object *list)
{
	uint32_t *counts;
	uint64_t count;

	if (!list)
		return FAULT_NONE;
	if (list->type != MSGPACK_OBJECT_ARRAY || list->via.array.size != said->event.count)
		return FAULT_LIST;
	counts = vector_reserve(&said->remaining,
				(said->event.count + UINT64_C(1)) * sizeof(*counts));
	for (uint32_t i = 0; i < said->event.count; i++) {
		if (!read_number(&list->via.array.ptr[i], UINT32_MAX, &count))
			return FAULT_NUMBER;
		counts[i] = (uint32_t)count;
	}
	said->event.remaining = said->event.count ? counts : NULL;
	return FAULT_NONE;
}

static enum fault read_content(struct said *said, const struct fields *fields)
{
	enum fault fault = read_texts(said, fields);

	if (!fault)
		fault = read_numbers(said, fields);
	if (!fault)
		fault = read_names(said, fields->values[NAMES]);
	if (!fault)
		fault = read_remaining(said, fields->values[REMAINING]);
	if (!fault)
		fault = read_parent(said, fields->values[PARENT]);
	if (!fault)
		fault = said_keys_read(said, fields->values[EXTRA_KEYS], fields->values[MM_KEYS]);
	if (!fault) /* appends keys */
		fault = said_keys_read_tokens(said, fields->values[TOKENS]);
	said->event.keys = said->keys.bytes;
	return fault;
}

enum fault said_read(struct said *said, const struct payload *payload, uint32_t index,
		     const struct rdx_engine *engine)
{
	const msgpack_object *event = &payload->events[index];
	struct fields fields = {0};
	enum fault fault = FAULT_EVENT;

	said->event = (struct rdx_engine_event){.size = sizeof(said->event),
						.name_bytes = sizeof(uint64_t)};
	said->texts_used = 0;
	vector_reserve(&said->texts, payload->bytes);
	if (event->type == MSGPACK_OBJECT_MAP)
		fault = sort_map(said, &fields, event, engine);
	else if (event->type == MSGPACK_OBJECT_ARRAY)
		fault = sort_array(&fields, event);
	if (fault)
		return fault;
	said->event.unknown_fields = fields.unknown;
	return read_content(said, &fields);
}

void said_free(struct said *said)
{
	vector_free(&said->names);
	vector_free(&said->remaining);
	vector_free(&said->tokens);
	vector_free(&said->keys);
	vector_free(&said->texts);
	*said = (struct said){0};
}
