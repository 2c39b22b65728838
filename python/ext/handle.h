/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread at a time in a handle, and none where the library's state may be torn.
 *
 * A second thread waits. What a call of a handle runs of Python's (an attribute, a finalizer, a signal
 * handler) gets an error if it calls the same handle; so does the child of a fork that came while
 * another thread was inside: what it was changing stays half done there.
 */
#ifndef HANDLE_H
#define HANDLE_H

#include "python/ext/module.h"

struct handle {
	PyThread_type_lock lock;
	unsigned long owner; /* thread inside, while `busy` */
	unsigned forks;      /* of this process, when it went in last */
	int busy;
};

/* Once, at import. -1 with an exception. */
int handle_watch_forks(void);

/* Both with the GIL. handle_start: -1 with an exception. */
int handle_start(struct handle *handle);
void handle_end(struct handle *handle);

/* 0: inside; -1 with an exception. The GIL is released while another thread is inside. */
int handle_enter(struct handle *handle);
void handle_leave(struct handle *handle);

/* 1: a fork came while a thread was inside, which this process does not have. */
int handle_is_torn(const struct handle *handle);

/* __enter__ of every handle. */
PyObject *handle_with(PyObject *self, PyObject *none);

#endif
