/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/arguments.h"
#include "python/ext/errors.h"
#include "python/ext/handle.h"
#include "python/ext/request.h"
#include "python/ext/rows.h"

#include <errno.h>
#include <time.h>

/* A lookup of more blocks takes longer than to give the GIL away and to get it back. */
#define LONG_BLOCKS 4096

#define PAUSE_NS 10000000

struct index {
	PyObject base;
	struct handle handle;
	struct rdx_index *index; /* NULL: closed */
	struct request request;
	struct room hashes;
	struct room rows; /* of struct rdx_run or rdx_index_rank */
	uint32_t block_tokens;
};

static const struct error_advice open_advice[] = {
	{ENOENT,
	 "there is no such directory yet: start a worker or the indexer, or give wait=seconds"},
	{ESRCH, "no indexer runs here: start `ringdex follow` or an Indexer, or give wait=seconds"},
	{EAGAIN,
	 "the indexer has seen no worker of this model, tenant and block_tokens yet: try again, or "
	 "give wait=seconds"},
	{EINVAL, "give a model, and block_tokens from 1 to 65,536"},
	{0, NULL},
};

static const struct error_advice lookup_advice[] = {
	{EIDRM, "the indexer ended and no other has come: route without it, and ask again later or "
		"open the index again"},
	{EAGAIN, "the index was in the midst of changes: route without it, or ask again in a "
		 "moment"},
	{ENOENT, "the index does not know this rank, or its segment is gone: see workers()"},
	{ESTALE, "the rank is neither EXACT nor LACKING: see workers()"},
	{EOWNERDEAD, "the worker died in the middle of an event"},
	{0, NULL},
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int may_come(int r)
{
	return r == -ENOENT || r == -ESRCH || r == -EAGAIN;
}

/* Open, and try again until the time is up. -1 with an exception. */
static int open_index(struct index *self, const char *dir, const struct rdx_index_key *key,
		      uint64_t wait_ns)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	uint64_t begin = now_ns();
	int r;

	for (;;) {
		Py_BEGIN_ALLOW_THREADS;
		r = rdx_index_open(&self->index, dir, key);
		if (may_come(r) && now_ns() - begin < wait_ns)
			nanosleep(&pause, NULL);
		Py_END_ALLOW_THREADS;
		if (r == 0)
			return 0;
		if (PyErr_CheckSignals() < 0)
			return -1;
		if (!may_come(r) || now_ns() - begin >= wait_ns)
			break;
	}
	errors_raise(r, "open the index", open_advice);
	return -1;
}

static PyObject *index_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"model", "tenant", "block_tokens", "dir", "all_ranks",
				"wait",  NULL};
	struct rdx_index_key key = {.size = sizeof(key)};
	uint64_t wait_ns = 0;
	PyObject *dir = NULL;
	struct index *self = NULL;
	int all_ranks = 0, r = -1;

	if (PyArg_ParseTupleAndKeywords(args, kwargs, "s|$zO&O&pO&:Index", words, &key.model,
					&key.tenant, arguments_u32, &key.block_tokens,
					arguments_path, &dir, &all_ranks, arguments_seconds,
					&wait_ns)) {
		self = (struct index *)PyType_GenericAlloc(type, 0);
		r = self ? 0 : -1;
	}
	if (r == 0) {
		self->block_tokens = key.block_tokens ? key.block_tokens : 16;
		key.flags = all_ranks ? RDX_INDEX_ALL_RANKS : 0;
		r = open_index(self, dir ? PyBytes_AsString(dir) : NULL, &key, wait_ns);
	}
	Py_XDECREF(dir);
	if (r == 0)
		return (PyObject *)self;
	Py_XDECREF((PyObject *)self);
	return NULL;
}

static void close_index(struct index *self)
{
	struct rdx_index *index = self->index;

	self->index = NULL;
	handle_close(&self->handle);
	Py_BEGIN_ALLOW_THREADS;
	rdx_index_close(index);
	Py_END_ALLOW_THREADS;
}

static void index_dealloc(struct index *self)
{
	PyTypeObject *type = Py_TYPE((PyObject *)self);
	freefunc free_self = (freefunc)PyType_GetSlot(type, Py_tp_free);

	if (!handle_is_torn(&self->handle)) {
		close_index(self);
		request_free(&self->request);
		room_free(&self->hashes);
		room_free(&self->rows);
	}
	free_self(self);
	Py_DECREF(type);
}

static PyObject *index_close(struct index *self, PyObject *none)
{
	(void)none;
	if (handle_enter(&self->handle) < 0)
		return NULL;
	close_index(self);
	handle_leave(&self->handle);
	Py_RETURN_NONE;
}

/* Inside, and open. -1 with an exception. */
static int enter(struct index *self)
{
	if (handle_enter(&self->handle) < 0)
		return -1;
	if (self->index)
		return 0;
	handle_leave(&self->handle);
	errors_closed("index");
	return -1;
}

