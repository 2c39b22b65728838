/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/rows.h"

#include "python/ext/arguments.h"

#include <string.h>

static PyTypeObject *run_type, *worker_type, *difference_type, *cursor_type, *event_type,
	*recovery_type;

static PyStructSequence_Field run_fields[] = {
	{"instance", "where to send the request"},
	{"blocks", "leading blocks held without a hole in: device; + host; + disk; all tiers"},
	{"state", "EXACT, LACKING, INEXACT, STALE, RECOVERING or GONE"},
	{"worker_id", NULL},
	{"dp_rank", NULL},
	{"scanned", "block by block, since the rank had holes"},
	{"epoch", NULL},
	{"last_event_id", NULL},
	{"age_ns", "since the indexer last saw the rank caught up; None: not known"},
	{"event_age_ns", "since its last event; None: there is none"},
	{NULL, NULL},
};

static PyStructSequence_Field worker_fields[] = {
	{"instance", "where to send requests"},
	{"blocks", "held now in device, host, disk, external"},
	{"state", "EXACT, LACKING, INEXACT, STALE, RECOVERING or GONE"},
	{"worker_id", NULL},
	{"dp_rank", NULL},
	{"epoch", NULL},
	{"last_event_id", NULL},
	{"age_ns", "since the indexer last saw the rank caught up; None: not known"},
	{"event_age_ns", "since its last event; None: there is none"},
	{"position", "of the next ring slot to read"},
	{"events", NULL},
	{"events_dead", "skipped behind barriers"},
	{"slots_lost", NULL},
	{"recoveries", NULL},
	{"recovery_ns", "time that the last recovery took"},
	{"cause", "errno: why it, or part of it, is missing; 0: it is not"},
	{NULL, NULL},
};

static PyStructSequence_Field difference_fields[] = {
	{"differences", "in all tiers"},
	{"compared", "blocks held by the worker, in all tiers"},
	{"event_id", "the common watermark"},
	{"first_hash", "the smallest differing prefix hash, of the nearest tier"},
	{"first_tier", NULL},
	{"first_in_index", "the index has it, the worker has not"},
	{"partial", "blocks did not fit into the index"},
	{NULL, NULL},
};

static PyStructSequence_Field cursor_fields[] = {
	{"epoch", NULL},
	{"position", "of the next event to read"},
	{"event_id", "of the last event read; 0: none"},
	{NULL, NULL},
};

static PyStructSequence_Field event_fields[] = {
	{"kind", "stored, removed, cleared or inexact"},
	{"tier", "device, host, disk, external; of a clear also all"},
	{"event_id", NULL},
	{"hashes", "stored: local hashes; removed: prefix hashes, children first"},
	{"parent", "stored: prefix hash before the first block; 0: the root"},
	{"first_block", "stored: number of the first block in its prefix"},
	{"position", NULL},
	{"time_ns", "CLOCK_MONOTONIC; 0: not stamped"},
	{"inexact", "what the rank is worth after it: None, lacking or unknown"},
	{NULL, NULL},
};

static PyStructSequence_Field recovery_fields[] = {
	{"way",
	 "continue; barrier: drop the rank's blocks; ledger: drop them, a snapshot comes first"},
	{"start", "where reading starts"},
	{"events_skipped", NULL},
	{"inexact", "what the rank is worth at the start: None, lacking or unknown"},
	{NULL, NULL},
};

static PyTypeObject *make_type(PyObject *module, const char *name, const char *doc,
			       PyStructSequence_Field *fields)
{
	PyStructSequence_Desc desc = {.name = name, .doc = doc, .fields = fields};
	PyTypeObject *type;

	while (fields[desc.n_in_sequence].name)
		desc.n_in_sequence++;
	type = PyStructSequence_NewType(&desc);
	if (type && PyModule_AddObjectRef(module, strrchr(name, '.') + 1, (PyObject *)type) < 0) {
		Py_DECREF(type);
		return NULL;
	}
	return type;
}

int rows_start(PyObject *module)
{
	run_type =
		make_type(module, "ringdex.Run", "What one rank holds of a request.", run_fields);
	worker_type = make_type(module, "ringdex.Worker", "What the index knows of a rank.",
				worker_fields);
	difference_type =
		make_type(module, "ringdex.Difference",
			  "Between the index and a worker's own ledger.", difference_fields);
	cursor_type = make_type(module, "ringdex.Cursor", "A point in one rank's history.",
				cursor_fields);
	event_type = make_type(module, "ringdex.Event", "One event of a rank.", event_fields);
	recovery_type =
		make_type(module, "ringdex.Recovery", "Where reading starts.", recovery_fields);
	return run_type && worker_type && difference_type && cursor_type && event_type &&
			       recovery_type
		       ? 0
		       : -1;
}

/* A row that is being filled: NULL from the first failure on. */
struct row {
	PyObject *row;
	Py_ssize_t count;
};

/* Takes over the value. */
static void put(struct row *row, PyObject *value)
{
	if (value && row->row) {
		PyStructSequence_SetItem(row->row, row->count++, value);
		return;
	}
	Py_XDECREF(value);
	Py_CLEAR(row->row);
}

static void put_number(struct row *row, uint64_t value)
{
	if (row->row)
		put(row, PyLong_FromUnsignedLongLong(value));
}

static PyObject *none(void)
{
	Py_INCREF(Py_None);
	return Py_None;
}

static PyObject *text_or_none(const char *text)
{
	return text ? PyUnicode_InternFromString(text) : none();
}

