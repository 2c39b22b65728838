/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all sources of the extension share. The limited API of Python 3.11: one file serves every later
 * version. There is one interpreter a process: what the module keeps stands in globals, under the GIL.
 */
#ifndef MODULE_H
#define MODULE_H

#include <pyconfig.h>

#ifdef Py_GIL_DISABLED
#error "free-threaded Python has no stable ABI and no GIL, by which ringdex keeps its handles apart"
#endif

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

/* A function with keywords, for a table of methods. */
#define MODULE_KEYWORDS(function) ((PyCFunction)(void (*)(void))(function))

/* Types of the four handles, made at import. */
extern PyType_Spec publisher_spec, index_spec, indexer_spec, reader_spec;

/* The functions of the module itself. */
extern PyMethodDef hashes_methods[];

#endif
