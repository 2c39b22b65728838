/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_words.h"

#include "tools/program/messages.h"
#include "tools/program/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct rdx_engine_word tiers[] = {
	{"device", RDX_TIER_DEVICE},     {"host", RDX_TIER_HOST},       {"disk", RDX_TIER_DISK},
	{"external", RDX_TIER_EXTERNAL}, {"none", RDX_ENGINE_LEFT_OUT}, {0},
};

/* The word by itself; with ":TIER" behind "cleared". */
static const struct rdx_engine_word events[] = {
	{"stored", RDX_EVENT_STORED},
	{"removed", RDX_EVENT_REMOVED},
	{"cleared", RDX_EVENT_CLEARED},
	{"cleared:device", RDX_ENGINE_CLEARS + RDX_TIER_DEVICE},
	{"cleared:host", RDX_ENGINE_CLEARS + RDX_TIER_HOST},
	{"cleared:disk", RDX_ENGINE_CLEARS + RDX_TIER_DISK},
	{"cleared:external", RDX_ENGINE_CLEARS + RDX_TIER_EXTERNAL},
	{"inexact", RDX_EVENT_INEXACT},
	{"none", RDX_ENGINE_LEFT_OUT},
	{0},
};

static const struct rdx_engine_word *find(const struct rdx_engine_word *words, const char *text)
{
	for (; words->text; words++) {
		if (strcmp(words->text, text) == 0)
			return words;
	}
	return NULL;
}

static char *copied(const char *text, size_t length)
{
	char *copy = strndup(text, length);

	if (!copy)
		messages_no_memory();
	return copy;
}

/* NAME=VALUE, VALUE being one of `values`; the names live as long as the program. */
static void read_words(const struct argp_state *state, const char *option, const char *const *texts,
		       const struct rdx_engine_word *values, const char *right,
		       struct rdx_engine_word *ret_words)
{
	for (uint32_t i = 0; texts[i]; i++) {
		const char *equals = strrchr(texts[i], '=');
		const struct rdx_engine_word *value = equals ? find(values, equals + 1) : NULL;

		if (!value || equals == texts[i])
			options_error(state, "--%s: '%s' is not %s", option, texts[i], right);
		else
			ret_words[i] = (struct rdx_engine_word){
				copied(texts[i], (size_t)(equals - texts[i])), value->value};
	}
}

/* Names with commas between them. */
static void read_list(const struct argp_state *state, const char *text, const char **ret_names)
{
	uint32_t count = 0;

	while (*text) {
		size_t length = strcspn(text, ",");

		if (count == FEED_WORDS_MAX - 1)
			options_error(state, "--counting-kinds: more than %d names",
				      FEED_WORDS_MAX - 1);
		if (length)
			ret_names[count++] = copied(text, length);
		text += length + (text[length] == ',');
	}
}

void feed_words_read(struct feed_words *words, const struct argp_state *state,
		     struct rdx_engine_options *ret_options)
{
	read_words(state, "medium", words->media, tiers,
		   "NAME=TIER: give device, host, disk, external or none", words->medium_words);
	read_words(state, "event", words->events, events,
		   "NAME=KIND: give stored, removed, cleared, cleared:TIER, inexact or none",
		   words->event_words);
	ret_options->media = words->medium_words;
	ret_options->types = words->event_words;
	ret_options->harmless_fields = words->harmless_fields;
	if (!words->counting_kinds)
		return;
	read_list(state, words->counting_kinds, words->kinds);
	ret_options->counting_kinds = words->kinds;
}
