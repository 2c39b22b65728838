/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/event_declared.h"

#include "python/ext/event.h"

PyObject *event_attribute_called(PyObject *from, const char *name, int *error)
{
	PyObject *text = PyUnicode_FromString(name), *value;

	if (!text) {
		*error = -1;
		return NULL;
	}
	value = event_attribute(from, text, error);
	Py_DECREF(text);
	return value;
}

/* Names are gathered as the keys of a dict: each once, in order. -1 with an exception. */
static int add_name(PyObject *names, PyObject *name)
{
	return PyDict_SetItem(names, name, Py_None);
}

static PyObject *list_of_fields(PyObject *type, int *error)
{
	static const char *const ways[] = {"__struct_fields__", "__dataclass_fields__",
					   "model_fields", NULL};
	PyObject *list = NULL;

	for (int i = 0; !list && !*error && ways[i]; i++)
		list = event_attribute_called(type, ways[i], error);
	if (!list && !*error && PyType_IsSubtype((PyTypeObject *)type, &PyTuple_Type))
		list = event_attribute_called(type, "_fields", error);
	return list;
}

/* Fields that the class declares. 1: it does; 0; -1 with an exception. */
static int add_declared(PyObject *names, PyObject *type)
{
	int error = 0;
	PyObject *list = list_of_fields(type, &error), *tuple;

	if (!list)
		return error;
	tuple = PySequence_Tuple(list);
	Py_DECREF(list);
	if (!tuple)
		return -1;
	for (Py_ssize_t i = 0; !error && i < PyTuple_Size(tuple); i++)
		error = add_name(names, PyTuple_GetItem(tuple, i));
	Py_DECREF(tuple);
	return error < 0 ? -1 : 1;
}

/* With two underscores there are places of a class's machinery. */
static int is_machinery(PyObject *name)
{
	return PyUnicode_GetLength(name) > 1 && PyUnicode_ReadChar(name, 0) == '_' &&
	       PyUnicode_ReadChar(name, 1) == '_';
}

static int add_slots_of(PyObject *names, PyObject *base)
{
	PyObject *dict = PyObject_GetAttrString(base, "__dict__");
	PyObject *items = dict ? PyMapping_Items(dict) : NULL;
	int r = items ? 0 : -1;

	for (Py_ssize_t i = 0; r == 0 && i < PyList_Size(items); i++) {
		PyObject *item = PyList_GetItem(items, i), *name = PyTuple_GetItem(item, 0);

		if (PyUnicode_Check(name) && !is_machinery(name) &&
		    Py_IS_TYPE(PyTuple_GetItem(item, 1), &PyMemberDescr_Type))
			r = add_name(names, name);
	}
	Py_XDECREF(items);
	Py_XDECREF(dict);
	return r;
}

/* Slots of the class and of those that it is made of. */
static int add_slots(PyObject *names, PyObject *type)
{
	PyObject *bases = PyObject_GetAttrString(type, "__mro__");
	int r = bases ? 0 : -1;

	for (Py_ssize_t i = 0; r == 0 && i < PyTuple_Size(bases); i++)
		r = add_slots_of(names, PyTuple_GetItem(bases, i));
	Py_XDECREF(bases);
	return r;
}

/* Fields that the translator has a place for: those that the class has, as properties for instance, or all. */
static int add_known(PyObject *names, PyObject *type, int all)
{
	int error = 0;

	for (int field = 0; !error && field < EVENT_FIELDS; field++) {
		const char *known = event_field_name(field);
		PyObject *name = known ? PyUnicode_InternFromString(known) : NULL;
		PyObject *has = name && !all ? event_attribute(type, name, &error) : NULL;

		if (known && !name)
			error = -1;
		if (!error && (has || (name && all)))
			error = add_name(names, name);
		Py_XDECREF(has);
		Py_XDECREF(name);
	}
	return error;
}

PyObject *event_declared(PyObject *type)
{
	PyObject *names = PyDict_New();
	int r = names ? add_declared(names, type) : -1;

	if (r < 0 || add_slots(names, type) < 0 || add_known(names, type, !r) < 0) {
		Py_XDECREF(names);
		return NULL;
	}
	return names;
}
