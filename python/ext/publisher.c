/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/publisher.h"

#include "python/ext/arguments.h"
#include "python/ext/errors.h"
#include "python/ext/rows.h"
#include "python/ext/words.h"

#include <errno.h>
#include <time.h>

static const struct error_advice publish_advice[] = {
	{EBUSY,
	 "another process took the rank while this one's files were gone: close, and open again"},
	{EOVERFLOW, "the ring's positions are used up: close, and open again"},
	{EINVAL, "names, keys or tokens contradict each other"},
	{0, NULL},
};

PyObject *publisher_result(int r)
{
	if (r < 0)
		return errors_raise(r, "publish", publish_advice);
	Py_RETURN_NONE;
}

uint64_t publisher_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static PyObject *publisher_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct publisher *self = (struct publisher *)PyType_GenericAlloc(type, 0);

	if (self && publisher_open(self, args, kwargs) < 0)
		Py_CLEAR(self);
	return (PyObject *)self;
}

/* Keep the last figures, and close. Inside the handle, or the last to have it. */
static void close_both(struct publisher *self)
{
	struct rdx_publisher *publisher = self->publisher;
	struct rdx_engine *engine = self->engine;

	self->publisher = NULL;
	self->engine = NULL;
	handle_close(&self->handle);
	if (!publisher)
		return;
	self->stats.size = sizeof(self->stats);
	self->engine_stats.size = sizeof(self->engine_stats);
	rdx_publisher_get_stats(publisher, &self->stats);
	if (engine)
		rdx_engine_get_stats(engine, &self->engine_stats);
	Py_BEGIN_ALLOW_THREADS;
	rdx_engine_close(engine);
	rdx_publisher_close(publisher);
	Py_END_ALLOW_THREADS;
}

static void publisher_dealloc(struct publisher *self)
{
	PyTypeObject *type = Py_TYPE((PyObject *)self);
	freefunc free_self = (freefunc)PyType_GetSlot(type, Py_tp_free);

	if (!handle_is_torn(&self->handle)) {
		close_both(self);
		event_reader_free(&self->reader);
		room_free(&self->joined);
	}
	words_free(self->media);
	words_free(self->types);
	words_free_list(self->counting_kinds);
	words_free_list(self->harmless_fields);
	Py_XDECREF(self->unreadable);
	free_self(self);
	Py_DECREF(type);
}

static PyObject *publisher_close(struct publisher *self, PyObject *none)
{
	(void)none;
	if (handle_enter(&self->handle) < 0)
		return NULL;
	close_both(self);
	handle_leave(&self->handle);
	Py_RETURN_NONE;
}

/* Publish an event of this type. What comes after the close does nothing. */
static PyObject *publish(struct publisher *self, const char *type,
			 const struct event_values *values)
{
	struct rdx_engine_event event;
	PyObject *result = NULL;

	if (handle_enter(&self->handle) < 0)
		return NULL;
	if (!self->publisher) {
		handle_leave(&self->handle);
		Py_RETURN_NONE;
	}
	if (event_read(&self->reader, values, &event) == 0) {
		event.type = type;
		event.time_ns = publisher_now();
		result = publisher_result(rdx_engine_publish(self->engine, &event));
	}
	event_done(&self->reader);
	handle_leave(&self->handle);
	return result;
}

static PyObject *publisher_stored(struct publisher *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"names",     "tokens",     "local_hashes", "parent",  "tier",
				"lora_name", "cache_salt", "extra_keys",   "mm_keys", "group",
				NULL};
	struct event_values values = {{NULL}};
	PyObject **of = values.of;

	if (!PyArg_ParseTupleAndKeywords(
		    args, kwargs, "O|$OOOOOOOOO:stored", words, &of[EVENT_NAMES], &of[EVENT_TOKENS],
		    &of[EVENT_LOCALS], &of[EVENT_PARENT], &of[EVENT_MEDIUM], &of[EVENT_LORA],
		    &of[EVENT_SALT], &of[EVENT_EXTRA_KEYS], &of[EVENT_MM_KEYS], &of[EVENT_GROUP]))
		return NULL;
	return publish(self, "stored", &values);
}

