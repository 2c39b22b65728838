/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/publisher.h"

#include "python/ext/arguments.h"
#include "python/ext/event_class.h"

#include <errno.h>
#include <string.h>

/* Removals that wait for their neighbours. */
struct pending {
	struct rdx_engine_event event; /* count 0: there are none */
	struct event_values values;    /* whose texts the event has */
};

struct walk {
	struct publisher *self;
	struct pending pending;
	uint64_t time_ns;
	uint32_t unreadable;
	int r; /* of the library: no call after it can succeed */
};

/* An event is lost, for a cause that is handed over. */
static void lose(struct walk *walk, PyObject *cause)
{
	if (walk->r == 0)
		walk->r = rdx_engine_unreadable(walk->self->engine, walk->time_ns);
	walk->unreadable++;
	Py_XDECREF(walk->self->unreadable);
	walk->self->unreadable = cause;
}

/* What is refused is lost, and the batch goes on: one event, or the removals that were joined in it. */
static void publish(struct walk *walk, struct rdx_engine_event *event)
{
	PyObject *type, *value, *traceback;

	event->time_ns = walk->time_ns;
	walk->r = rdx_engine_publish(walk->self->engine, event);
	if (walk->r != -EINVAL)
		return;
	walk->r = 0;
	PyErr_Fetch(&type, &value,
		    &traceback); /* it may be the end of a batch that one has ended */
	lose(walk, PyUnicode_FromString("the event's fields do not fit together"));
	PyErr_Restore(type, value, traceback);
}

static void flush(struct walk *walk)
{
	struct pending *pending = &walk->pending;

	if (!pending->event.count)
		return;
	pending->event.names = walk->self->joined.bytes;
	publish(walk, &pending->event);
	pending->event.count = 0;
	event_class_drop(&pending->values);
}

/* An event that could not be read, by the exception that is set. -1: it is none of the event's. */
static int give_up(struct walk *walk)
{
	PyObject *type, *value, *traceback, *text = NULL;
	int is_error = PyErr_ExceptionMatches(PyExc_Exception);

	PyErr_Fetch(&type, &value, &traceback);
	flush(walk);
	text = is_error ? PyObject_Str(value ? value : type) : NULL;
	if (!text)
		PyErr_Clear();
	lose(walk, text);
	if (!is_error) {
		PyErr_Restore(type, value, traceback);
		return -1;
	}
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(traceback);
	return 0;
}

/* As rdx_engine_joins. An event that waits needs a type that stays. */
static int joins(const struct publisher *self, const struct rdx_engine_event *first,
		 const struct rdx_engine_event *next)
{
	const struct rdx_engine_options options = {.size = sizeof(options), .types = self->types};

	return event_class_removal(first->type) && rdx_engine_joins(&options, first, next);
}

/* -1 with an exception. */
static int append(struct walk *walk, const void *names, uint32_t count)
{
	struct rdx_engine_event *event = &walk->pending.event;
	size_t bytes = event->name_bytes, before = event->count * bytes;
	uint8_t *all = room_reserve(&walk->self->joined, before + count * bytes);

	if (!all)
		return -1;
	memcpy(all + before, names, count * bytes);
	event->count += count;
	return 0;
}

/* Takes over the values. -1 with an exception. */
static int begin_pending(struct walk *walk, const struct rdx_engine_event *event,
			 struct event_values *values)
{
	flush(walk);
	walk->pending.event = *event;
	walk->pending.event.count = 0;
	if (append(walk, event->names, event->count) < 0)
		return -1;
	walk->pending.values = *values;
	*values = (struct event_values){{NULL}};
	return 0;
}

/* One that is decoded. -1 with an exception. */
static int take(struct walk *walk, struct rdx_engine_event *event, struct event_values *values)
{
	struct pending *pending = &walk->pending;

	if (!joins(walk->self, event, NULL)) {
		flush(walk);
		if (walk->r == 0)
			publish(walk, event);
		return 0;
	}
	if (pending->event.count && joins(walk->self, &pending->event, event))
		return append(walk, event->names, event->count);
	return begin_pending(walk, event, values);
}

/* -1 with an exception. */
static int decode(struct walk *walk, const char *type, uint32_t unknown,
		  struct event_values *values)
{
	struct rdx_engine_event event;
	int r = event_read(&walk->self->reader, values, &event);

	if (r == 0) {
		event.type = type;
		event.unknown_fields = unknown;
		r = take(walk, &event, values);
	}
	event_done(&walk->self->reader);
	return r;
}

/* Are all values but the names the very objects of the removal before? */
static int repeats(const struct pending *pending, const struct event_values *values)
{
	for (int field = 0; field < EVENT_FIELDS; field++) {
		if (field != EVENT_NAMES && pending->values.of[field] != values->of[field])
			return 0;
	}
	return pending->event.count != 0 && values->of[EVENT_NAMES];
}

/* The only name of a list, a plain int: as engines remove most blocks. 0: it is something else. */
static int only_name(PyObject *list, uint64_t *ret_name)
{
	PyObject *name;
	int r;

	if (!PyList_CheckExact(list) || PyList_Size(list) != 1)
		return 0;
	name = arguments_item(list, 0);
	if (!name)
		PyErr_Clear(); /* it was just taken away */
	r = name && PyLong_CheckExact(name) && numbers_word(name, ret_name);
	Py_XDECREF(name);
	return r;
}

