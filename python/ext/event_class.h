/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which attributes an event has, found once for each class: engines have three or four.
 */
#ifndef EVENT_CLASS_H
#define EVENT_CLASS_H

#include "python/ext/event.h"

/* One attribute. */
struct event_attribute {
	PyObject *name;
	PyObject *slot; /* where objects of the class have it, or NULL: it is asked for by name */
	int field;      /* enum event_field, or -1: the translator says whether it matters */
};

#define EVENT_OTHERS 2

/* A msgspec struct, a dataclass, a pydantic model, a named tuple, or any other class. */
struct event_class {
	PyObject *type;
	char *name;
	const char *type_text; /* the name, or event_class_removal of it */
	struct event_attribute *attributes;
	Py_ssize_t count;
	PyObject *others
		[EVENT_OTHERS]; /* names of dicts with what the class does not declare, or NULL */
	int is_kept;
};

/* The class of an event. NULL with an exception. */
struct event_class *event_class_of(PyObject *event);

/* Done with it. */
void event_class_done(struct event_class *class);

/* The event's values, as new references, and how many of its other attributes matter. -1 with an
 * exception; event_class_drop then, too. */
int event_class_read(const struct event_class *class, PyObject *event,
		     const struct rdx_engine *engine, struct event_values *ret_values,
		     uint32_t *ret_unknown);

/* The same of a dict, as one that was msgpack is. */
int event_class_read_dict(PyObject *dict, const struct rdx_engine *engine,
			  struct event_values *ret_values, uint32_t *ret_unknown);

void event_class_drop(struct event_values *values);

/* The word itself, which stays, where it is "BlockRemoved" or "removed"; else NULL. */
const char *event_class_removal(const char *type);

#endif
