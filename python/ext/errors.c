/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/errors.h"

#include <errno.h>
#include <string.h>

static PyObject *error_type;

/* Of every call. */
static const struct error_advice common[] = {
	{EOWNERDEAD, "the handle was made before a fork: open one in this process"},
	{EKEYREJECTED,
	 "the directory has another key: what was opened before it was made anew is to "
	 "be opened again; a damaged key file is to be removed with the directory"},
	{EPERM, "the directory must be this user's or root's, and writable by others only with the "
		"sticky bit"},
	{ENOENT, "the folder in which the directory is to be must exist"},
	{ENOSPC, "the file system is full: ringdex clean removes what the dead left"},
	{EACCES, "give this user the directory, or a group of it"},
	{ENOMEM, "no memory for it: give fewer blocks, or the process more"},
	{EMFILE, "raise the limit of open files (ulimit -n)"},
	{EINVAL, "an argument is out of range: see help() of the call"},
	{E2BIG, "an argument is out of range: see help() of the call"},
	{ENAMETOOLONG, "instance, model and tenant have 255 bytes at most"},
	{EBADMSG, "the file is damaged: remove it while its owner does not run"},
	{EPROTONOSUPPORT, "the other side is of another version: use one version on a host"},
	{EAGAIN, "try again"},
	{0, NULL},
};

static const char *find(const struct error_advice *advice, int error)
{
	for (; advice && advice->error; advice++) {
		if (advice->error == error)
			return advice->text;
	}
	return NULL;
}

int errors_start(PyObject *module)
{
	error_type = PyErr_NewExceptionWithDoc(
		"ringdex.Error",
		"A call of the library failed: errno says why, the text what to do about it.",
		PyExc_OSError, NULL);
	if (!error_type)
		return -1;
	return PyModule_AddObjectRef(module, "Error", error_type);
}

PyObject *errors_raise(int r, const char *what, const struct error_advice *advice)
{
	const char *text = find(advice, -r);
	PyObject *message, *arguments;

	if (!text)
		text = find(common, -r);
	message = PyUnicode_FromFormat("cannot %s: %s%s%s", what, strerror(-r), text ? "; " : "",
				       text ? text : "");
	arguments = message ? Py_BuildValue("(iN)", -r, message) : NULL;
	if (arguments) {
		PyErr_SetObject(error_type, arguments);
		Py_DECREF(arguments);
	}
	return NULL;
}

PyObject *errors_closed(const char *what)
{
	PyErr_Format(PyExc_ValueError, "the %s is closed: open another one", what);
	return NULL;
}
