/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread at a time in a handle, and none where the library's state may be torn.
 *
 * A second thread waits. What a call of a handle runs of Python's (an attribute, a finalizer, a signal
 * handler) gets an error if it calls the same handle; so does the child of a fork that came while
 * another thread was inside: what it was changing stays half done there. So does who comes at the interpreter's
 * end while another thread is inside: that one has stopped for good.
 *
 * The lock is one word, which says both that a thread is inside and in which process: Python's own
 * locks do not tell a thread that a fork left behind from one that is about to leave.
 */
#ifndef HANDLE_H
#define HANDLE_H

#include "python/ext/module.h"

#include <stdatomic.h>
#include <stdint.h>

/* All of zeroes at first: nobody is inside, and it is open. */
struct handle {
	_Atomic uint32_t lock;       /* 0, or how it is held and by a thread of which process */
	_Atomic unsigned long owner; /* the thread inside; 0: none, or one that is just going in */
	_Atomic int is_closed;
};

/* Once, at import. -1 with an exception. */
int handle_watch_forks(void);

/* 0: inside; -1 with an exception. Python is left while another thread is inside. */
int handle_enter(struct handle *handle);
void handle_leave(struct handle *handle);

/* 1: a fork came while a thread was inside, which this process does not have. */
int handle_is_torn(const struct handle *handle);

/* What `closed` of every handle says, from anywhere. Inside: */
void handle_close(struct handle *handle);
PyObject *handle_closed(const struct handle *handle);

/* __enter__ of every handle. */
PyObject *handle_with(PyObject *self, PyObject *none);

#endif
