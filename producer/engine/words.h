/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words that engines use for events and media.
 */
#ifndef RDX_ENGINE_WORDS_H
#define RDX_ENGINE_WORDS_H

#include <ringdex/rdx_engine.h>

/* Is the text one of a list that ends with a NULL, or is NULL itself? */
int rdx_engine_word_is_in(const char *const *list, const char *text);

/* The value of the first of these lists that has the word: of the options, then the built-in
 * ones. 1, or 0 where none has it. */
int rdx_engine_word_type(const struct rdx_engine_options *options, const char *text,
			 uint64_t *ret_value);
int rdx_engine_word_medium(const struct rdx_engine_options *options, const char *text,
			   uint64_t *ret_value);

/* Do the options' words have values that there are? */
int rdx_engine_words_are_valid(const struct rdx_engine_options *options);

#endif
