/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments of the calls, as converters of PyArg_ParseTupleAndKeywords ("O&"): 1, or 0 with an
 * exception. Numbers are whole and in range, texts have no NUL inside.
 */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

#include "python/ext/module.h"

#include <stdint.h>

/* What was given, short, for who reads an exception: a number, None, the beginning of a text or of bytes, else its
 * type. No code of the object's own runs, which could take long or do anything. NULL with an exception. */
PyObject *arguments_shown(PyObject *from);

/* Raise `type`: "NAME[at] is WHAT: give ADVICE"; without [at] where that is negative, without NAME where that is
 * NULL. Replaces an exception that is set. */
void arguments_refuse(PyObject *type, const char *name, Py_ssize_t at, PyObject *from,
		      const char *advice);
#define ARGUMENTS_WHOLE (-1) /* `at` of what is no element */

/* A whole number, also one of numpy. */
int arguments_u64(PyObject *from, void *ret_u64);
int arguments_u32(PyObject *from, void *ret_u32);

/* Seconds, as nanoseconds; up to 292 years. */
int arguments_seconds(PyObject *from, void *ret_u64);

/* A tier by its name or number. */
int arguments_tier(PyObject *from, void *ret_u8);

/* A path, or None: a bytes object that is the caller's, or NULL. */
int arguments_path(PyObject *from, void *ret_bytes);

/* Which of `words`, the last of which is NULL, `text` is: its index; -1 with an exception that names
 * the argument and the words. */
int arguments_word(const char *name, const char *text, const char *const *words);

/* A list or a tuple as it is, or a list of another sequence's elements; a new reference. NULL with a TypeError where
 * elements have no places, or with what its own code raises: an iterator is used up by who reads it, a set has its
 * elements in whatever order, a dict is no list of its keys, a text none of its letters. */
PyObject *arguments_list(PyObject *from);

/* Elements of a list or tuple as it is, whatever a subclass says of it: none of its code runs. */
static inline Py_ssize_t arguments_length(PyObject *list)
{
	return PyList_Check(list) ? PyList_Size(list) : PyTuple_Size(list);
}

/* One of them, a new reference; NULL with an exception: there are fewer. */
static inline PyObject *arguments_item(PyObject *list, Py_ssize_t at)
{
#ifdef Py_GIL_DISABLED
	if (PyList_Check(list))
		return PyList_GetItemRef(list, at);
	return Py_XNewRef(PyTuple_GetItem(list, at));
#else
	return Py_XNewRef(PyList_Check(list) ? PyList_GetItem(list, at)
					     : PyTuple_GetItem(list, at));
#endif
}

/* A value of a dict, a new reference; NULL without an exception: there is none. */
static inline PyObject *arguments_value(PyObject *dict, const char *name)
{
#ifdef Py_GIL_DISABLED
	PyObject *value;

	if (PyDict_GetItemStringRef(dict, name, &value) < 0)
		PyErr_Clear();
	return value;
#else
	return Py_XNewRef(PyDict_GetItemString(dict, name));
#endif
}

/* The text of an object, valid as long as that is; NULL with an exception. */
const char *arguments_text(PyObject *from, const char *name);

#endif