/* What a lookup asks: one of the three. */
struct question {
	const struct rdx_tokens *tokens;
	const uint64_t *local, *prefix;
	uint32_t blocks;
};

static int ask(struct index *self, const struct question *question, struct rdx_run *runs)
{
	if (question->tokens)
		return rdx_index_lookup_tokens(self->index, question->tokens, runs, RDX_RANKS_MAX);
	if (question->local)
		return rdx_index_lookup_local(self->index, question->local, question->blocks, runs,
					      RDX_RANKS_MAX);
	return rdx_index_lookup(self->index, question->prefix, question->blocks, runs,
				RDX_RANKS_MAX);
}

/* The answer as a list; NULL with an exception. Inside. */
static PyObject *answer(struct index *self, const struct question *question)
{
	struct rdx_run *runs = room_reserve(&self->rows, RDX_RANKS_MAX * sizeof(*runs));
	PyObject *list, *row;
	int r;

	if (!runs)
		return NULL;
	runs->size = sizeof(*runs);
	if (question->blocks > LONG_BLOCKS) {
		Py_BEGIN_ALLOW_THREADS;
		r = ask(self, question, runs);
		Py_END_ALLOW_THREADS;
	} else {
		r = ask(self, question, runs);
	}
	if (r < 0)
		return errors_raise(r, "look up", lookup_advice);
	list = PyList_New(r);
	for (int i = 0; list && i < r; i++) {
		row = rows_run(&runs[i]);
		if (!row || PyList_SetItem(list, i, row) < 0)
			Py_CLEAR(list);
	}
	return list;
}

static PyObject *lookup_inside(struct index *self, const struct event_values *values, int eagle)
{
	struct rdx_tokens tokens;
	struct question question = {.tokens = &tokens};
	PyObject *result = NULL;

	if (request_read(&self->request, values, self->block_tokens, eagle, &tokens) == 0) {
		question.blocks = (uint32_t)(tokens.count / self->block_tokens);
		result = answer(self, &question);
	}
	event_done(&self->request.reader);
	return result;
}

static PyObject *index_lookup(struct index *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"tokens",  "lora_name", "cache_salt", "extra_keys",
				"mm_keys", "eagle",     NULL};
	struct event_values values = {{NULL}};
	PyObject *result;
	int eagle = 0;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OOOOp:lookup", words,
					 &values.of[EVENT_TOKENS], &values.of[EVENT_LORA],
					 &values.of[EVENT_SALT], &values.of[EVENT_EXTRA_KEYS],
					 &values.of[EVENT_MM_KEYS], &eagle) ||
	    enter(self) < 0)
		return NULL;
	result = lookup_inside(self, &values, eagle);
	handle_leave(&self->handle);
	return result;
}

/* Hashes, at most 2^32 - 1. -1 with an exception. */
static int read_hashes(struct index *self, PyObject *from, struct numbers *ret_hashes)
{
	if (numbers_u64(ret_hashes, from, &self->hashes, "hashes") < 0)
		return -1;
	if (ret_hashes->count <= UINT32_MAX)
		return 0;
	numbers_free(ret_hashes);
	PyErr_SetString(PyExc_ValueError, "there are over 2^32 hashes");
	return -1;
}

static PyObject *lookup_hashes(struct index *self, PyObject *from, int are_local)
{
	struct question question = {0};
	struct numbers hashes;
	PyObject *result = NULL;

	if (enter(self) < 0)
		return NULL;
	if (read_hashes(self, from, &hashes) == 0) {
		question.blocks = (uint32_t)hashes.count;
		*(are_local ? &question.local : &question.prefix) = hashes.at;
		result = answer(self, &question);
		numbers_free(&hashes);
	}
	handle_leave(&self->handle);
	return result;
}

static PyObject *index_lookup_local(struct index *self, PyObject *from)
{
	return lookup_hashes(self, from, 1);
}

static PyObject *index_lookup_prefix(struct index *self, PyObject *from)
{
	return lookup_hashes(self, from, 0);
}

static PyObject *chain(struct index *self, PyObject *from, uint64_t parent)
{
	struct numbers hashes;
	uint64_t *prefix;
	PyObject *result = NULL;

	if (read_hashes(self, from, &hashes) < 0)
		return NULL;
	prefix = room_reserve(&self->rows, hashes.count * sizeof(*prefix));
	if (prefix) {
		rdx_hash_chain(rdx_index_hash_key(self->index), parent, hashes.at, hashes.count,
			       prefix);
		result = rows_hashes(prefix, hashes.count);
	}
	numbers_free(&hashes);
	return result;
}

static PyObject *index_chain(struct index *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"hashes", "parent", NULL};
	uint64_t parent = 0;
	PyObject *from, *result;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O&:chain", words, &from, arguments_u64,
					 &parent) ||
	    enter(self) < 0)
		return NULL;
	result = chain(self, from, parent);
	handle_leave(&self->handle);
	return result;
}

