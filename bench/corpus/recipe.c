/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/corpus/recipe.h"

#include "bench/corpus/format.h"

#include <string.h>

#define CLEARS 3000 /* requests until one finds its worker restarted */
#define BATCH  CORPUS_EVENT_BLOCKS

const struct recipe recipe_all[RECIPE_COUNT] = {
	{"A", RECIPE_TRACE, 8, 65536, 1, BATCH, 0, CLEARS, 0, 0, 0, 0},
	{"A1", RECIPE_TRACE, 8, 65536, 1, 1, 0, CLEARS, 0, 0, 0, 0},
	{"B", RECIPE_TRACE, 64, 100000, 4, BATCH, 0, CLEARS, 0, 0, 0, 0},
	{"C", RECIPE_TRACE, 128, 100000, 4, BATCH, 0, CLEARS, 0, 0, 0, 0},
	{"H1", RECIPE_TRACE, 8, 65536, 1, BATCH, 20000, CLEARS, 0, 0, 0, 0},
	{"H20", RECIPE_TRACE, 8, 65536, 1, BATCH, 200000, CLEARS, 0, 0, 0, 0},
	{"S4", RECIPE_SHORT, 8, 65536, 0, BATCH, 0, 0, 4, 500000, 0, 0},
	{"S64", RECIPE_SHORT, 8, 262144, 0, BATCH, 0, 0, 64, 100000, 0, 0},
	{"R", RECIPE_SHARED, 64, 50000, 0, BATCH, 0, 0, 512, 40000, 2000, 0},
	{"D", RECIPE_TRACE, 1, 2400000, 1, BATCH, 0, 0, 0, 0, 0, 2280000},
	{"E", RECIPE_TRACE, 1, 1100000, 1, BATCH, 0, 0, 0, 0, 0, 1000000},
};

const struct recipe *recipe_find(const char *name)
{
	for (int i = 0; i < RECIPE_COUNT; i++) {
		if (strcmp(recipe_all[i].name, name) == 0)
			return &recipe_all[i];
	}
	return NULL;
}

struct recipe recipe_divided(const struct recipe *recipe, uint32_t divide)
{
	struct recipe smaller = *recipe;

	smaller.capacity /= divide;
	smaller.requests /= divide;
	smaller.pool = recipe->pool / divide + (recipe->pool != 0);
	smaller.held_stop /= divide;
	smaller.requests_per_clear /= divide;
	if (recipe->requests_per_clear && !smaller.requests_per_clear)
		smaller.requests_per_clear = 1;
	return smaller;
}
