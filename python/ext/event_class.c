/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/event_class.h"

#include "python/ext/arguments.h"
#include "python/ext/event_declared.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 64

/* Of all publishers, for ever: a class that is kept does not go away. The first ones are not NULL. */
static struct event_class *_Atomic kept[KEPT_MAX];

const char *event_class_removal(const char *type)
{
	static const char *const words[] = {"BlockRemoved", "removed"};

	for (int i = 0; i < 2; i++) {
		if (strcmp(words[i], type) == 0)
			return words[i];
	}
	return NULL;
}

static int field_of(const char *name)
{
	for (int field = 0; field < EVENT_FIELDS; field++) {
		const char *known = event_field_name(field);

		if (known && strcmp(known, name) == 0)
			return field;
	}
	return -1;
}

static int matters(const struct rdx_engine *engine, const char *name)
{
	return rdx_engine_field(engine, name) == RDX_ENGINE_FIELD_UNKNOWN;
}

/* Structs and classes with slots have an attribute at one place: asking that is half of asking by name.
 * -1 with an exception. */
static int find_slot(PyObject *type, PyObject *name, PyObject **ret_slot)
{
	int error = 0;
	PyObject *slot;

	if (PyType_GetSlot((PyTypeObject *)type, Py_tp_getattro) != (void *)PyObject_GenericGetAttr)
		return 0;
	slot = event_attribute(type, name, &error);
	if (slot && Py_IS_TYPE(slot, &PyMemberDescr_Type))
		*ret_slot = slot;
	else
		Py_XDECREF(slot);
	return error;
}

static int add_attribute(struct event_class *class, PyObject *name)
{
	const char *text = arguments_text(name, "an attribute's name");
	PyObject *slot = NULL;
	int field;

	if (!text)
		return -1;
	field = field_of(text);
	if (field < 0 && !matters(NULL, text))
		return 0; /* harmless, for all translators */
	if (find_slot(class->type, name, &slot) < 0)
		return -1;
	Py_INCREF(name);
	class->attributes[class->count++] = (struct event_attribute){name, slot, field};
	return 0;
}

static int find_attributes(struct event_class *class)
{
	PyObject *names = event_declared(class->type), *name, *none;
	Py_ssize_t at = 0;
	int error = 0;

	if (!names)
		return -1;
	class->attributes = calloc((size_t)PyDict_Size(names) + 1, sizeof(*class->attributes));
	if (!class->attributes) {
		PyErr_NoMemory();
		error = -1;
	}
	while (!error && PyDict_Next(names, &at, &name, &none))
		error = add_attribute(class, name);
	Py_DECREF(names);
	return error;
}

/* Where events of the class have attributes that it does not declare: of their own, and a pydantic model's. */
static int find_others(struct event_class *class)
{
	int error = 0;
	PyObject *offset = event_attribute_called(class->type, "__dictoffset__", &error);
	PyObject *extra = event_attribute_called(class->type, "__pydantic_extra__", &error);

	if (offset && PyLong_AsSsize_t(offset) != 0)
		class->others[0] = PyUnicode_InternFromString("__dict__");
	if (extra)
		class->others[1] = PyUnicode_InternFromString("__pydantic_extra__");
	Py_XDECREF(offset);
	Py_XDECREF(extra);
	return error || PyErr_Occurred() ? -1 : 0;
}

static int find_name(struct event_class *class)
{
	int error = 0;
	PyObject *name = event_attribute_called(class->type, "__name__", &error);
	const char *text = name ? arguments_text(name, "a class's name") : NULL;

	class->name = text ? strdup(text) : NULL;
	Py_XDECREF(name);
	if (!class->name && !PyErr_Occurred())
		PyErr_NoMemory();
	if (!class->name)
		return -1;
	class->type_text = event_class_removal(class->name);
	if (!class->type_text)
		class->type_text = class->name;
	return 0;
}

static void free_class(struct event_class *class)
{
	for (Py_ssize_t i = 0; i < class->count; i++) {
		Py_DECREF(class->attributes[i].name);
		Py_XDECREF(class->attributes[i].slot);
	}
	for (int i = 0; i < EVENT_OTHERS; i++)
		Py_XDECREF(class->others[i]);
	Py_XDECREF(class->type);
	free(class->attributes);
	free(class->name);
	free(class);
}

/* Keep it where there is room, or take the one that another thread kept of the same type meanwhile. */
static struct event_class *keep(struct event_class *class)
{
	class->is_kept = 1;
	for (int i = 0; i < KEPT_MAX; i++) {
		struct event_class *there = NULL;

		if (atomic_compare_exchange_strong_explicit(
			    &kept[i], &there, class, memory_order_acq_rel, memory_order_acquire))
			return class;
		if (there->type == class->type) {
			free_class(class);
			return there;
		}
	}
	class->is_kept = 0;
	return class;
}

