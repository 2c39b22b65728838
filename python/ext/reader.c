/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/arguments.h"
#include "python/ext/errors.h"
#include "python/ext/handle.h"
#include "python/ext/room.h"
#include "python/ext/rows.h"

#include <errno.h>

/* Hashes a call of a snapshot answers. */
#define SNAPSHOT_HASHES 65536

/* Room for what a rank holds is asked for once more where it grew meanwhile. */
#define RESIDENT_TRIES 8

struct reader {
	PyObject base;
	struct handle handle;
	struct rdx_reader *reader; /* NULL: closed */
	struct room hashes;
};

static const struct error_advice advice[] = {
	{ENOENT, "there is no such rank in the directory: see ringdex ls"},
	{EOVERFLOW, "the ring came round before it was read: recover() again"},
	{ESTALE, "the rank has a new epoch: close, and open again"},
	{EOWNERDEAD, "the worker died in the middle of an event"},
	{EINVAL, "recover() first, and read the snapshot to its end"},
	{ENOSPC, "too many files are mapped: close some"},
	{0, NULL},
};

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"worker_id", "dp_rank", "dir", NULL};
	struct reader *self = NULL;
	PyObject *dir = NULL;
	uint64_t worker_id;
	uint32_t dp_rank = 0;
	int r = -1;

	if (PyArg_ParseTupleAndKeywords(args, kwargs, "O&|O&$O&:Reader", words, arguments_u64,
					&worker_id, arguments_u32, &dp_rank, arguments_path,
					&dir)) {
		self = (struct reader *)PyType_GenericAlloc(type, 0);
		r = self ? 0 : -1;
	}
	if (r == 0) {
		const char *path = dir ? PyBytes_AsString(dir) : NULL;

		Py_BEGIN_ALLOW_THREADS;
		r = rdx_reader_open(&self->reader, path, worker_id, dp_rank);
		Py_END_ALLOW_THREADS;
		if (r < 0)
			errors_raise(r, "open the rank", advice);
	}
	Py_XDECREF(dir);
	if (r == 0)
		return (PyObject *)self;
	Py_XDECREF((PyObject *)self);
	return NULL;
}

static void reader_dealloc(struct reader *self)
{
	PyTypeObject *type = Py_TYPE((PyObject *)self);
	freefunc free_self = (freefunc)PyType_GetSlot(type, Py_tp_free);

	if (!handle_is_torn(&self->handle)) {
		rdx_reader_close(self->reader);
		room_free(&self->hashes);
	}
	free_self(self);
	Py_DECREF(type);
}

static PyObject *reader_close(struct reader *self, PyObject *none)
{
	(void)none;
	if (handle_enter(&self->handle) < 0)
		return NULL;
	rdx_reader_close(self->reader);
	self->reader = NULL;
	handle_close(&self->handle);
	handle_leave(&self->handle);
	Py_RETURN_NONE;
}

/* Inside, and open. -1 with an exception. */
static int enter(struct reader *self)
{
	if (handle_enter(&self->handle) < 0)
		return -1;
	if (self->reader)
		return 0;
	handle_leave(&self->handle);
	errors_closed("reader");
	return -1;
}

static PyObject *reader_recover(struct reader *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"cursor", NULL};
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_cursor cursor;
	PyObject *from = Py_None;
	int r;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:recover", words, &from) ||
	    (from != Py_None && !rows_take_cursor(from, &cursor)) || enter(self) < 0)
		return NULL;
	r = rdx_reader_recover(self->reader, from == Py_None ? NULL : &cursor, &recovery);
	handle_leave(&self->handle);
	return r < 0 ? errors_raise(r, "recover the rank", advice) : rows_recovery(&recovery);
}

static PyObject *snapshot(struct reader *self)
{
	uint64_t *hashes = room_reserve(&self->hashes, SNAPSHOT_HASHES * sizeof(*hashes));
	uint64_t exact_position = 0;
	int64_t r;
	uint8_t tier;

	if (!hashes)
		return NULL;
	Py_BEGIN_ALLOW_THREADS;
	r = rdx_reader_snapshot(self->reader, hashes, SNAPSHOT_HASHES, &tier, &exact_position);
	Py_END_ALLOW_THREADS;
	if (r < 0)
		return errors_raise((int)r, "read the snapshot", advice);
	if (r == 0)
		return PyLong_FromUnsignedLongLong(exact_position);
	return Py_BuildValue("(sN)", rdx_tier_text(tier), rows_hashes(hashes, (uint64_t)r));
}

static PyObject *reader_snapshot(struct reader *self, PyObject *none)
{
	PyObject *result;

	(void)none;
	if (enter(self) < 0)
		return NULL;
	result = snapshot(self);
	handle_leave(&self->handle);
	return result;
}

/* The next event; NULL without an exception: it has caught up. */
static PyObject *reader_iternext(struct reader *self)
{
	struct rdx_event event = {.size = sizeof(event)};
	PyObject *result = NULL;
	int r;

	if (enter(self) < 0)
		return NULL;
	r = rdx_reader_next(self->reader, &event);
	if (r > 0)
		result = rows_event(&event); /* before another call: it is in the reader */
	handle_leave(&self->handle);
	return r < 0 ? errors_raise(r, "read the next event", advice) : result;
}

static PyObject *reader_next(struct reader *self, PyObject *none)
{
	PyObject *event = reader_iternext(self);

	(void)none;
	if (event || PyErr_Occurred())
		return event;
	Py_RETURN_NONE;
}

static PyObject *reader_iter(PyObject *self)
{
	return handle_with(self, NULL);
}