static PyObject *workers(struct index *self)
{
	struct rdx_index_rank *ranks = room_reserve(&self->rows, RDX_RANKS_MAX * sizeof(*ranks));
	PyObject *list, *row;
	int r;

	if (!ranks)
		return NULL;
	ranks->size = sizeof(*ranks);
	r = rdx_index_ranks(self->index, ranks, RDX_RANKS_MAX);
	if (r < 0)
		return errors_raise(r, "read the workers", lookup_advice);
	list = PyList_New(r);
	for (int i = 0; list && i < r; i++) {
		row = rows_worker(&ranks[i]);
		if (!row || PyList_SetItem(list, i, row) < 0)
			Py_CLEAR(list);
	}
	return list;
}

static PyObject *index_workers(struct index *self, PyObject *none)
{
	PyObject *result;

	(void)none;
	if (enter(self) < 0)
		return NULL;
	result = workers(self);
	handle_leave(&self->handle);
	return result;
}

static PyObject *index_verify(struct index *self, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"worker_id", "dp_rank", NULL};
	struct rdx_difference difference = {.size = sizeof(difference)};
	uint64_t worker_id;
	uint32_t dp_rank = 0;
	int r;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&|O&:verify", words, arguments_u64,
					 &worker_id, arguments_u32, &dp_rank) ||
	    enter(self) < 0)
		return NULL;
	Py_BEGIN_ALLOW_THREADS;
	r = rdx_index_verify(self->index, worker_id, dp_rank, &difference);
	Py_END_ALLOW_THREADS;
	handle_leave(&self->handle);
	return r < 0 ? errors_raise(r, "verify the rank", lookup_advice)
		     : rows_difference(&difference);
}

static PyObject *index_exit(struct index *self, PyObject *args)
{
	(void)args;
	return index_close(self, NULL);
}

static PyObject *index_closed(struct index *self, void *none)
{
	(void)none;
	return handle_closed(&self->handle);
}

static PyMethodDef methods[] = {
	{"lookup", MODULE_KEYWORDS(index_lookup), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR("lookup($self, tokens, *, lora_name=None, cache_salt=None, extra_keys=None, "
		   "mm_keys=None, eagle=False)\n--\n\n"
		   "Who holds the longest prefix of a request: a Run of every rank that holds at "
		   "least "
		   "its first block, in no order.")},
	{"lookup_local", (PyCFunction)index_lookup_local, METH_O,
	 PyDoc_STR("lookup_local($self, hashes, /)\n--\n\nThe same from local hashes.")},
	{"lookup_prefix", (PyCFunction)index_lookup_prefix, METH_O,
	 PyDoc_STR("lookup_prefix($self, hashes, /)\n--\n\n"
		   "The same from prefix hashes, chained with this namespace's key.")},
	{"chain", MODULE_KEYWORDS(index_chain), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR("chain($self, hashes, parent=0)\n--\n\n"
		   "Prefix hashes of consecutive blocks from their local hashes.")},
	{"workers", (PyCFunction)index_workers, METH_NOARGS,
	 PyDoc_STR(
		 "workers($self)\n--\n\nA Worker for every rank the index knows, also GONE ones.")},
	{"verify", MODULE_KEYWORDS(index_verify), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR("verify($self, worker_id, dp_rank=0)\n--\n\n"
		   "Compare what the index says of a rank with the rank's own ledger. Slow.")},
	{"close", (PyCFunction)index_close, METH_NOARGS,
	 PyDoc_STR("close($self)\n--\n\nUnmap the index. Once more does nothing.")},
	{"__enter__", handle_with, METH_NOARGS, NULL},
	{"__exit__", (PyCFunction)index_exit, METH_VARARGS, NULL},
	{NULL, NULL, 0, NULL},
};

static PyGetSetDef attributes[] = {
	{"closed", (getter)index_closed, NULL, PyDoc_STR("Is it closed?"), NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
	{Py_tp_doc,
	 (void *)PyDoc_STR("Ask who holds the longest prefix of a request. Threads wait for "
			   "each other: open one a thread. Each question may raise Error with "
			   "errno EAGAIN (the index was in the midst of changes: ask again in a "
			   "moment), EBADMSG (its file was damaged or cut: likewise) or EIDRM (its "
			   "indexer ended and no other has come: ask again "
			   "later, or open it again): a router routes such a request without it.")},
	{Py_tp_new, index_new},
	{Py_tp_dealloc, index_dealloc},
	{Py_tp_methods, methods},
	{Py_tp_getset, attributes},
	{0, NULL},
};

PyType_Spec index_spec = {
	.name = "ringdex.Index",
	.basicsize = sizeof(struct index),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = slots,
};
