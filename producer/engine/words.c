/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/engine/words.h"

#include <strings.h>

static const struct rdx_engine_word types[] = {
	{"BlockStored", RDX_EVENT_STORED},       {"stored", RDX_EVENT_STORED},
	{"BlockRemoved", RDX_EVENT_REMOVED},     {"removed", RDX_EVENT_REMOVED},
	{"AllBlocksCleared", RDX_EVENT_CLEARED}, {"cleared", RDX_EVENT_CLEARED},
	{"inexact", RDX_EVENT_INEXACT},          {0},
};

static const struct rdx_engine_word media[] = {
	/* vLLM, SGLang, TensorRT-LLM, LMCache */
	{"gpu", RDX_TIER_DEVICE},
	{"cpu", RDX_TIER_HOST},
	{"cpu_pinned", RDX_TIER_HOST},
	{"cpu_tier1", RDX_TIER_HOST},
	{"cpu_tier2", RDX_TIER_DISK},
	{"disk", RDX_TIER_DISK},
	{"nvme", RDX_TIER_DISK},
	{"storage", RDX_TIER_DISK},
	{"external", RDX_TIER_EXTERNAL},
	{"network", RDX_TIER_EXTERNAL},
	{"remote", RDX_TIER_EXTERNAL},
	{"shared", RDX_TIER_EXTERNAL},
	/* ringdex's own and Dynamo's */
	{"device", RDX_TIER_DEVICE},
	{"host", RDX_TIER_HOST},
	{"host_pinned", RDX_TIER_HOST},
	{"all", RDX_SCOPE_ALL},
	{0},
};

static int find(const struct rdx_engine_word *words, const char *text, uint64_t *ret_value)
{
	for (; words && words->text; words++) {
		if (strcasecmp(words->text, text) == 0) {
			*ret_value = words->value;
			return 1;
		}
	}
	return 0;
}

int rdx_engine_word_is_in(const char *const *list, const char *text)
{
	for (; list && *list; list++) {
		if (strcasecmp(*list, text) == 0)
			return 1;
	}
	return 0;
}

int rdx_engine_word_type(const struct rdx_engine_options *options, const char *text,
			 uint64_t *ret_value)
{
	return find(options->types, text, ret_value) || find(types, text, ret_value);
}

int rdx_engine_word_medium(const struct rdx_engine_options *options, const char *text,
			   uint64_t *ret_value)
{
	return find(options->media, text, ret_value) || find(media, text, ret_value);
}

static int type_is_valid(uint64_t value)
{
	return (value >= RDX_EVENT_STORED && value <= RDX_EVENT_INEXACT) ||
	       (value >= RDX_ENGINE_CLEARS && value < RDX_ENGINE_CLEARS + RDX_TIER_COUNT) ||
	       value == RDX_ENGINE_LEFT_OUT;
}

int rdx_engine_words_are_valid(const struct rdx_engine_options *options)
{
	for (const struct rdx_engine_word *word = options->types; word && word->text; word++) {
		if (!type_is_valid(word->value))
			return 0;
	}
	for (const struct rdx_engine_word *word = options->media; word && word->text; word++) {
		if (word->value >= RDX_TIER_COUNT && word->value != RDX_ENGINE_LEFT_OUT)
			return 0;
	}
	return 1;
}
