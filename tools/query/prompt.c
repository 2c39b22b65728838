/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/query/prompt.h"

#include "tools/program/messages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void forget(struct prompt *prompt)
{
	json_object_put(prompt->object);
	prompt->object = NULL;
	prompt->lora = prompt->salt = NULL;
	prompt->eagle = -1;
	prompt->count = 0;
	(void)prompt_keys_read(&prompt->keys, NULL, 0); /* none */
}

void prompt_free(struct prompt *prompt)
{
	forget(prompt);
	free(prompt->ids);
	prompt_keys_free(&prompt->keys);
	*prompt = (struct prompt){0};
}

/* Room for `count` ids. */
static void reserve(struct prompt *prompt, uint64_t count)
{
	if (prompt->capacity >= count)
		return;
	prompt->ids = reallocarray(prompt->ids, count, sizeof(*prompt->ids));
	if (!prompt->ids)
		messages_no_memory();
	prompt->capacity = count;
}

void prompt_take(struct prompt *prompt, const uint64_t *ids, uint64_t count)
{
	forget(prompt);
	reserve(prompt, count);
	prompt->count = count;
	for (uint64_t i = 0; i < count; i++)
		prompt->ids[i] = (uint32_t)ids[i];
}

/* Members of a request; each null or absent at first. */
enum { TOKEN_IDS, EXTRA_KEYS, MM_KEYS, LORA_NAME, CACHE_SALT, EAGLE, MEMBERS };
static const struct {
	const char *name;
	enum json_type type;
} members[MEMBERS] = {
	[TOKEN_IDS] = {"token_ids", json_type_array},
	[EXTRA_KEYS] = {"extra_keys", json_type_array},
	[MM_KEYS] = {"mm_keys", json_type_array},
	[LORA_NAME] = {"lora_name", json_type_string},
	[CACHE_SALT] = {"cache_salt", json_type_string},
	[EAGLE] = {"eagle", json_type_boolean},
};

static int no_member(const char *name, struct json_line_fault *ret_fault)
{
	return json_line_fault(ret_fault,
			       "\"%s\" is no member of a request: give token_ids, extra_keys or "
			       "mm_keys, lora_name, cache_salt, eagle",
			       name);
}

static int sort_members(struct json_object *object, struct json_object **ret_values,
			struct json_line_fault *ret_fault)
{
	struct json_object_iterator at = json_object_iter_begin(object);
	struct json_object_iterator end = json_object_iter_end(object);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);
		struct json_object *value = json_object_iter_peek_value(&at);
		int member = 0;

		while (member < MEMBERS && strcmp(name, members[member].name) != 0)
			member++;
		if (member == MEMBERS)
			return no_member(name, ret_fault);
		if (value && !json_object_is_type(value, members[member].type))
			return json_line_fault(ret_fault, "\"%s\" is %.70s: give a JSON %s", name,
					       json_object_to_json_string(value),
					       json_type_to_name(members[member].type));
		ret_values[member] = value;
	}
	if (!ret_values[TOKEN_IDS])
		return json_line_fault(ret_fault, "no \"token_ids\": give an array of numbers");
	if (ret_values[EXTRA_KEYS] && ret_values[MM_KEYS])
		return json_line_fault(ret_fault, "extra_keys and mm_keys: give one of them");
	return 0;
}

static int read_id(struct prompt *prompt, uint32_t at, struct json_object *value,
		   struct json_line_fault *ret_fault)
{
	uint64_t number;
	int r;

	if (json_line_unsigned(value, UINT32_MAX, &number)) {
		prompt->ids[at] = (uint32_t)number;
		return 0;
	}
	if (!json_object_is_type(value, json_type_string) || json_line_integer(value, &number) ||
	    json_object_get_string_len(value) == 0)
		return json_line_fault(ret_fault,
				       "token_ids[%" PRIu32 "] is %.70s: give a number from 0 to "
				       "2^32 - 1, or a text that is none",
				       at, json_object_to_json_string(value));
	prompt->ids[at] = rdx_engine_token(json_object_get_string(value),
					   (uint64_t)json_object_get_string_len(value));
	r = extra_keys_add_token(&prompt->keys.given, value, at);
	if (r == -ENOMEM)
		messages_no_memory();
	return r;
}

static int read_ids(struct prompt *prompt, struct json_object *ids,
		    struct json_line_fault *ret_fault)
{
	uint64_t count = json_object_array_length(ids);
	int r = 0;

	if (count > UINT32_MAX)
		return json_line_fault(ret_fault, "%" PRIu64 " tokens: give less than 2^32", count);
	reserve(prompt, count);
	for (uint32_t i = 0; r == 0 && i < count; i++)
		r = read_id(prompt, i, json_object_array_get_idx(ids, i), ret_fault);
	prompt->count = count;
	return r;
}

int prompt_read(struct prompt *prompt, const char *line, size_t length,
		struct json_line_fault *ret_fault)
{
	struct json_object *values[MEMBERS] = {NULL}, *list;
	int r;

	forget(prompt);
	r = json_line_parse(line, length, &prompt->object, ret_fault);
	if (r == 0)
		r = sort_members(prompt->object, values, ret_fault);
	if (r == 0) {
		list = values[MM_KEYS] ? values[MM_KEYS] : values[EXTRA_KEYS];
		r = prompt_keys_read(&prompt->keys, list, list && list == values[MM_KEYS]);
	}
	if (r == 0)
		r = read_ids(prompt, values[TOKEN_IDS], ret_fault);
	if (r == -ENOMEM)
		messages_no_memory();
	if (r < 0)
		return r;
	prompt->lora = json_object_get_string(values[LORA_NAME]);
	prompt->salt = json_object_get_string(values[CACHE_SALT]);
	if (values[EAGLE])
		prompt->eagle = json_object_get_boolean(values[EAGLE]);
	return 0;
}

int prompt_tokens(struct prompt *prompt, const struct prompt_defaults *defaults,
		  uint32_t block_tokens, struct rdx_tokens *ret_tokens,
		  struct json_line_fault *ret_fault)
{
	struct rdx_tokens tokens = {
		.size = sizeof(tokens),
		.ids = prompt->ids,
		.count = prompt->count,
		.block_tokens = block_tokens,
		.overlap = (uint32_t)(prompt->eagle < 0 ? defaults->eagle : prompt->eagle),
	};
	int r = prompt_keys_name(&prompt->keys, prompt->lora ? prompt->lora : defaults->lora,
				 prompt->salt, defaults->salt, &tokens, ret_fault);

	if (r == -ENOMEM)
		messages_no_memory();
	if (r == 0)
		*ret_tokens = tokens;
	return r;
}