static PyObject *reader_seek(struct reader *self, PyObject *from)
{
	struct rdx_cursor cursor;
	int r;

	if (!rows_take_cursor(from, &cursor) || enter(self) < 0)
		return NULL;
	r = rdx_reader_seek(self->reader, &cursor);
	handle_leave(&self->handle);
	if (r < 0)
		return errors_raise(r, "go to the cursor", advice);
	Py_RETURN_NONE;
}

static PyObject *resident(struct reader *self, uint8_t tier)
{
	struct rdx_cursor at;
	uint64_t count = SNAPSHOT_HASHES;
	int r = -ENOSPC;

	for (int i = 0; r == -ENOSPC && i < RESIDENT_TRIES; i++) {
		uint64_t capacity = count;
		uint64_t *hashes = room_reserve(&self->hashes, capacity * sizeof(*hashes));

		if (!hashes)
			return NULL;
		Py_BEGIN_ALLOW_THREADS;
		r = rdx_reader_resident(self->reader, tier, hashes, capacity, &count, &at);
		Py_END_ALLOW_THREADS;
	}
	if (r < 0)
		return errors_raise(r == -ENOSPC ? -EAGAIN : r, "read what the rank holds", advice);
	return Py_BuildValue("(NN)", rows_hashes(self->hashes.bytes, count), rows_cursor(&at));
}

static PyObject *reader_resident(struct reader *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"tier", NULL};
	uint8_t tier = RDX_TIER_DEVICE;
	PyObject *result;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&:resident", words, arguments_tier,
					 &tier) ||
	    enter(self) < 0)
		return NULL;
	result = resident(self, tier);
	handle_leave(&self->handle);
	return result;
}

static PyObject *reader_stats(struct reader *self, PyObject *none)
{
	struct rdx_reader_stats stats = {.size = sizeof(stats)};
	int r;

	(void)none;
	if (enter(self) < 0)
		return NULL;
	r = rdx_reader_get_stats(self->reader, &stats);
	handle_leave(&self->handle);
	return r < 0 ? errors_raise(r, "read the counters", advice) : rows_reader_stats(&stats);
}

static PyObject *reader_exit(struct reader *self, PyObject *args)
{
	(void)args;
	return reader_close(self, NULL);
}

static PyObject *reader_info(struct reader *self, void *none)
{
	PyObject *result;

	(void)none;
	if (enter(self) < 0)
		return NULL;
	result = rows_rank_info(rdx_reader_info(self->reader));
	handle_leave(&self->handle);
	return result;
}

static PyObject *reader_alive(struct reader *self, void *none)
{
	int r;

	(void)none;
	if (enter(self) < 0)
		return NULL;
	r = rdx_reader_alive(self->reader);
	handle_leave(&self->handle);
	return r < 0 ? errors_raise(r, "see whether the rank is alive", advice)
		     : PyBool_FromLong(r);
}

static PyObject *reader_cursor(struct reader *self, void *none)
{
	struct rdx_cursor cursor;

	(void)none;
	if (enter(self) < 0)
		return NULL;
	rdx_reader_cursor(self->reader, &cursor);
	handle_leave(&self->handle);
	return rows_cursor(&cursor);
}

static PyObject *reader_closed(struct reader *self, void *none)
{
	(void)none;
	return handle_closed(&self->handle);
}

static PyMethodDef methods[] = {
	{"recover", MODULE_KEYWORDS(reader_recover), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR("recover($self, cursor=None)\n--\n\n"
		   "Choose where reading starts, first of all and after errno EOVERFLOW.")},
	{"snapshot", (PyCFunction)reader_snapshot, METH_NOARGS,
	 PyDoc_STR("snapshot($self)\n--\n\n"
		   "After a recovery by the ledger, call until it is no tuple: (tier, prefix "
		   "hashes), "
		   "then the position from which on the state is exact.")},
	{"next", (PyCFunction)reader_next, METH_NOARGS,
	 PyDoc_STR("next($self)\n--\n\nThe next event; None: there is none yet.")},
	{"seek", (PyCFunction)reader_seek, METH_O,
	 PyDoc_STR("seek($self, cursor, /)\n--\n\nRead on at a cursor of this epoch.")},
	{"resident", MODULE_KEYWORDS(reader_resident), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR("resident($self, tier='device')\n--\n\n"
		   "Exactly what the rank holds in a tier, and after which event.")},
	{"stats", (PyCFunction)reader_stats, METH_NOARGS,
	 PyDoc_STR("stats($self)\n--\n\nCounters since open.")},
	{"close", (PyCFunction)reader_close, METH_NOARGS,
	 PyDoc_STR("close($self)\n--\n\nUnmap the segment. Once more does nothing.")},
	{"__enter__", handle_with, METH_NOARGS, NULL},
	{"__exit__", (PyCFunction)reader_exit, METH_VARARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
	{"info", (getter)reader_info, NULL, PyDoc_STR("What the rank's segment says of it."), NULL},
	{"alive", (getter)reader_alive, NULL, PyDoc_STR("Does a running process hold the rank?"),
	 NULL},
	{"cursor", (getter)reader_cursor, NULL, PyDoc_STR("Where the next event is read."), NULL},
	{"closed", (getter)reader_closed, NULL, PyDoc_STR("Is it closed?"), NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
	{Py_tp_doc, (void *)PyDoc_STR("Read one rank's events in place: recover(), its snapshot if "
				      "there is one, then iterate.")},
	{Py_tp_new, reader_new},
	{Py_tp_dealloc, reader_dealloc},
	{Py_tp_methods, methods},
	{Py_tp_getset, attributes},
	{Py_tp_iter, reader_iter},
	{Py_tp_iternext, reader_iternext},
	{0, NULL},
};

PyType_Spec reader_spec = {
	.name = "ringdex.Reader",
	.basicsize = sizeof(struct reader),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = slots,
};