static PyObject *publisher_removed(struct publisher *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"names", "tier", "group", "remaining", NULL};
	struct event_values values = {{NULL}};
	PyObject **of = values.of;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OOO:removed", words, &of[EVENT_NAMES],
					 &of[EVENT_MEDIUM], &of[EVENT_GROUP], &of[EVENT_REMAINING]))
		return NULL;
	return publish(self, "removed", &values);
}

static PyObject *publisher_cleared(struct publisher *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"tier", NULL};
	struct event_values values = {{NULL}};

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:cleared", words,
					 &values.of[EVENT_MEDIUM]))
		return NULL;
	return publish(self, "cleared", &values);
}

static PyObject *publisher_inexact(struct publisher *self, PyObject *args, PyObject *kwargs)
{
	static const char *const hows[] = {"lacking", "unknown", NULL};
	static char *words[] = {"how", NULL};
	const char *text = "unknown";
	int how, r = 0;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|s:inexact", words, &text))
		return NULL;
	how = arguments_word("how", text, hows);
	if (how < 0 || handle_enter(&self->handle) < 0)
		return NULL;
	if (self->publisher)
		r = rdx_publish_inexact(self->publisher, (uint8_t)(how + RDX_INEXACT_LACKING),
					publisher_now());
	handle_leave(&self->handle);
	return publisher_result(r);
}

static PyObject *publisher_publish_batch(struct publisher *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"batch", "sequence", NULL};
	PyObject *batch, *number = Py_None, *result;
	uint64_t sequence = 0;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:publish_batch", words, &batch,
					 &number) ||
	    (number != Py_None && !arguments_u64(number, &sequence)) ||
	    handle_enter(&self->handle) < 0)
		return NULL;
	result = self->publisher ? batch_publish(self, batch, number != Py_None, sequence)
				 : PyLong_FromLong(0);
	handle_leave(&self->handle);
	return result;
}

static PyObject *publisher_check(struct publisher *self, PyObject *none)
{
	int r = 0;

	(void)none;
	if (handle_enter(&self->handle) < 0)
		return NULL;
	if (self->publisher) {
		Py_BEGIN_ALLOW_THREADS;
		r = rdx_publisher_check(self->publisher);
		Py_END_ALLOW_THREADS;
	}
	handle_leave(&self->handle);
	return r < 0 ? errors_raise(r, "make the rank's files again", publish_advice)
		     : PyBool_FromLong(r);
}

static PyObject *publisher_stats(struct publisher *self, PyObject *none)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	int r = 0;

	(void)none;
	if (handle_enter(&self->handle) < 0)
		return NULL;
	if (self->publisher)
		r = rdx_publisher_get_stats(self->publisher, &stats);
	else
		stats = self->stats;
	handle_leave(&self->handle);
	return r < 0 ? publisher_result(r) : rows_publisher_stats(&stats);
}

static PyObject *publisher_engine_stats(struct publisher *self, PyObject *none)
{
	struct rdx_engine_stats stats = {.size = sizeof(stats)};
	int r = 0;

	(void)none;
	if (handle_enter(&self->handle) < 0)
		return NULL;
	if (self->engine)
		r = rdx_engine_get_stats(self->engine, &stats);
	else
		stats = self->engine_stats;
	handle_leave(&self->handle);
	return r < 0 ? publisher_result(r) : rows_engine_stats(&stats);
}

static PyObject *publisher_exit(struct publisher *self, PyObject *args)
{
	(void)args;
	return publisher_close(self, NULL);
}

static PyObject *publisher_closed(struct publisher *self, void *none)
{
	(void)none;
	return handle_closed(&self->handle);
}