static struct event_class *learn(PyObject *type)
{
	struct event_class *class = calloc(1, sizeof(*class));

	if (!class) {
		PyErr_NoMemory();
		return NULL;
	}
	Py_INCREF(type);
	class->type = type;
	if (find_name(class) < 0 || find_attributes(class) < 0 || find_others(class) < 0) {
		free_class(class);
		return NULL;
	}
	return keep(class);
}

struct event_class *event_class_of(PyObject *event)
{
	PyObject *type = (PyObject *)Py_TYPE(event);

	for (int i = 0; i < KEPT_MAX; i++) {
		struct event_class *class = atomic_load_explicit(&kept[i], memory_order_acquire);

		if (!class)
			break;
		if (class->type == type)
			return class;
	}
	return learn(type);
}

void event_class_done(struct event_class *class)
{
	if (!class->is_kept)
		free_class(class);
}

void event_class_drop(struct event_values *values)
{
	for (int field = 0; field < EVENT_FIELDS; field++) {
		PyObject *value = values->of[field];

		values->of[field] = NULL;
		Py_XDECREF(value);
	}
}

/* By the very object first, as nearly all are. */
static int is_attribute(const struct event_class *class, PyObject *name)
{
	for (Py_ssize_t i = 0; i < class->count; i++) {
		if (class->attributes[i].name == name)
			return 1;
	}
	for (Py_ssize_t i = 0; i < class->count; i++) {
		if (PyUnicode_Compare(class->attributes[i].name, name) == 0)
			return 1;
	}
	return 0;
}

/* What is in a dict beside the attributes of the class, where there is one. */
static int read_dict(PyObject *dict, const struct event_class *class,
		     const struct rdx_engine *engine, struct event_values *values,
		     uint32_t *unknown)
{
	PyObject *name, *value;
	Py_ssize_t at = 0;

	while (PyDict_Next(dict, &at, &name, &value)) {
		const char *text;
		int field;

		if (class && PyUnicode_Check(name) &&
		    (value == Py_None || is_attribute(class, name)))
			continue;
		text = arguments_text(name, "a field's name");
		if (!text)
			return -1;
		field = field_of(text);
		if (field >= 0 && !values->of[field])
			values->of[field] = Py_NewRef(value);
		else if (field < 0 && value != Py_None)
			*unknown += strcmp(text, "type") != 0 && matters(engine, text);
	}
	return 0;
}

/* What the event has in its dict `name`. */
static int read_others(const struct event_class *class, PyObject *event, PyObject *name,
		       const struct rdx_engine *engine, struct event_values *values,
		       uint32_t *unknown)
{
	int error = 0;
	PyObject *dict = event_attribute(event, name, &error);

	if (dict && PyDict_Check(dict)) {
		MODULE_HOLD(dict);
		error = read_dict(dict, class, engine, values, unknown);
		MODULE_LET_GO();
	}
	Py_XDECREF(dict);
	return error;
}

static PyObject *get_slot(PyObject *slot, PyObject *event, PyObject *type)
{
	static descrgetfunc _Atomic found;
	descrgetfunc get = atomic_load_explicit(&found, memory_order_relaxed);

	if (!get) {
		get = (descrgetfunc)PyType_GetSlot(&PyMemberDescr_Type, Py_tp_descr_get);
		atomic_store_explicit(&found, get, memory_order_relaxed);
	}
	return get(slot, event, type);
}

int event_class_read(const struct event_class *class, PyObject *event,
		     const struct rdx_engine *engine, struct event_values *ret_values,
		     uint32_t *ret_unknown)
{
	int error = 0, r = 0;

	for (Py_ssize_t i = 0; i < class->count; i++) {
		const struct event_attribute *attribute = &class->attributes[i];
		PyObject *value =
			attribute->slot
				? event_or_absent(get_slot(attribute->slot, event, class->type),
						  &error)
				: event_attribute(event, attribute->name, &error);

		if (error)
			return -1;
		if (attribute->field >= 0) {
			ret_values->of[attribute->field] = value;
			continue;
		}
		if (value && value != Py_None)
			*ret_unknown +=
				matters(engine, PyUnicode_AsUTF8AndSize(attribute->name, NULL));
		Py_XDECREF(value);
	}
	for (int i = 0; r == 0 && i < EVENT_OTHERS; i++)
		if (class->others[i])
			r = read_others(class, event, class->others[i], engine, ret_values,
					ret_unknown);
	return r;
}

int event_class_read_dict(PyObject *dict, const struct rdx_engine *engine,
			  struct event_values *ret_values, uint32_t *ret_unknown)
{
	int r;

	MODULE_HOLD(dict);
	r = read_dict(dict, NULL, engine, ret_values, ret_unknown);
	MODULE_LET_GO();
	return r;
}
