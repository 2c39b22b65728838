/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/arguments.h"

#include <ringdex/rdx_types.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_SECOND 1e9
#define SECONDS_MAX   9.2e9
#define SHOWN_MAX     40

/* The first `SHOWN_MAX` of `count`, by that format and with dots where there is more. Takes the part over, which is
 * NULL with an exception. */
static PyObject *shown_part(const char *format, PyObject *part, Py_ssize_t count)
{
	PyObject *shown =
		part ? PyUnicode_FromFormat(format, part, count > SHOWN_MAX ? "..." : "") : NULL;

	Py_XDECREF(part);
	return shown;
}

/* As repr() writes it. */
static PyObject *shown_text(PyObject *text)
{
	return shown_part("%R%s", PyUnicode_Substring(text, 0, SHOWN_MAX),
			  PyUnicode_GetLength(text));
}

static PyObject *shown_bytes(PyObject *bytes)
{
	Py_ssize_t count = PyBytes_Size(bytes);
	PyObject *part = PyBytes_FromStringAndSize(PyBytes_AsString(bytes),
						   count < SHOWN_MAX ? count : SHOWN_MAX);

	return shown_part("%R%s", part, count);
}

/* To write more digits than a double reaches takes long. */
static PyObject *shown_int(PyObject *number)
{
	PyObject *digits, *shown;

	if (PyLong_AsDouble(number) == -1.0 && PyErr_Occurred()) {
		PyErr_Clear();
		return PyUnicode_FromString("an int of over 300 digits");
	}
	digits = PyNumber_ToBase(number, 10);
	if (!digits)
		return NULL;
	shown = shown_part("%U%s", PyUnicode_Substring(digits, 0, SHOWN_MAX),
			   PyUnicode_GetLength(digits));
	Py_DECREF(digits);
	return shown;
}

PyObject *arguments_shown(PyObject *from)
{
	PyObject *name, *shown;

	if (from == Py_None || PyBool_Check(from) || PyFloat_CheckExact(from))
		return PyObject_Repr(from);
	if (PyLong_Check(from))
		return shown_int(from);
	if (PyUnicode_Check(from))
		return shown_text(from);
	if (PyBytes_Check(from))
		return shown_bytes(from);
	name = PyType_GetName(Py_TYPE(from));
	shown = name ? PyUnicode_FromFormat("an object of type %.100U", name) : NULL;
	Py_XDECREF(name);
	return shown;
}

void arguments_refuse(PyObject *type, const char *name, Py_ssize_t at, PyObject *from,
		      const char *advice)
{
	PyObject *shown;

	PyErr_Clear();
	shown = arguments_shown(from);
	if (!shown)
		return;
	if (!name)
		PyErr_Format(type, "%U: give %s", shown, advice);
	else if (at < 0)
		PyErr_Format(type, "%s is %U: give %s", name, shown, advice);
	else
		PyErr_Format(type, "%s[%zd] is %U: give %s", name, at, shown, advice);
	Py_DECREF(shown);
}

static int read_unsigned(PyObject *from, uint64_t max, uint64_t *ret_value)
{
	PyObject *number = PyNumber_Index(from);
	char advice[64];
	uint64_t value;

	if (!number)
		return 0;
	value = PyLong_AsUnsignedLongLong(number);
	if ((value == UINT64_MAX && PyErr_Occurred()) || value > max) {
		snprintf(advice, sizeof(advice), "a number from 0 to %llu",
			 (unsigned long long)max);
		arguments_refuse(PyExc_ValueError, NULL, ARGUMENTS_WHOLE, number, advice);
		Py_DECREF(number);
		return 0;
	}
	Py_DECREF(number);
	*ret_value = value;
	return 1;
}

int arguments_u64(PyObject *from, void *ret_u64)
{
	return read_unsigned(from, UINT64_MAX, ret_u64);
}

int arguments_u32(PyObject *from, void *ret_u32)
{
	uint64_t value;

	if (!read_unsigned(from, UINT32_MAX, &value))
		return 0;
	*(uint32_t *)ret_u32 = (uint32_t)value;
	return 1;
}

int arguments_seconds(PyObject *from, void *ret_u64)
{
	double seconds = PyFloat_AsDouble(from);

	if (seconds == -1.0 && PyErr_Occurred())
		return 0;
	if (!(seconds >= 0 && seconds <= SECONDS_MAX)) {
		arguments_refuse(PyExc_ValueError, NULL, ARGUMENTS_WHOLE, from,
				 "seconds, 0 or more");
		return 0;
	}
	*(uint64_t *)ret_u64 = (uint64_t)(seconds * NS_PER_SECOND);
	return 1;
}

int arguments_tier(PyObject *from, void *ret_u8)
{
	const char *text;

	if (!PyUnicode_Check(from)) {
		uint64_t tier;

		if (!read_unsigned(from, RDX_TIER_COUNT - 1, &tier))
			return 0;
		*(uint8_t *)ret_u8 = (uint8_t)tier;
		return 1;
	}
	text = arguments_text(from, "tier");
	for (uint8_t tier = 0; text && tier < RDX_TIER_COUNT; tier++) {
		if (strcmp(rdx_tier_text(tier), text) != 0)
			continue;
		*(uint8_t *)ret_u8 = tier;
		return 1;
	}
	if (text)
		arguments_refuse(PyExc_ValueError, "tier", ARGUMENTS_WHOLE, from,
				 "device, host, disk or external");
	return 0;
}

PyObject *arguments_list(PyObject *from)
{
	if (PyList_Check(from) || PyTuple_Check(from))
		return Py_NewRef(from);
	/* one that has keys is a mapping, which looks like a sequence from here */
	if (PySequence_Check(from) && !PyUnicode_Check(from) && !PyDict_Check(from) &&
	    !PyObject_HasAttrString(from, "keys"))
		return PySequence_List(from);
	PyErr_SetString(PyExc_TypeError, "no list, and no other sequence");
	return NULL;
}

int arguments_path(PyObject *from, void *ret_bytes)
{
	if (from == Py_None) {
		*(PyObject **)ret_bytes = NULL;
		return 1;
	}
	return PyUnicode_FSConverter(from, ret_bytes) != 0;
}

int arguments_word(const char *name, const char *text, const char *const *words)
{
	PyObject *list;

	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	list = PyUnicode_FromString(words[0]);
	for (int i = 1; list && words[i]; i++) {
		PyObject *longer = PyUnicode_FromFormat("%U, %s", list, words[i]);

		Py_DECREF(list);
		list = longer;
	}
	if (list)
		PyErr_Format(PyExc_ValueError, "%s is \"%s\": give one of %U", name, text, list);
	Py_XDECREF(list);
	return -1;
}

const char *arguments_text(PyObject *from, const char *name)
{
	Py_ssize_t bytes;
	const char *text;

	if (!PyUnicode_Check(from)) {
		arguments_refuse(PyExc_TypeError, name, ARGUMENTS_WHOLE, from, "a text");
		return NULL;
	}
	text = PyUnicode_AsUTF8AndSize(from, &bytes);
	if (text && strlen(text) != (size_t)bytes) {
		PyErr_Format(PyExc_ValueError, "%s has a NUL character", name);
		return NULL;
	}
	return text;
}
