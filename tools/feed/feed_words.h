/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options that say how the engine writes: their texts, taken apart.
 */
#ifndef FEED_WORDS_H
#define FEED_WORDS_H

#include <ringdex/rdx_engine.h>

#include <argp.h>

#define FEED_WORDS_MAX 32 /* of an option, with the NULL that ends them */

struct feed_words {
	/* as given */
	const char *media[FEED_WORDS_MAX];
	const char *events[FEED_WORDS_MAX];
	const char *counting_kinds;
	const char *harmless_fields[FEED_WORDS_MAX];
	/* taken apart */
	struct rdx_engine_word medium_words[FEED_WORDS_MAX];
	struct rdx_engine_word event_words[FEED_WORDS_MAX];
	const char *kinds[FEED_WORDS_MAX];
};

/* Take them apart into what `ret_options` then refers to. Ends the program where one is wrong. */
void feed_words_read(struct feed_words *words, const struct argp_state *state,
		     struct rdx_engine_options *ret_options);

#endif
