/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/keys.h"

#include "python/ext/arguments.h"

void keys_clear(struct keys *keys)
{
	PyObject **held = keys->held.bytes;
	uint64_t count = keys->count;

	keys->count = 0;
	for (uint64_t i = 0; i < count; i++)
		Py_XDECREF(held[i]);
}

void keys_free(struct keys *keys)
{
	keys_clear(keys);
	room_free(&keys->room);
	room_free(&keys->held);
}

/* One more, of no known kind. NULL with an exception. */
static struct rdx_engine_key *add(struct keys *keys, uint32_t at)
{
	struct rdx_engine_key *all =
		room_reserve(&keys->room, (keys->count + 1) * sizeof(struct rdx_engine_key));
	PyObject **held = room_reserve(&keys->held, (keys->count + 1) * sizeof(PyObject *));

	if (!all || !held)
		return NULL;
	all[keys->count] = (struct rdx_engine_key){.kind = RDX_ENGINE_KEY_OTHER, .at = at};
	held[keys->count] = NULL;
	return &all[keys->count++];
}

/* The key added last is of these bytes. 0 with an exception. */
static int set(struct keys *keys, uint8_t kind, const char *bytes, Py_ssize_t count,
	       PyObject *owner)
{
	struct rdx_engine_key *all = keys->room.bytes;
	PyObject **held = keys->held.bytes;

	if (!bytes)
		return 0;
	if (count > UINT32_MAX) {
		PyErr_SetString(PyExc_ValueError, "a key has over 2^32 bytes");
		return 0;
	}
	Py_INCREF(owner);
	held[keys->count - 1] = owner;
	all[keys->count - 1].bytes = bytes;
	all[keys->count - 1].byte_count = (uint32_t)count;
	all[keys->count - 1].kind = kind;
	return 1;
}

static int set_text(struct keys *keys, uint8_t kind, PyObject *text)
{
	Py_ssize_t count = 0;
	const char *bytes = PyUnicode_AsUTF8AndSize(text, &count);

	return set(keys, kind, bytes, count, text);
}

static int set_bytes(struct keys *keys, uint8_t kind, PyObject *from)
{
	Py_ssize_t count = 0;
	char *bytes = NULL;

	if (PyBytes_AsStringAndSize(from, &bytes, &count) < 0)
		return 0;
	return set(keys, kind, bytes, count, from);
}

static int is_sequence(PyObject *from)
{
	return PyTuple_Check(from) || PyList_Check(from);
}

/* The identifier in (identifier, offset), a new reference, or NULL; -1 with an exception. */
static int first_of(PyObject *pair, PyObject **ret_first)
{
	PyObject *offset;

	if (arguments_length(pair) != 2)
		return 0;
	offset = arguments_item(pair, 1);
	if (offset && PyLong_Check(offset))
		*ret_first = arguments_item(pair, 0);
	Py_XDECREF(offset);
	return PyErr_Occurred() ? -1 : 0;
}

/* The identifier in an object of TensorRT-LLM, borrowed; NULL where it may mean something else. */
static PyObject *find_hash(PyObject *dict)
{
	PyObject *name, *value, *hash = NULL;
	Py_ssize_t at = 0;

	while (PyDict_Next(dict, &at, &name, &value)) {
		if (!PyUnicode_Check(name))
			return NULL;
		if (PyUnicode_CompareWithASCIIString(name, "hash") == 0)
			hash = value;
		else if (PyUnicode_CompareWithASCIIString(name, "start_offset") != 0 &&
			 PyUnicode_CompareWithASCIIString(name, "type") != 0)
			return NULL;
	}
	return hash;
}

/* The same as a new reference. */
static PyObject *hash_of(PyObject *dict)
{
	PyObject *hash;

	MODULE_HOLD(dict);
	hash = Py_XNewRef(find_hash(dict));
	MODULE_LET_GO();
	return hash;
}

/* The key added last. 0 with an exception. */
static int read_key(struct keys *keys, PyObject *from, int are_objects)
{
	PyObject *identifier = NULL;
	int ok = 1; /* it stays OTHER */

	if (PyUnicode_Check(from))
		return set_text(keys, are_objects ? RDX_ENGINE_KEY_OBJECT : RDX_ENGINE_KEY_TEXT,
				from);
	if (PyBytes_Check(from))
		return set_bytes(keys, RDX_ENGINE_KEY_DIGEST, from);
	if (is_sequence(from))
		ok = first_of(from, &identifier) == 0;
	else if (PyDict_Check(from))
		identifier = hash_of(from);
	if (ok && identifier && PyUnicode_Check(identifier))
		ok = set_text(keys, RDX_ENGINE_KEY_OBJECT, identifier);
	Py_XDECREF(identifier);
	return ok;
}

static int read_block(struct keys *keys, PyObject *block, uint32_t at, int are_objects)
{
	Py_ssize_t count;

	if (block == Py_None)
		return 0;
	if (!is_sequence(block))
		return add(keys, at) ? 0 : -1;
	count = arguments_length(block);
	for (Py_ssize_t i = 0; i < count; i++) {
		PyObject *from = add(keys, at) ? arguments_item(block, i) : NULL;
		int ok = from && read_key(keys, from, are_objects);

		Py_XDECREF(from);
		if (!ok)
			return -1;
	}
	return 0;
}

int keys_read(struct keys *keys, PyObject *list, int are_objects, uint64_t *ret_blocks)
{
	Py_ssize_t count;

	if (!is_sequence(list)) {
		arguments_refuse(PyExc_TypeError, are_objects ? "mm_keys" : "extra_keys",
				 ARGUMENTS_WHOLE, list, "a list with an entry a block");
		return -1;
	}
	count = arguments_length(list);
	if (count > UINT32_MAX) {
		PyErr_SetString(PyExc_ValueError, "there are over 2^32 blocks");
		return -1;
	}
	for (Py_ssize_t i = 0; i < count; i++) {
		PyObject *block = arguments_item(list, i);
		int r = block ? read_block(keys, block, (uint32_t)i, are_objects) : -1;

		Py_XDECREF(block);
		if (r < 0)
			return -1;
	}
	*ret_blocks = (uint64_t)count;
	return 0;
}

int keys_add_token(struct keys *keys, PyObject *text, uint32_t index, uint32_t *ret_token)
{
	const struct rdx_engine_key *key = add(keys, index);

	if (!key || !set_text(keys, RDX_ENGINE_KEY_TOKEN, text))
		return -1;
	if (key->byte_count == 0) {
		PyErr_Format(PyExc_ValueError, "token_ids[%lu] is an empty text",
			     (unsigned long)index);
		return -1;
	}
	*ret_token = rdx_engine_token(key->bytes, key->byte_count);
	return 0;
}

int keys_says_something(PyObject *list)
{
	Py_ssize_t count = list && is_sequence(list) ? arguments_length(list) : 0;

	for (Py_ssize_t i = 0; i < count; i++) {
		PyObject *block = arguments_item(list, i);

		if (!block)
			PyErr_Clear(); /* it was just taken away */
		Py_XDECREF(block);
		if (block != Py_None)
			return 1;
	}
	return 0;
}