static PyObject *publisher_epoch(struct publisher *self, void *none)
{
	uint64_t epoch = 0;
	int is_open;

	(void)none;
	if (handle_enter(&self->handle) < 0)
		return NULL;
	is_open = self->publisher != NULL;
	if (is_open)
		epoch = rdx_publisher_epoch(self->publisher);
	handle_leave(&self->handle);
	return is_open ? PyLong_FromUnsignedLongLong(epoch) : errors_closed("publisher");
}

static PyObject *publisher_unreadable(struct publisher *self, void *none)
{
	PyObject *text;

	(void)none;
	if (handle_enter(&self->handle) < 0)
		return NULL;
	text = Py_NewRef(self->unreadable ? self->unreadable : Py_None);
	handle_leave(&self->handle);
	return text;
}

static PyMethodDef methods[] = {
	{"stored", MODULE_KEYWORDS(publisher_stored), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR(
		 "stored($self, names, *, tokens=None, local_hashes=None, parent=None, tier=None, "
		 "lora_name=None, cache_salt=None, extra_keys=None, mm_keys=None, "
		 "group=None)\n--\n\n"
		 "A run of blocks that the rank now holds in a tier, each the child of the one "
		 "before. Without tokens and local hashes: copies of blocks whose names are "
		 "known.")},
	{"removed", MODULE_KEYWORDS(publisher_removed), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR(
		 "removed($self, names, *, tier=None, group=None, remaining=None)\n--\n\n"
		 "Blocks of which one copy in a tier is gone, or of which `remaining` are left.")},
	{"cleared", MODULE_KEYWORDS(publisher_cleared), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR("cleared($self, tier=None)\n--\n\n"
		   "A tier is empty; without one, what cleared_means says.")},
	{"inexact", MODULE_KEYWORDS(publisher_inexact), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR("inexact($self, how='unknown')\n--\n\n"
		   "Something happened that no event represents: \"lacking\", blocks are missing; "
		   "\"unknown\", an answer may be wrong either way.")},
	{"publish_batch", MODULE_KEYWORDS(publisher_publish_batch), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR(
		 "publish_batch($self, batch, sequence=None)\n--\n\n"
		 "Publish an engine's own batch, or a list of its events, as they are. Returns how "
		 "many could not be read: they make the rank INEXACT, `unreadable` says why.")},
	{"check", (PyCFunction)publisher_check, METH_NOARGS,
	 PyDoc_STR(
		 "check($self)\n--\n\n"
		 "Have the rank's files still their names? To be called about once a second. True: "
		 "the segment was made again.")},
	{"stats", (PyCFunction)publisher_stats, METH_NOARGS,
	 PyDoc_STR("stats($self)\n--\n\nCounters since open; after close, those at close.")},
	{"engine_stats", (PyCFunction)publisher_engine_stats, METH_NOARGS,
	 PyDoc_STR("engine_stats($self)\n--\n\n"
		   "What the translator understood and what not; after close, as it was then.")},
	{"close", (PyCFunction)publisher_close, METH_NOARGS,
	 PyDoc_STR("close($self)\n--\n\n"
		   "Release the rank. Once more does nothing, nor does what is published later.")},
	{"__enter__", handle_with, METH_NOARGS, NULL},
	{"__exit__", (PyCFunction)publisher_exit, METH_VARARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
	{"closed", (getter)publisher_closed, NULL, PyDoc_STR("Is it closed?"), NULL},
	{"epoch", (getter)publisher_epoch, NULL,
	 PyDoc_STR("The life of the rank that began with it."), NULL},
	{"unreadable", (getter)publisher_unreadable, NULL,
	 PyDoc_STR("Why the last event that could not be read could not, or None."), NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
	{Py_tp_doc,
	 (void *)PyDoc_STR(
		 "Publish what a rank's KV cache holds. One process at a time has a rank.")},
	{Py_tp_new, publisher_new},
	{Py_tp_dealloc, publisher_dealloc},
	{Py_tp_methods, methods},
	{Py_tp_getset, attributes},
	{0, NULL},
};

PyType_Spec publisher_spec = {
	.name = "ringdex.Publisher",
	.basicsize = sizeof(struct publisher),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = slots,
};
