/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/handle.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The lock's word: how it is held, and above that `forks` of the process whose thread holds it. */
#define FREE     0u
#define HELD     1u
#define AWAITED  2u /* held, and others may sleep on the word */
#define HOW_BITS 2

/* Between this process and the one that imported the module. Changes before the child has a second thread. */
static _Atomic uint32_t forks;

static void after_fork_in_child(void)
{
	atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

int handle_watch_forks(void)
{
	static int watched; /* imports are one by one */
	int error;

	if (watched)
		return 0;
	error = pthread_atfork(NULL, NULL, after_fork_in_child);
	if (error) {
		errno = error;
		PyErr_SetFromErrno(PyExc_OSError);
		return -1;
	}
	watched = 1;
	return 0;
}

/* The word by which a thread of this process holds a lock. */
static uint32_t held(uint32_t how)
{
	return atomic_load_explicit(&forks, memory_order_relaxed) << HOW_BITS | how;
}

static int is_of_another_process(uint32_t word)
{
	return word != FREE && word >> HOW_BITS != held(0) >> HOW_BITS;
}

int handle_is_torn(const struct handle *handle)
{
	return is_of_another_process(atomic_load_explicit(&handle->lock, memory_order_relaxed));
}

static int say_torn(void)
{
	PyErr_SetString(PyExc_RuntimeError,
			"another thread was using it when this process was forked: open another "
			"one");
	return -1;
}

static int say_ending(void)
{
	PyErr_SetString(PyExc_RuntimeError,
			"another thread was using it when the interpreter came to its end");
	return -1;
}

/* Does the interpreter end? Then every other thread stops for good where it asks for the GIL, with what it holds:
 * who waited for one would wait for ever. */
static int is_ending(void)
{
	PyObject *type, *value, *traceback, *ask = PySys_GetObject("is_finalizing"), *answer;
	int r;

	if (!ask || ask == Py_None)
		return 1; /* it is so late that `sys` is empty */
	PyErr_Fetch(&type, &value, &traceback);
	answer = PyObject_CallNoArgs(ask);
	r = !answer || PyObject_IsTrue(answer);
	Py_XDECREF(answer);
	PyErr_Restore(type, value, traceback);
	return r;
}

/* A thread of this process is inside. From here on who leaves wakes one that sleeps. */
static void wait_for_lock(struct handle *handle)
{
	uint32_t awaited = held(AWAITED);

	while (atomic_exchange_explicit(&handle->lock, awaited, memory_order_acquire) != FREE)
		syscall(SYS_futex, &handle->lock, FUTEX_WAIT_PRIVATE, awaited, NULL, NULL, 0);
}

/* -1 with an exception: a thread holds it that this process does not have, or that will not go on. */
static int lock(struct handle *handle)
{
	uint32_t word = FREE;

	if (atomic_compare_exchange_strong_explicit(&handle->lock, &word, held(HELD),
						    memory_order_acquire, memory_order_relaxed))
		return 0;
	if (is_of_another_process(word))
		return say_torn();
	if (is_ending())
		return say_ending();
	Py_BEGIN_ALLOW_THREADS;
	wait_for_lock(handle);
	Py_END_ALLOW_THREADS;
	return 0;
}

int handle_enter(struct handle *handle)
{
	unsigned long me = PyThread_get_thread_ident();

	if (handle_is_torn(handle))
		return say_torn();
	/* it is this thread's own store, or another's, which is none of `me` */
	if (atomic_load_explicit(&handle->owner, memory_order_relaxed) == me) {
		PyErr_SetString(PyExc_RuntimeError, "called while a call of it is under way");
		return -1;
	}
	if (lock(handle) < 0)
		return -1;
	atomic_store_explicit(&handle->owner, me, memory_order_relaxed);
	return 0;
}

void handle_leave(struct handle *handle)
{
	uint32_t word;

	atomic_store_explicit(&handle->owner, 0, memory_order_relaxed);
	word = atomic_exchange_explicit(&handle->lock, FREE, memory_order_release);
	if (word & AWAITED)
		syscall(SYS_futex, &handle->lock, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void handle_close(struct handle *handle)
{
	atomic_store_explicit(&handle->is_closed, 1, memory_order_relaxed);
}

PyObject *handle_closed(const struct handle *handle)
{
	return PyBool_FromLong(atomic_load_explicit(&handle->is_closed, memory_order_relaxed));
}

PyObject *handle_with(PyObject *self, PyObject *none)
{
	(void)none;
	Py_INCREF(self);
	return self;
}
