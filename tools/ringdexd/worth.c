/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/worth.h"

#include <ringdex/rdx_types.h>
#include <string.h>

#define COUNT    (sizeof(order) / sizeof(order[0]))
#define WITH_ANY 4 /* the first ones, which have blocks */

/* The best one first. */
static const struct {
	const char *text;
	uint8_t state;
} order[] = {
	{"exact", RDX_STATE_EXACT},           {"lacking", RDX_STATE_LACKING},
	{"inexact", RDX_STATE_INEXACT},       {"stale", RDX_STATE_STALE},
	{"recovering", RDX_STATE_RECOVERING}, {"gone", RDX_STATE_GONE},
};

static size_t place_of(uint8_t state)
{
	size_t i = 0;

	while (i < COUNT && order[i].state != state)
		i++;
	return i;
}

const char *worth_text(uint8_t state)
{
	size_t i = place_of(state);

	return i < COUNT ? order[i].text : "unknown";
}

int worth_find(const char *text, size_t bytes, uint8_t *ret_state)
{
	for (size_t i = 0; i < WITH_ANY; i++)
		if (strlen(order[i].text) == bytes && memcmp(order[i].text, text, bytes) == 0) {
			*ret_state = order[i].state;
			return 1;
		}
	return 0;
}

int worth_suffices(uint8_t state, uint8_t least)
{
	return place_of(state) <= place_of(least);
}
