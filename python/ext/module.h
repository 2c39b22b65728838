/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all sources of the extension share. The limited API of Python 3.11: one file serves every later
 * version. Without a GIL there is none, and each version has its own.
 *
 * There is one interpreter a process: what the module keeps stands in globals. They are set at import, or
 * atomic: nothing here may count on the GIL. What a handle has is behind its lock (handle.h). What callers
 * have may change under other threads at any time: no reference is borrowed from a list or dict of theirs.
 */
#ifndef MODULE_H
#define MODULE_H

#include <pyconfig.h>

#define PY_SSIZE_T_CLEAN
#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

/* No other thread changes the object in between, which is left at its end alone: no return, and nothing
 * that runs Python's code but to say an error. With a GIL that is so anyway. */
#ifdef Py_GIL_DISABLED
#define MODULE_HOLD(object) Py_BEGIN_CRITICAL_SECTION(object)
#define MODULE_LET_GO()     Py_END_CRITICAL_SECTION()
#else
#define MODULE_HOLD(object) {
#define MODULE_LET_GO()     }
#endif

/* A function with keywords, for a table of methods. */
#define MODULE_KEYWORDS(function) ((PyCFunction)(void (*)(void))(function))

/* Types of the four handles, made at import. */
extern PyType_Spec publisher_spec, index_spec, indexer_spec, reader_spec;

/* The functions of the module itself. */
extern PyMethodDef hashes_methods[];

#endif
