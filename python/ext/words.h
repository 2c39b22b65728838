/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of words for the translator, from dicts and lists of Python's. They own their texts.
 */
#ifndef WORDS_H
#define WORDS_H

#include "python/ext/module.h"

#include <ringdex/rdx_engine.h>

/* {name: tier, or None to leave it out}; `from` NULL or None: *ret_words is NULL. -1 with an exception. */
int words_media(PyObject *from, struct rdx_engine_word **ret_words);

/* {name: stored, removed, cleared or inexact, or None to leave it out}; as above. */
int words_types(PyObject *from, struct rdx_engine_word **ret_words);

/* A list of texts that ends with a NULL; as above. */
int words_list(PyObject *from, const char *name, char ***ret_list);

void words_free(struct rdx_engine_word *words);
void words_free_list(char **list);

#endif
