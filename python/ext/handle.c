/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/handle.h"

#include <errno.h>
#include <pthread.h>

/* Between this process and the one that imported the module. */
static unsigned forks;

static void after_fork_in_child(void)
{
	forks++;
}

int handle_watch_forks(void)
{
	static int watched;
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

int handle_start(struct handle *handle)
{
	handle->lock = PyThread_allocate_lock();
	handle->forks = forks;
	if (handle->lock)
		return 0;
	PyErr_NoMemory();
	return -1;
}

void handle_end(struct handle *handle)
{
	if (handle->lock && !handle->busy)
		PyThread_free_lock(handle->lock);
}

int handle_is_torn(const struct handle *handle)
{
	return handle->busy && handle->forks != forks;
}

static int say_torn(void)
{
	PyErr_SetString(PyExc_RuntimeError,
			"another thread was using it when this process was forked: open another "
			"one");
	return -1;
}

static int wait_for_lock(struct handle *handle)
{
	if (PyThread_acquire_lock(handle->lock, NOWAIT_LOCK))
		return 0;
	if (handle->forks != forks) /* who has it got it, and nothing else, before the fork */
		return say_torn();
	Py_BEGIN_ALLOW_THREADS;
	PyThread_acquire_lock(handle->lock, WAIT_LOCK);
	Py_END_ALLOW_THREADS;
	return 0;
}

int handle_enter(struct handle *handle)
{
	unsigned long me = PyThread_get_thread_ident();

	if (handle_is_torn(handle))
		return say_torn();
	if (handle->busy && handle->owner == me) {
		PyErr_SetString(PyExc_RuntimeError, "called while a call of it is under way");
		return -1;
	}
	if (wait_for_lock(handle) < 0)
		return -1;
	handle->owner = me;
	handle->forks = forks;
	handle->busy = 1;
	return 0;
}

void handle_leave(struct handle *handle)
{
	handle->busy = 0;
	PyThread_release_lock(handle->lock);
}

PyObject *handle_with(PyObject *self, PyObject *none)
{
	(void)none;
	Py_INCREF(self);
	return self;
}
