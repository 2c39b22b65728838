/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/rows.h"

#include <stddef.h>
#include <string.h>

/* One figure of a structure. */
struct counter {
	const char *name;
	uint16_t offset;
	uint8_t bytes; /* 4 or 8 */
	uint8_t count; /* above 1: a tuple of as many */
};

#define SIZE_OF(type, field) sizeof(((struct type *)0)->field)
#define ONE(type, field)                                                                           \
	{                                                                                          \
#field, offsetof(struct type, field), SIZE_OF(type, field), 1                      \
	}
#define MANY(type, field)                                                                          \
	{                                                                                          \
#field, offsetof(struct type, field), SIZE_OF(type, field[0]),                     \
			SIZE_OF(type, field) / SIZE_OF(type, field[0])                             \
	}

static PyObject *figure(const uint8_t *at, uint8_t bytes)
{
	return PyLong_FromUnsignedLongLong(bytes == 8 ? *(const uint64_t *)(const void *)at
						      : *(const uint32_t *)(const void *)at);
}

static PyObject *figures(const uint8_t *at, const struct counter *counter)
{
	PyObject *tuple;

	if (counter->count == 1)
		return figure(at, counter->bytes);
	tuple = PyTuple_New(counter->count);
	for (uint8_t i = 0; tuple && i < counter->count; i++) {
		PyObject *one = figure(at + i * counter->bytes, counter->bytes);

		if (!one || PyTuple_SetItem(tuple, i, one) < 0)
			Py_CLEAR(tuple);
	}
	return tuple;
}

/* Add the figures to a dict; takes it over if it fails. */
static PyObject *add(PyObject *dict, const void *from, const struct counter *counters)
{
	for (; dict && counters->name; counters++) {
		PyObject *value = figures((const uint8_t *)from + counters->offset, counters);

		if (!value || PyDict_SetItemString(dict, counters->name, value) < 0)
			Py_CLEAR(dict);
		Py_XDECREF(value);
	}
	return dict;
}

PyObject *rows_publisher_stats(const struct rdx_publisher_stats *stats)
{
#define P(field) ONE(rdx_publisher_stats, field)
	static const struct counter counters[] = {
		P(events),
		P(slots),
		P(blocks_stored),
		P(blocks_removed),
		P(clears),
		P(repeats),
		P(unknown_parents),
		P(unknown_names),
		P(unknown_removals),
		P(mismatched),
		P(other_block_size),
		P(conflicts),
		P(ledger_full),
		P(map_full),
		P(unrepresented),
		P(inexact_marks),
		P(bells),
		P(names),
		P(lacking),
		P(rings_bell),
		P(disk_backed),
		P(name_lost),
		P(outgrown),
		P(growths),
		MANY(rdx_publisher_stats, held),
		MANY(rdx_publisher_stats, orphans),
		{NULL, 0, 0, 0},
	};
#undef P
	PyObject *dict = add(PyDict_New(), stats, counters), *inexact;

	if (!dict)
		return NULL;
	inexact = stats->inexact ? PyUnicode_FromString(rdx_inexact_text((uint8_t)stats->inexact))
				 : Py_NewRef(Py_None);
	if (!inexact || PyDict_SetItemString(dict, "inexact", inexact) < 0)
		Py_CLEAR(dict);
	Py_XDECREF(inexact);
	return dict;
}

PyObject *rows_engine_stats(const struct rdx_engine_stats *stats)
{
#define E(field) ONE(rdx_engine_stats, field)
	static const struct counter counters[] = {
		E(events),         E(other_owners),
		E(left_out),       E(other_groups),
		E(unknown_types),  E(unknown_media),
		E(unknown_kinds),  E(unknown_fields),
		E(unknown_keys),   E(nameless_adapters),
		E(contradictions), E(further_groups),
		E(late),           E(gaps),
		E(restarts),       E(unreadable),
		{NULL, 0, 0, 0},
	};
#undef E

	return add(PyDict_New(), stats, counters);
}

PyObject *rows_indexer_stats(const struct rdx_indexer_stats *stats)
{
#define I(field) ONE(rdx_indexer_stats, field)
	static const struct counter counters[] = {
		I(indexes),        I(ranks),
		I(unreadable),     I(refused),
		I(events),         I(blocks_stored),
		I(blocks_removed), I(clears),
		I(events_dead),    I(slots_lost),
		I(generations),    I(table_bytes),
		I(wakes),          I(naps),
		I(wait_mode),      MANY(rdx_indexer_stats, recoveries),
		{NULL, 0, 0, 0},
	};
#undef I
	PyObject *dict = add(PyDict_New(), stats, counters), *cause;

	cause = dict ? PyLong_FromLong(-(long)stats->lock_cause) : NULL; /* an errno, as in Error */
	if (dict && (!cause || PyDict_SetItemString(dict, "lock_cause", cause) < 0))
		Py_CLEAR(dict);
	Py_XDECREF(cause);
	return dict;
}

PyObject *rows_reader_stats(const struct rdx_reader_stats *stats)
{
#define R(field) ONE(rdx_reader_stats, field)
	static const struct counter counters[] = {
		R(slots_read),   R(events_read),    R(events_ignored),
		R(slots_lost),   R(events_lost),    R(slots_dead),
		R(events_dead),  R(ledger_records), MANY(rdx_reader_stats, recoveries),
		{NULL, 0, 0, 0},
	};
#undef R

	return add(PyDict_New(), stats, counters);
}

static int add_text(PyObject *dict, const char *name, const char *text)
{
	PyObject *value = PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "backslashreplace");
	int r = value ? PyDict_SetItemString(dict, name, value) : -1;

	Py_XDECREF(value);
	return r;
}

PyObject *rows_rank_info(const struct rdx_rank_info *info)
{
#define R(field) ONE(rdx_rank_info, field)
	static const struct counter counters[] = {
		R(worker_id),      R(dp_rank),     R(epoch),
		R(block_tokens),   R(ring_slots),  R(ledger_records),
		R(file_bytes),     R(created_ns),  R(creator_pid),
		R(format_version), R(report_mode), MANY(rdx_rank_info, tier_blocks),
		{NULL, 0, 0, 0},
	};
#undef R
	PyObject *dict = add(PyDict_New(), info, counters);

	if (dict && (add_text(dict, "instance", info->instance) < 0 ||
		     add_text(dict, "model", info->model) < 0 ||
		     add_text(dict, "tenant", info->tenant) < 0))
		Py_CLEAR(dict);
	return dict;
}
