/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/counters.h"

#include "shm/segment_layout.h"

#include <stddef.h>

static const struct {
	const char *name;
	const char *warning;
} counters[RDX_COUNTER_COUNT] = {
	[RDX_COUNTER_EVENTS] = {"events", NULL},
	[RDX_COUNTER_SLOTS] = {"slots", NULL},
	[RDX_COUNTER_BLOCKS_STORED] = {"blocks_stored", NULL},
	[RDX_COUNTER_BLOCKS_REMOVED] = {"blocks_removed", NULL},
	[RDX_COUNTER_CLEARS] = {"clears", NULL},
	[RDX_COUNTER_REPEATS] = {"repeats", NULL},
	[RDX_COUNTER_UNKNOWN_PARENTS] = {"unknown_parents",
					 "blocks dropped: their parent is unknown"},
	[RDX_COUNTER_UNKNOWN_NAMES] = {"unknown_names",
				       "blocks dropped: only their names were given, and these are "
				       "unknown"},
	[RDX_COUNTER_UNKNOWN_REMOVALS] = {"unknown_removals",
					  "removals ignored: the names are not held in that tier"},
	[RDX_COUNTER_MISMATCHED] = {"mismatched",
				    "blocks dropped: their tokens do not make that many blocks"},
	[RDX_COUNTER_OTHER_BLOCK_SIZE] = {"other_block_size",
					  "blocks dropped: they are of another block size"},
	[RDX_COUNTER_CONFLICTS] = {"conflicts",
				   "blocks dropped: a held name came with other content"},
	[RDX_COUNTER_LEDGER_FULL] = {"ledger_full",
				     "blocks dropped: the tier is full or not kept: give it more "
				     "blocks"},
	[RDX_COUNTER_MAP_FULL] = {"map_full",
				  "blocks dropped: there is no room for their names: give the "
				  "tiers more blocks"},
	[RDX_COUNTER_UNREPRESENTED] =
		{"unrepresented",
		 "blocks left out: the engine holds them in a form that no event has"},
	[RDX_COUNTER_INEXACT_MARKS] = {"inexact_marks", NULL},
	[RDX_COUNTER_BELLS] = {"bells", NULL},
	[RDX_COUNTER_NAMES] = {"names", NULL},
	[RDX_COUNTER_LACKING] = {"lacking", NULL},
};

const char *counters_name(unsigned int counter)
{
	return counter < RDX_COUNTER_COUNT ? counters[counter].name : NULL;
}

const char *counters_warning(unsigned int counter)
{
	return counter < RDX_COUNTER_COUNT ? counters[counter].warning : NULL;
}
