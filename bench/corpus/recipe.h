/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each corpus is made of, see format.md.
 */
#ifndef CORPUS_RECIPE_H
#define CORPUS_RECIPE_H

#include "bench/corpus/requests.h"

enum recipe_shape {
	RECIPE_TRACE,  /* the requests of a trace */
	RECIPE_SHORT,  /* prompts without a common start, the oldest dropped */
	RECIPE_SHARED, /* a pool of prompts at many workers */
};

struct recipe {
	const char *name;
	enum recipe_shape shape;
	uint32_t workers;
	uint32_t capacity;       /* blocks of each */
	uint32_t copies;         /* of the trace, side by side */
	uint32_t removed_blocks; /* most of one Removed event */
	uint32_t hole_ppm;       /* victims taken at random, in a million */
	uint32_t requests_per_clear;
	uint32_t prompt_blocks; /* of a shape without a trace */
	uint32_t requests;      /* likewise */
	uint32_t pool;          /* prompts of RECIPE_SHARED */
	uint32_t held_stop;     /* end when so many blocks are held; 0: at the requests' end */
};

#define RECIPE_COUNT 11
extern const struct recipe recipe_all[RECIPE_COUNT];

/* NULL: none of that name. */
const struct recipe *recipe_find(const char *name);

/* The recipe `divide` times smaller. */
struct recipe recipe_divided(const struct recipe *recipe, uint32_t divide);

#endif
