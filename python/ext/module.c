/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/module.h"

#include "python/ext/errors.h"
#include "python/ext/handle.h"
#include "python/ext/rows.h"

#include <ringdex/rdx_version.h>

static PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "ringdex._ringdex",
	.m_doc = PyDoc_STR("The library's calls. Import ringdex."),
	.m_size = -1,
	.m_methods = hashes_methods,
};

static int add_type(PyObject *module, const char *name, PyType_Spec *spec)
{
	PyObject *type = PyType_FromSpec(spec);
	int r = type ? PyModule_AddObjectRef(module, name, type) : -1;

	Py_XDECREF(type);
	return r;
}

PyMODINIT_FUNC PyInit__ringdex(void); /* Python has no header for it */

PyMODINIT_FUNC PyInit__ringdex(void)
{
	PyObject *module = PyModule_Create(&definition);

	if (!module)
		return NULL;
#ifdef Py_GIL_DISABLED
	PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
#endif
	if (handle_watch_forks() == 0 && errors_start(module) == 0 && rows_start(module) == 0 &&
	    add_type(module, "Publisher", &publisher_spec) == 0 &&
	    add_type(module, "Index", &index_spec) == 0 &&
	    add_type(module, "Indexer", &indexer_spec) == 0 &&
	    add_type(module, "Reader", &reader_spec) == 0 &&
	    PyModule_AddStringConstant(module, "__version__", RDX_VERSION) == 0)
		return module;
	Py_DECREF(module);
	return NULL;
}
