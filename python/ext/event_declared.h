/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a class says of its events: by which names to ask one for all that it has, but for what it may have beside.
 */
#ifndef EVENT_DECLARED_H
#define EVENT_DECLARED_H

#include "python/ext/module.h"

/* Names of the fields that the class declares (a msgspec struct, a dataclass, a pydantic model, a named tuple), of
 * its slots, and of the known fields that it has as properties; where it declares none, of all known fields. The
 * keys of a new dict; NULL with an exception. */
PyObject *event_declared(PyObject *type);

/* A value that was found, or none: then NULL, and -1 in `*error` where it is not that it is absent. */
static inline PyObject *event_or_absent(PyObject *value, int *error)
{
	if (!value && PyErr_ExceptionMatches(PyExc_AttributeError))
		PyErr_Clear();
	else if (!value)
		*error = -1;
	return value;
}

/* An attribute, a new reference; as above. */
static inline PyObject *event_attribute(PyObject *from, PyObject *name, int *error)
{
	return event_or_absent(PyObject_GetAttr(from, name), error);
}
PyObject *event_attribute_called(PyObject *from, const char *name, int *error);

#endif
