/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/arguments.h"
#include "python/ext/errors.h"
#include "python/ext/handle.h"
#include "python/ext/rows.h"

#include <errno.h>

struct indexer {
	PyObject base;
	struct handle handle;
	struct rdx_indexer *indexer; /* NULL: closed */
};

static const struct error_advice open_advice[] = {
	{EBUSY,
	 "another running process maintains the indexes of this directory: use its, or end it"},
	{ENOSYS, "the kernel has no io_uring: give wait_mode=\"epoll\""},
	{0, NULL},
};

static const struct error_advice advice[] = {
	{EBUSY,
	 "indexer.lock was removed, and another process maintains the indexes by now: close"},
	{ESTALE, "another directory has its name now: close, and open again"},
	{ENOENT, "the directory was removed: close, and open again, which makes it"},
	{0, NULL},
};

static PyObject *indexer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static const char *const modes[] = {"auto", "io_uring", "epoll", NULL};
	static const char *const rests[] = {"hybrid", "sleep", "spin", NULL};
	static char *words[] = {"dir",
				"initial_blocks",
				"stale_after",
				"liveness",
				"wait_mode",
				"rest_mode",
				"file_mode",
				"worker_bytes_max",
				"worker_ranks_max",
				"worker_columns_max",
				"worker_indexes_max",
				"user_ranks_max",
				NULL};
	struct rdx_indexer_options o = {.size = sizeof(o)};
	const char *wait_mode = "auto", *rest_mode = "hybrid";
	struct indexer *self = NULL;
	PyObject *dir = NULL;
	int mode = -1, rest = -1, r = -1;

	if (PyArg_ParseTupleAndKeywords(
		    args, kwargs, "|$O&O&O&O&ssO&O&O&O&O&O&:Indexer", words, arguments_path, &dir,
		    arguments_u64, &o.initial_blocks, arguments_seconds, &o.stale_after_ns,
		    arguments_seconds, &o.liveness_ns, &wait_mode, &rest_mode, arguments_u32,
		    &o.file_mode, arguments_u64, &o.worker_bytes_max, arguments_u32,
		    &o.worker_ranks_max, arguments_u32, &o.worker_columns_max, arguments_u32,
		    &o.worker_indexes_max, arguments_u32, &o.user_ranks_max))
		mode = arguments_word("wait_mode", wait_mode, modes);
	if (mode >= 0)
		rest = arguments_word("rest_mode", rest_mode, rests);
	if (rest >= 0) {
		self = (struct indexer *)PyType_GenericAlloc(type, 0);
		r = self ? 0 : -1;
	}
	if (r == 0) {
		o.wait_mode = (uint32_t)mode;
		o.rest_mode = (uint32_t)rest;
		o.dir = dir ? PyBytes_AsString(dir) : NULL;
		Py_BEGIN_ALLOW_THREADS;
		r = rdx_indexer_open(&self->indexer, &o);
		Py_END_ALLOW_THREADS;
		if (r < 0)
			errors_raise(r, "open the indexer", open_advice);
	}
	Py_XDECREF(dir);
	if (r == 0)
		return (PyObject *)self;
	Py_XDECREF((PyObject *)self);
	return NULL;
}

static void close_indexer(struct indexer *self)
{
	struct rdx_indexer *indexer = self->indexer;

	self->indexer = NULL;
	handle_close(&self->handle);
	Py_BEGIN_ALLOW_THREADS;
	rdx_indexer_close(indexer);
	Py_END_ALLOW_THREADS;
}

static void indexer_dealloc(struct indexer *self)
{
	PyTypeObject *type = Py_TYPE((PyObject *)self);
	freefunc free_self = (freefunc)PyType_GetSlot(type, Py_tp_free);

	if (!handle_is_torn(&self->handle))
		close_indexer(self);
	free_self(self);
	Py_DECREF(type);
}