/* What another process wrote may be any bytes. */
static PyObject *foreign_text(const char *text)
{
	return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "backslashreplace");
}

static PyObject *age(uint64_t age_ns)
{
	return age_ns == UINT64_MAX ? none() : PyLong_FromUnsignedLongLong(age_ns);
}

static PyObject *four(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return Py_BuildValue("(KKKK)", (unsigned long long)a, (unsigned long long)b,
			     (unsigned long long)c, (unsigned long long)d);
}

/* Of what is both in runs and in ranks. */
#define PUT_HEAD(row, from)                                                                        \
	do {                                                                                       \
		put(row, foreign_text((from)->instance));                                          \
		put(row, four((from)->blocks[0], (from)->blocks[1], (from)->blocks[2],             \
			      (from)->blocks[3]));                                                 \
		put(row, text_or_none(rdx_state_text((from)->state)));                             \
		put_number(row, (from)->worker_id);                                                \
		put_number(row, (from)->dp_rank);                                                  \
	} while (0)

PyObject *rows_run(const struct rdx_run *run)
{
	struct row row = {PyStructSequence_New(run_type), 0};

	PUT_HEAD(&row, run);
	put(&row, PyBool_FromLong(run->scanned));
	put_number(&row, run->epoch);
	put_number(&row, run->last_event_id);
	put(&row, age(run->age_ns));
	put(&row, age(run->event_age_ns));
	return row.row;
}

PyObject *rows_worker(const struct rdx_index_rank *rank)
{
	struct row row = {PyStructSequence_New(worker_type), 0};
	uint64_t recoveries = 0;

	for (int way = 0; way < 4; way++)
		recoveries += rank->recoveries[way];
	PUT_HEAD(&row, rank);
	put_number(&row, rank->epoch);
	put_number(&row, rank->last_event_id);
	put(&row, age(rank->age_ns));
	put(&row, age(rank->event_age_ns));
	put_number(&row, rank->position);
	put_number(&row, rank->events);
	put_number(&row, rank->events_dead);
	put_number(&row, rank->slots_lost);
	put_number(&row, recoveries);
	put_number(&row, rank->recovery_ns);
	put_number(&row, (uint64_t)-rank->cause);
	return row.row;
}

PyObject *rows_difference(const struct rdx_difference *difference)
{
	struct row row = {PyStructSequence_New(difference_type), 0};

	put_number(&row, difference->differences);
	put_number(&row, difference->compared);
	put_number(&row, difference->event_id);
	put_number(&row, difference->first_hash);
	put(&row, text_or_none(rdx_tier_text(difference->first_tier)));
	put(&row, PyBool_FromLong(difference->first_in_index));
	put(&row, PyBool_FromLong(difference->partial));
	return row.row;
}

PyObject *rows_cursor(const struct rdx_cursor *cursor)
{
	struct row row = {PyStructSequence_New(cursor_type), 0};

	put_number(&row, cursor->epoch);
	put_number(&row, cursor->position);
	put_number(&row, cursor->event_id);
	return row.row;
}

int rows_take_cursor(PyObject *from, struct rdx_cursor *ret_cursor)
{
	uint64_t *of[] = {&ret_cursor->epoch, &ret_cursor->position, &ret_cursor->event_id};
	int is_cursor = PyObject_IsInstance(from, (PyObject *)cursor_type);

	if (is_cursor <= 0) {
		if (!is_cursor)
			arguments_refuse(PyExc_TypeError, NULL, ARGUMENTS_WHOLE, from,
					 "a ringdex.Cursor");
		return 0;
	}
	for (Py_ssize_t i = 0; i < 3; i++) {
		if (!arguments_u64(PyStructSequence_GetItem(from, i), of[i]))
			return 0;
	}
	return 1;
}

PyObject *rows_hashes(const uint64_t *hashes, uint64_t count)
{
	PyObject *bytes = PyBytes_FromStringAndSize((const char *)hashes,
						    (Py_ssize_t)(count * sizeof(*hashes)));
	PyObject *view = bytes ? PyMemoryView_FromObject(bytes) : NULL;
	PyObject *cast = view ? PyObject_CallMethod(view, "cast", "s", "Q") : NULL;

	Py_XDECREF(bytes);
	Py_XDECREF(view);
	return cast;
}

PyObject *rows_event(const struct rdx_event *event)
{
	struct row row = {PyStructSequence_New(event_type), 0};

	put(&row, text_or_none(rdx_event_text(event->kind)));
	put(&row, text_or_none(rdx_tier_text(event->tier)));
	put_number(&row, event->event_id);
	put(&row, rows_hashes(event->hashes, event->count));
	put_number(&row, event->parent);
	put_number(&row, event->first_block);
	put_number(&row, event->position);
	put_number(&row, event->time_ns);
	put(&row, text_or_none(rdx_inexact_text(event->inexact)));
	return row.row;
}

PyObject *rows_recovery(const struct rdx_recovery *recovery)
{
	static const char *const ways[] = {
		[RDX_RECOVERED_CONTINUE] = "continue",
		[RDX_RECOVERED_BARRIER] = "barrier",
		[RDX_RECOVERED_LEDGER] = "ledger",
	};
	struct row row = {PyStructSequence_New(recovery_type), 0};

	put(&row, text_or_none(ways[recovery->way]));
	put(&row, rows_cursor(&recovery->start));
	put_number(&row, recovery->events_skipped);
	put(&row, text_or_none(rdx_inexact_text(recovery->inexact)));
	return row.row;
}
