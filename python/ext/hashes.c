/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/arguments.h"
#include "python/ext/errors.h"
#include "python/ext/request.h"
#include "python/ext/rows.h"

#include <stdlib.h>

/* The hashes of what was read; NULL with an exception. */
static PyObject *hash(const struct rdx_tokens *tokens)
{
	uint64_t blocks = tokens->count / tokens->block_tokens;
	uint64_t *local = malloc((blocks + 1) * sizeof(*local));
	PyObject *result;
	int64_t count;

	if (!local)
		return PyErr_NoMemory();
	count = rdx_hash_tokens(tokens, local);
	result = count < 0 ? errors_raise((int)count, "hash the tokens", NULL)
			   : rows_hashes(local, (uint64_t)count);
	free(local);
	return result;
}

static PyObject *local_hashes(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static char *words[] = {"tokens",     "block_tokens", "lora_name", "cache_salt",
				"extra_keys", "mm_keys",      "eagle",     NULL};
	struct event_values values = {{NULL}};
	struct request request = {0};
	struct rdx_tokens tokens;
	PyObject *result = NULL;
	uint32_t block_tokens;
	int eagle = 0;

	(void)module;
	if (!PyArg_ParseTupleAndKeywords(
		    args, kwargs, "OO&|$OOOOp:local_hashes", words, &values.of[EVENT_TOKENS],
		    arguments_u32, &block_tokens, &values.of[EVENT_LORA], &values.of[EVENT_SALT],
		    &values.of[EVENT_EXTRA_KEYS], &values.of[EVENT_MM_KEYS], &eagle))
		return NULL;
	if (block_tokens == 0 || block_tokens > RDX_BLOCK_TOKENS_MAX)
		return PyErr_Format(PyExc_ValueError, "block_tokens is %lu: give 1 to %d",
				    (unsigned long)block_tokens, RDX_BLOCK_TOKENS_MAX);
	if (request_read(&request, &values, block_tokens, eagle, &tokens) == 0)
		result = hash(&tokens);
	request_free(&request);
	return result;
}

static PyObject *install_guard(PyObject *module, PyObject *none)
{
	int r = rdx_guard_install();

	(void)module;
	(void)none;
	if (r < 0)
		return errors_raise(r, "install the guard", NULL);
	Py_RETURN_NONE;
}

PyMethodDef hashes_methods[] = {
	{"local_hashes", MODULE_KEYWORDS(local_hashes), METH_VARARGS | METH_KEYWORDS,
	 PyDoc_STR(
		 "local_hashes($module, tokens, block_tokens, *, lora_name=None, cache_salt=None, "
		 "extra_keys=None, mm_keys=None, eagle=False)\n--\n\n"
		 "Hashes of the full blocks, each of its own tokens: equal to NVIDIA Dynamo's.")},
	{"install_guard", install_guard, METH_NOARGS,
	 PyDoc_STR("install_guard($module)\n--\n\n"
		   "Survive the truncation of a file that an Index or Reader has mapped: a handler "
		   "of SIGBUS, for the whole process.")},
	{NULL, NULL, 0, NULL},
};