static PyObject *indexer_close(struct indexer *self, PyObject *none)
{
	(void)none;
	if (handle_enter(&self->handle) < 0)
		return NULL;
	close_indexer(self);
	handle_leave(&self->handle);
	Py_RETURN_NONE;
}

/* Inside, and open. -1 with an exception. */
static int enter(struct indexer *self)
{
	if (handle_enter(&self->handle) < 0)
		return -1;
	if (self->indexer)
		return 0;
	handle_leave(&self->handle);
	errors_closed("indexer");
	return -1;
}

static PyObject *indexer_poll(struct indexer *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"max_blocks", NULL};
	uint32_t max_blocks = 0;
	int r;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&:poll", words, arguments_u32,
					 &max_blocks) ||
	    enter(self) < 0)
		return NULL;
	Py_BEGIN_ALLOW_THREADS;
	r = rdx_indexer_poll(self->indexer, max_blocks);
	Py_END_ALLOW_THREADS;
	handle_leave(&self->handle);
	return r < 0 ? errors_raise(r, "follow the workers", advice) : PyLong_FromLong(r);
}

static PyObject *indexer_wait(struct indexer *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"timeout", NULL};
	PyObject *from = Py_None;
	uint64_t timeout_ns = 0;
	int r;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:wait", words, &from) ||
	    (from != Py_None && !arguments_seconds(from, &timeout_ns)) || enter(self) < 0)
		return NULL;
	Py_BEGIN_ALLOW_THREADS;
	r = rdx_indexer_wait(self->indexer, from == Py_None ? -1 : (int64_t)timeout_ns);
	Py_END_ALLOW_THREADS;
	handle_leave(&self->handle);
	if (PyErr_CheckSignals() < 0)
		return NULL;
	return r < 0 ? errors_raise(r, "wait for workers", advice) : PyBool_FromLong(r);
}

static PyObject *indexer_stats(struct indexer *self, PyObject *none)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	int r;

	(void)none;
	if (enter(self) < 0)
		return NULL;
	r = rdx_indexer_get_stats(self->indexer, &stats);
	handle_leave(&self->handle);
	return r < 0 ? errors_raise(r, "read the counters", advice) : rows_indexer_stats(&stats);
}

static PyObject *indexer_exit(struct indexer *self, PyObject *args)
{
	(void)args;
	return indexer_close(self, NULL);
}

static PyObject *indexer_closed(struct indexer *self, void *none)
{
	(void)none;
	return handle_closed(&self->handle);
}

static PyMethodDef methods[] = {
	{"poll", MODULE_KEYWORDS(indexer_poll), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR("poll($self, max_blocks=0)\n--\n\n"
		   "Do a bounded amount of work, and say how much was applied: 0, all is caught "
		   "up.")},
	{"wait", MODULE_KEYWORDS(indexer_wait), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR("wait($self, timeout=None)\n--\n\n"
		   "Sleep until there may be work: True, or the timeout, at most 0.1 s, "
		   "passed.")},
	{"stats", (PyCFunction)indexer_stats, METH_NOARGS,
	 PyDoc_STR("stats($self)\n--\n\nCounters since open.")},
	{"close", (PyCFunction)indexer_close, METH_NOARGS,
	 PyDoc_STR("close($self)\n--\n\nEnd: rows turn STALE. Once more does nothing.")},
	{"__enter__", handle_with, METH_NOARGS, NULL},
	{"__exit__", (PyCFunction)indexer_exit, METH_VARARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
	{"closed", (getter)indexer_closed, NULL, PyDoc_STR("Is it closed?"), NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
	{Py_tp_doc,
	 (void *)PyDoc_STR("Maintain the indexes of a directory: poll, and wait where it "
			   "answers 0. One process a directory.")},
	{Py_tp_new, indexer_new},
	{Py_tp_dealloc, indexer_dealloc},
	{Py_tp_methods, methods},
	{Py_tp_getset, attributes},
	{0, NULL},
};

PyType_Spec indexer_spec = {
	.name = "ringdex.Indexer",
	.basicsize = sizeof(struct indexer),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = slots,
};
