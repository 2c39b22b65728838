/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/words.h"

#include "python/ext/arguments.h"

#include <stdlib.h>
#include <string.h>

/* What a word stands for; -1 with an exception. */
typedef int64_t value_of(PyObject *from);

static int64_t tier_of(PyObject *from)
{
	uint8_t tier;

	return arguments_tier(from, &tier) ? tier : -1;
}

static int64_t kind_of(PyObject *from)
{
	static const char *const kinds[] = {"stored", "removed", "cleared", "inexact", NULL};
	const char *text = arguments_text(from, "types");
	int kind = text ? arguments_word("types", text, kinds) : -1;

	return kind < 0 ? -1 : kind + RDX_EVENT_STORED;
}

static int read_words(PyObject *dict, value_of *read, struct rdx_engine_word *words)
{
	PyObject *name, *value;
	Py_ssize_t at = 0, count = 0, size = PyDict_Size(dict);

	while (count < size && PyDict_Next(dict, &at, &name, &value)) {
		const char *text = arguments_text(name, "name");
		int64_t means = RDX_ENGINE_LEFT_OUT;

		if (text && value != Py_None)
			means = read(value);
		if (!text || means < 0)
			return -1;
		words[count].value = (uint64_t)means;
		words[count].text = strdup(text);
		if (!words[count++].text) {
			PyErr_NoMemory();
			return -1;
		}
	}
	return 0;
}

static int make_words(PyObject *from, const char *name, value_of *read,
		      struct rdx_engine_word **ret_words)
{
	struct rdx_engine_word *words;
	int r = -1;

	if (!from || from == Py_None)
		return 0;
	if (!PyDict_Check(from)) {
		arguments_refuse(PyExc_TypeError, name, ARGUMENTS_WHOLE, from, "a dict");
		return -1;
	}
	from = PyDict_Copy(from); /* which nobody changes while it is read */
	words = from ? calloc((size_t)PyDict_Size(from) + 1, sizeof(*words)) : NULL;
	if (words)
		r = read_words(from, read, words);
	else
		PyErr_NoMemory();
	Py_XDECREF(from);
	if (r < 0)
		words_free(words);
	else
		*ret_words = words;
	return r;
}

int words_media(PyObject *from, struct rdx_engine_word **ret_words)
{
	return make_words(from, "media", tier_of, ret_words);
}

int words_types(PyObject *from, struct rdx_engine_word **ret_words)
{
	return make_words(from, "types", kind_of, ret_words);
}

void words_free(struct rdx_engine_word *words)
{
	for (struct rdx_engine_word *word = words; word && word->text; word++)
		free((char *)word->text);
	free(words);
}

static int read_list(PyObject *tuple, const char *name, char **list)
{
	for (Py_ssize_t i = 0; i < PyTuple_Size(tuple); i++) {
		const char *text = arguments_text(PyTuple_GetItem(tuple, i), name);

		if (!text)
			return -1;
		list[i] = strdup(text);
		if (!list[i]) {
			PyErr_NoMemory();
			return -1;
		}
	}
	return 0;
}

int words_list(PyObject *from, const char *name, char ***ret_list)
{
	PyObject *tuple;
	char **list;
	int r = -1;

	if (!from || from == Py_None)
		return 0;
	if (PyUnicode_Check(from)) {
		arguments_refuse(PyExc_TypeError, name, ARGUMENTS_WHOLE, from, "a list of texts");
		return -1;
	}
	tuple = PySequence_Tuple(from);
	if (!tuple)
		return -1;
	list = calloc((size_t)PyTuple_Size(tuple) + 1, sizeof(*list));
	if (list)
		r = read_list(tuple, name, list);
	else
		PyErr_NoMemory();
	Py_DECREF(tuple);
	if (r < 0)
		words_free_list(list);
	else
		*ret_list = list;
	return r;
}

void words_free_list(char **list)
{
	for (char **text = list; text && *text; text++)
		free(*text);
	free(list);
}
