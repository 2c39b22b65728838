/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/event.h"

#include "python/ext/arguments.h"

#include <string.h>

enum { READ_NAMES, READ_TOKENS, READ_LOCALS, READ_REMAINING };

static const char *const names[EVENT_FIELDS] = {
	[EVENT_NAMES] = "block_hashes",
	[EVENT_PARENT] = "parent_block_hash",
	[EVENT_TOKENS] = "token_ids",
	[EVENT_BLOCK_TOKENS] = "block_size",
	[EVENT_LORA_ID] = "lora_id",
	[EVENT_LORA] = "lora_name",
	[EVENT_SALT] = "cache_salt",
	[EVENT_MEDIUM] = "medium",
	[EVENT_EXTRA_KEYS] = "extra_keys",
	[EVENT_MM_KEYS] = "mm_keys",
	[EVENT_GROUP] = "group_idx",
	[EVENT_SPEC_KIND] = "kv_cache_spec_kind",
	[EVENT_LOCALITY] = "locality",
	[EVENT_OWNERSHIP] = "ownership",
	[EVENT_REMAINING] = "remaining_copy_counts",
};

const char *event_field_name(enum event_field field)
{
	return names[field];
}

/* NULL where the field is absent. */
static PyObject *value_of(const struct event_values *values, enum event_field field)
{
	PyObject *value = values->of[field];

	return value == Py_None ? NULL : value;
}

static int read_names(struct event_reader *reader, const struct event_values *values,
		      struct rdx_engine_event *event)
{
	struct numbers *read = &reader->read[READ_NAMES];
	PyObject *from = value_of(values, EVENT_NAMES);

	event->name_bytes = sizeof(uint64_t);
	if (!from)
		return 0;
	if (numbers_names(read, from, &reader->names, names[EVENT_NAMES]) < 0)
		return -1;
	if (read->count > UINT32_MAX) {
		PyErr_SetString(PyExc_ValueError, "block_hashes has over 2^32 names");
		return -1;
	}
	event->names =
		read->at ? read->at : reader->parent; /* an empty list is not an absent one */
	event->count = (uint32_t)read->count;
	event->name_bytes = (uint8_t)read->width;
	return 0;
}

static int read_parent(struct event_reader *reader, const struct event_values *values,
		       struct rdx_engine_event *event)
{
	PyObject *from = value_of(values, EVENT_PARENT);
	uint32_t width;

	if (!from)
		return 0;
	width = numbers_name(from, reader->parent, names[EVENT_PARENT], 0);
	if (!width)
		return -1;
	if (event->count && width != event->name_bytes) {
		PyErr_Format(PyExc_ValueError,
			     "parent_block_hash has %u bytes, the names have %u: give names of one "
			     "size",
			     width, event->name_bytes);
		return -1;
	}
	event->name_bytes = (uint8_t)width;
	event->parent = reader->parent;
	return 0;
}

static int read_keys(struct event_reader *reader, const struct event_values *values,
		     struct rdx_engine_event *event)
{
	PyObject *keys = value_of(values, EVENT_EXTRA_KEYS);
	PyObject *objects = value_of(values, EVENT_MM_KEYS);
	int are_objects = keys_says_something(objects) || !keys;

	if (!keys && !objects)
		return 0;
	if (keys_says_something(objects) && keys_says_something(keys)) {
		PyErr_SetString(PyExc_ValueError, "extra_keys and mm_keys: give one of them");
		return -1;
	}
	event->flags |= RDX_ENGINE_KEYS;
	return keys_read(&reader->keys, are_objects ? objects : keys, are_objects,
			 &event->key_blocks);
}

/* A pair of tokens. 0 with an exception. */
static int read_pair(PyObject *from, uint32_t *ret_pair, Py_ssize_t at)
{
	PyObject *pair = NULL;
	int r = 0;

	if (PyTuple_Check(from))
		pair = Py_NewRef(from);
	else if (PyList_Check(from))
		pair = PyList_AsTuple(from); /* a number's own code may change the list */
	if (pair && PyTuple_Size(pair) == 2)
		r = numbers_one(PyTuple_GetItem(pair, 0), &ret_pair[0], "token_ids", at) &&
		    numbers_one(PyTuple_GetItem(pair, 1), &ret_pair[1], "token_ids", at);
	else if (!PyErr_Occurred())
		arguments_refuse(PyExc_TypeError, "token_ids", at, from,
				 "a pair of numbers, as before");
	Py_XDECREF(pair);
	return r;
}

/* A number, or a text that stands for one. 0 with an exception. */
static int read_token(struct event_reader *reader, PyObject *from, uint32_t *ret_token,
		      Py_ssize_t at)
{
	if (PyUnicode_Check(from))
		return keys_add_token(&reader->keys, from, (uint32_t)at, ret_token) == 0;
	return numbers_one(from, ret_token, names[EVENT_TOKENS], at);
}

/* Tokens of which not all are numbers. `list` is a list or a tuple. */
static int read_mixed(struct event_reader *reader, PyObject *list, int are_pairs,
		      struct rdx_engine_event *event)
{
	Py_ssize_t count = arguments_length(list);
	uint32_t *tokens = room_reserve(&reader->tokens, (size_t)count * 2 * sizeof(*tokens));

	if (!tokens)
		return -1;
	for (Py_ssize_t i = 0; i < count; i++) {
		PyObject *from = arguments_item(list, i);
		int ok = from && (are_pairs ? read_pair(from, &tokens[2 * i], i)
					    : read_token(reader, from, &tokens[i], i));

		Py_XDECREF(from);
		if (!ok)
			return -1;
	}
	event->tokens = tokens;
	event->token_count = (uint64_t)count;
	event->flags |= are_pairs ? RDX_ENGINE_PAIRS : 0;
	return 0;
}

