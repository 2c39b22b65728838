/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_fields.h"

#include <ringdex/rdx_engine.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ALIASES_MAX 4

/* What a field may be called; of those that are there, the first one counts. */
static const char *const aliases[FEED_FIELDS][ALIASES_MAX] = {
	[FEED_WORKER] = {"worker", "worker_id", "instance_id"},
	[FEED_RANK] = {"dp_rank", "data_parallel_rank", "rank"},
	[FEED_SEQUENCE] = {"seq", "sequence"},
	[FEED_TIME] = {"time_ns"},
	[FEED_TYPE] = {"type", "kind", "event"},
	[FEED_MEDIUM] = {"tier", "medium", "storage_tier", "scope"},
	[FEED_GROUP] = {"group", "group_idx", "cache_group"},
	[FEED_SPEC_KIND] = {"spec_kind", "kv_cache_spec_kind"},
	[FEED_LOCALITY] = {"locality"},
	[FEED_OWNERSHIP] = {"ownership"},
	[FEED_NAMES] = {"names", "block_hashes", "hashes"},
	[FEED_PARENT] = {"parent", "parent_hash", "parent_block_hash"},
	[FEED_TOKENS] = {"token_ids", "tokens"},
	[FEED_LOCALS] = {"local_hashes", "tokens_hashes"},
	[FEED_BLOCK_TOKENS] = {"block_size", "block_tokens"},
	[FEED_LORA] = {"lora", "lora_name"},
	[FEED_LORA_ID] = {"lora_id"},
	[FEED_SALT] = {"salt", "cache_salt"},
	[FEED_EXTRA_KEYS] = {"extra_keys"},
	[FEED_MM_KEYS] = {"mm_keys"},
	[FEED_REMAINING] = {"remaining", "remaining_copy_counts"},
	[FEED_INEXACT] = {"inexact"},
};

static int is_in(const char *const *list, const char *name)
{
	for (; list && *list; list++) {
		if (strcmp(*list, name) == 0)
			return 1;
	}
	return 0;
}

/* Which field is called so, and by which of its names; 0 where none is. */
static int find(const char *name, uint32_t *ret_field, uint32_t *ret_alias)
{
	for (uint32_t field = 0; field < FEED_FIELDS; field++) {
		for (uint32_t i = 0; i < ALIASES_MAX && aliases[field][i]; i++) {
			if (strcmp(aliases[field][i], name) != 0)
				continue;
			*ret_field = field;
			*ret_alias = i;
			return 1;
		}
	}
	return 0;
}

/* One more value of a field: does it say what the other does? `left`: the name that counts less. */
static int agrees(const struct feed_fields *fields, uint32_t field, struct json_object *value,
		  const char *left, const char *const *harmless)
{
	return !fields->values[field] || json_object_equal(value, fields->values[field]) ||
	       is_in(harmless, left);
}

void feed_fields_sort(struct feed_fields *ret_fields, struct json_object *object,
		      const char *const *harmless)
{
	struct json_object_iterator at = json_object_iter_begin(object);
	struct json_object_iterator end = json_object_iter_end(object);
	uint32_t best[FEED_FIELDS], field, alias;

	*ret_fields = (struct feed_fields){0};
	for (field = 0; field < FEED_FIELDS; field++) {
		ret_fields->names[field] = aliases[field][0];
		best[field] = ALIASES_MAX;
	}
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);
		struct json_object *value = json_object_iter_peek_value(&at);

		if (!value)
			continue;
		if (!find(name, &field, &alias)) {
			ret_fields->unknown +=
				!is_in(harmless, name) &&
				rdx_engine_field(NULL, name) != RDX_ENGINE_FIELD_HARMLESS;
			continue;
		}
		ret_fields->unknown +=
			!agrees(ret_fields, field, value,
				alias < best[field] ? ret_fields->names[field] : name, harmless);
		if (alias < best[field]) {
			ret_fields->values[field] = value;
			ret_fields->names[field] = aliases[field][alias];
			best[field] = alias;
		}
	}
}

int feed_fields_has(const struct feed_fields *fields, enum feed_field field)
{
	return fields->values[field] != NULL;
}

int feed_fields_fault(const struct feed_fields *fields, enum feed_field field, uint64_t index,
		      struct json_object *value, const char *what,
		      struct json_line_fault *ret_fault)
{
	const char *text = json_object_to_json_string(value);

	if (index == UINT64_MAX)
		return json_line_fault(ret_fault, "\"%s\" is %.70s: %s", fields->names[field], text,
				       what);
	return json_line_fault(ret_fault, "%s[%" PRIu64 "] is %.70s: %s", fields->names[field],
			       index, text, what);
}

int feed_fields_unsigned(const struct feed_fields *fields, enum feed_field field, uint64_t max,
			 uint64_t *ret_value, struct json_line_fault *ret_fault)
{
	struct json_object *value = fields->values[field];
	char what[64];

	if (!value) {
		*ret_value = 0;
		return 0;
	}
	if (json_line_unsigned(value, max, ret_value))
		return 0;
	snprintf(what, sizeof(what), "give a number from 0 to %" PRIu64, max);
	return feed_fields_fault(fields, field, UINT64_MAX, value, what, ret_fault);
}

int feed_fields_text(const struct feed_fields *fields, enum feed_field field, const char **ret_text,
		     struct json_line_fault *ret_fault)
{
	struct json_object *value = fields->values[field];

	if (value && !json_object_is_type(value, json_type_string))
		return feed_fields_fault(fields, field, UINT64_MAX, value, "give a string or null",
					 ret_fault);
	*ret_text = value ? json_object_get_string(value) : NULL;
	return 0;
}

int feed_fields_array(const struct feed_fields *fields, enum feed_field field,
		      struct json_object **ret_array, uint64_t *ret_count,
		      struct json_line_fault *ret_fault)
{
	struct json_object *array = fields->values[field];

	if (array && !json_object_is_type(array, json_type_array))
		return feed_fields_fault(fields, field, UINT64_MAX, array, "give an array",
					 ret_fault);
	*ret_array = array;
	*ret_count = array ? json_object_array_length(array) : 0;
	return 0;
}