/* 1: one more removal like that before was taken; 0: it was not; -1 with an exception. */
static int take_repeated(struct walk *walk, const struct event_values *values)
{
	struct publisher *self = walk->self;
	struct numbers names;
	uint64_t name;
	int r = 0;

	if (walk->pending.event.count < RDX_ENGINE_JOINED_MAX &&
	    walk->pending.event.name_bytes == sizeof(name) &&
	    only_name(values->of[EVENT_NAMES], &name))
		return append(walk, &name, 1) < 0 ? -1 : 1;
	if (!numbers_stay(values->of[EVENT_NAMES]))
		return 0; /* what is not taken here is read again */
	if (numbers_names(&names, values->of[EVENT_NAMES], &self->reader.names, "block_hashes") < 0)
		return -1;
	if (names.width == walk->pending.event.name_bytes &&
	    names.count + walk->pending.event.count <= RDX_ENGINE_JOINED_MAX)
		r = append(walk, names.at, (uint32_t)names.count) < 0 ? -1 : 1;
	numbers_free(&names);
	return r;
}

static int read_object(struct walk *walk, PyObject *from, struct event_class *class,
		       struct event_values *values)
{
	uint32_t unknown = 0;
	int r = event_class_read(class, from, walk->self->engine, values, &unknown);

	if (r == 0 && class->type_text == walk->pending.event.type && !unknown &&
	    repeats(&walk->pending, values))
		r = take_repeated(walk, values);
	if (r != 0)
		return r < 0 ? -1 : 0;
	return decode(walk, class->type_text, unknown, values);
}

static int read_dict(struct walk *walk, PyObject *from, struct event_values *values)
{
	uint32_t unknown = 0;
	PyObject *type = arguments_value(from, "type"); /* which the dict may lose meanwhile */
	const char *text = type ? arguments_text(type, "type") : NULL;
	int r = -1;

	if (!type)
		PyErr_SetString(PyExc_ValueError, "an event has no type");
	/* that of a removal that waits has to stay */
	if (text && event_class_read_dict(from, walk->self->engine, values, &unknown) == 0)
		r = decode(walk, event_class_removal(text) ? event_class_removal(text) : text,
			   unknown, values);
	Py_XDECREF(type);
	return r;
}

/* -1 with an exception that is none of the event's. */
static int read_event(struct walk *walk, PyObject *from)
{
	struct event_values values = {{NULL}};
	struct event_class *class = NULL;
	int r;

	if (PyDict_Check(from)) {
		r = read_dict(walk, from, &values);
	} else {
		class = event_class_of(from);
		r = class ? read_object(walk, from, class, &values) : -1;
	}
	if (r < 0)
		r = give_up(walk);
	if (class)
		event_class_done(class);
	event_class_drop(&values);
	return r;
}

static void refuse_batch(PyObject *batch)
{
	PyObject *shown;

	PyErr_Clear();
	shown = arguments_shown(batch);
	if (shown)
		PyErr_Format(PyExc_TypeError,
			     "%U is no batch: give an object with events, or a list of events",
			     shown);
	Py_XDECREF(shown);
}

/* The events of a batch: a list or a tuple, a new reference. */
static PyObject *events_of(PyObject *batch)
{
	PyObject *events, *list;

	if (PyList_Check(batch) || PyTuple_Check(batch)) {
		Py_INCREF(batch);
		return batch;
	}
	events = PyDict_Check(batch) ? arguments_value(batch, "events")
				     : PyObject_GetAttrString(batch, "events");
	list = events ? arguments_list(events) : NULL;
	Py_XDECREF(events);
	if (!list && (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_Exception)))
		refuse_batch(batch);
	return list;
}

/* Until the end, or an exception, or an error of the library. */
static void walk_all(struct walk *walk, PyObject *events)
{
	int r = 0;

	/* the size is asked each time: reading an event may run anything */
	for (Py_ssize_t i = 0; r == 0 && walk->r == 0 && i < arguments_length(events); i++) {
		PyObject *from = arguments_item(events, i);

		r = from ? read_event(walk, from) : -1;
		Py_XDECREF(from);
	}
}

PyObject *batch_publish(struct publisher *self, PyObject *batch, int has_sequence,
			uint64_t sequence)
{
	struct walk walk = {.self = self, .time_ns = publisher_now()};
	PyObject *events = events_of(batch);

	rdx_publisher_begin_batch(self->publisher);
	if (has_sequence)
		walk.r = rdx_engine_sequence(self->engine, sequence, walk.time_ns);
	if (events && walk.r == 0)
		walk_all(&walk, events);
	else if (walk.r == 0)
		rdx_engine_unreadable(self->engine, walk.time_ns); /* and the caller hears of it */
	flush(&walk);
	rdx_publisher_end_batch(self->publisher);
	Py_XDECREF(events);
	if (PyErr_Occurred())
		return NULL;
	if (walk.r < 0)
		return publisher_result(walk.r);
	return PyLong_FromUnsignedLong(walk.unreadable);
}