static int has_text(PyObject *list)
{
	Py_ssize_t count = arguments_length(list);

	for (Py_ssize_t i = 0; i < count; i++) {
		PyObject *token = arguments_item(list, i);
		int is_text = token && PyUnicode_Check(token);

		Py_XDECREF(token);
		if (is_text || !token) /* who reads it again finds out */
			return is_text;
	}
	return 0;
}

static int is_list(PyObject *from)
{
	return PyTuple_Check(from) || PyList_Check(from);
}

/* Is the first of them a pair? */
static int are_pairs(PyObject *from)
{
	PyObject *first;
	int r;

	if (!is_list(from) || !arguments_length(from))
		return 0;
	first = arguments_item(from, 0);
	if (!first)
		PyErr_Clear(); /* it was just taken away */
	r = first && is_list(first);
	Py_XDECREF(first);
	return r;
}

static int read_tokens(struct event_reader *reader, const struct event_values *values,
		       struct rdx_engine_event *event)
{
	struct numbers *read = &reader->read[READ_TOKENS];
	PyObject *from = value_of(values, EVENT_TOKENS);

	if (!from)
		return 0;
	if (are_pairs(from))
		return read_mixed(reader, from, 1, event);
	if (numbers_u32(read, from, &reader->tokens, names[EVENT_TOKENS]) == 0) {
		event->tokens = read->at;
		event->token_count = read->count;
		return 0;
	}
	if (!is_list(from) || !PyErr_ExceptionMatches(PyExc_TypeError) || !has_text(from))
		return -1;
	PyErr_Clear();
	return read_mixed(reader, from, 0, event);
}

static int check_count(uint64_t count, const struct rdx_engine_event *event, const char *name)
{
	if (count == event->count)
		return 0;
	PyErr_Format(PyExc_ValueError, "%llu %s for %lu names: give one for each",
		     (unsigned long long)count, name, (unsigned long)event->count);
	return -1;
}

static int read_locals(struct event_reader *reader, const struct event_values *values,
		       struct rdx_engine_event *event)
{
	struct numbers *read = &reader->read[READ_LOCALS];
	PyObject *from = value_of(values, EVENT_LOCALS);

	if (!from)
		return 0;
	if (numbers_u64(read, from, &reader->locals, "local_hashes") < 0)
		return -1;
	event->local_hashes = read->count ? read->at : NULL;
	return check_count(read->count, event, "local_hashes");
}

static int read_remaining(struct event_reader *reader, const struct event_values *values,
			  struct rdx_engine_event *event)
{
	struct numbers *read = &reader->read[READ_REMAINING];
	PyObject *from = value_of(values, EVENT_REMAINING);

	if (!from)
		return 0;
	if (numbers_u32(read, from, &reader->remaining, "remaining") < 0)
		return -1;
	event->remaining = read->count ? read->at : NULL;
	return check_count(read->count, event, "remaining");
}

static int read_numbers(const struct event_values *values, struct rdx_engine_event *event)
{
	PyObject *group = value_of(values, EVENT_GROUP);
	PyObject *block_tokens = value_of(values, EVENT_BLOCK_TOKENS);

	if (group && !arguments_u64(group, &event->group))
		return -1;
	if (block_tokens && !arguments_u32(block_tokens, &event->block_tokens))
		return -1;
	if (group)
		event->flags |= RDX_ENGINE_GROUP;
	if (value_of(values, EVENT_LORA_ID))
		event->flags |= RDX_ENGINE_LORA_ID;
	return 0;
}

static int read_text(const struct event_values *values, enum event_field field,
		     const char **ret_text)
{
	PyObject *from = value_of(values, field);

	if (!from)
		return 0;
	*ret_text = arguments_text(from, names[field]);
	return *ret_text ? 0 : -1;
}

static int read_texts(const struct event_values *values, struct rdx_engine_event *event)
{
	if (read_text(values, EVENT_MEDIUM, &event->medium) < 0 ||
	    read_text(values, EVENT_LORA, &event->lora_name) < 0 ||
	    read_text(values, EVENT_SALT, &event->cache_salt) < 0 ||
	    read_text(values, EVENT_SPEC_KIND, &event->spec_kind) < 0 ||
	    read_text(values, EVENT_LOCALITY, &event->locality) < 0)
		return -1;
	return read_text(values, EVENT_OWNERSHIP, &event->ownership);
}

int event_read(struct event_reader *reader, const struct event_values *values,
	       struct rdx_engine_event *ret_event)
{
	struct rdx_engine_event event = {.size = sizeof(event)};

	if (read_texts(values, &event) < 0 || read_numbers(values, &event) < 0 ||
	    read_names(reader, values, &event) < 0 || read_parent(reader, values, &event) < 0 ||
	    read_keys(reader, values, &event) < 0 || /* before tokens, which append some */
	    read_tokens(reader, values, &event) < 0 || read_locals(reader, values, &event) < 0 ||
	    read_remaining(reader, values, &event) < 0)
		return -1;
	event.keys = reader->keys.count ? reader->keys.room.bytes : NULL;
	event.key_count = reader->keys.count;
	*ret_event = event;
	return 0;
}

void event_done(struct event_reader *reader)
{
	for (size_t i = 0; i < sizeof(reader->read) / sizeof(*reader->read); i++)
		numbers_free(&reader->read[i]);
	keys_clear(&reader->keys);
}

void event_reader_free(struct event_reader *reader)
{
	event_done(reader);
	room_free(&reader->names);
	room_free(&reader->tokens);
	room_free(&reader->locals);
	room_free(&reader->remaining);
	keys_free(&reader->keys);
}
