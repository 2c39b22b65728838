/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handle of a publisher, for the files that share it: publisher_open.c makes it, publisher.c publishes
 * what is said by arguments, batch.c what an engine says by its own objects. All goes through the translator.
 */
#ifndef PUBLISHER_H
#define PUBLISHER_H

#include "python/ext/event.h"
#include "python/ext/handle.h"

#include <ringdex/rdx_publisher.h>

struct publisher {
	PyObject base;
	struct handle handle;
	struct rdx_publisher *publisher; /* NULL: closed */
	struct rdx_engine *engine;
	struct event_reader reader;
	struct room joined; /* names of neighbouring removals */
	/* of the translator's options */
	struct rdx_engine_word *media, *types;
	char **counting_kinds, **harmless_fields;
	/* at close */
	struct rdx_publisher_stats stats;
	struct rdx_engine_stats engine_stats;
	PyObject *unreadable; /* text of what was not understood last, or NULL */
};

/* What Publisher() does, by its arguments. Waits without the GIL, and ends when a signal's handler raises. 0;
 * -1 with an exception, and what was opened is in the handle. */
int publisher_open(struct publisher *self, PyObject *args, PyObject *kwargs);

/* A result of a publish call: None, or NULL with an exception. */
PyObject *publisher_result(int r);

/* CLOCK_MONOTONIC. */
uint64_t publisher_now(void);

/* Walk a batch, or a list of events: the number of those that could not be read, -1 with an exception.
 * Inside the handle, which is open. */
PyObject *batch_publish(struct publisher *self, PyObject *batch, int has_sequence,
			uint64_t sequence);

#endif
