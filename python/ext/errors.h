/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex.Error: an OSError whose text says what was tried, what happened, and what to do.
 */
#ifndef ERRORS_H
#define ERRORS_H

#include "python/ext/module.h"

/* What a result of the library asks for. A list ends with an error of 0. */
struct error_advice {
	int error; /* errno */
	const char *text;
};

/* Make the type and add it to the module. -1 with an exception. */
int errors_start(PyObject *module);

/* Raise the -errno `r` of what was to be done ("open the index"); `advice` goes before what is said of
 * an errno everywhere. Returns NULL. */
PyObject *errors_raise(int r, const char *what, const struct error_advice *advice);

/* Raise that a handle is closed. Returns NULL. */
PyObject *errors_closed(const char *what);

#endif
