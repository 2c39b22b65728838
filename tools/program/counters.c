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
	[RDX_COUNTER_UNKNOWN_PARENTS] = {"unknown_parents", "block dropped: unknown parent"},
	[RDX_COUNTER_UNKNOWN_NAMES] =
		{"unknown_names", "block dropped: given by name only, and the name is unknown"},
	[RDX_COUNTER_UNKNOWN_REMOVALS] = {"unknown_removals",
					  "removal ignored: not held in that tier"},
	[RDX_COUNTER_MISMATCHED] = {"mismatched",
				    "block dropped: the tokens do not make that many blocks"},
	[RDX_COUNTER_OTHER_BLOCK_SIZE] = {"other_block_size",
					  "block dropped: not of the rank's block size"},
	[RDX_COUNTER_CONFLICTS] = {"conflicts",
				   "block dropped: a held name came with other content"},
	[RDX_COUNTER_LEDGER_FULL] = {"ledger_full",
				     "block dropped: the tier is full or not kept: give it more "
				     "blocks"},
	[RDX_COUNTER_MAP_FULL] = {"map_full",
				  "block dropped: no room for names: give the tiers more "
				  "blocks"},
	[RDX_COUNTER_UNREPRESENTED] = {"unrepresented",
				       "block left out: held, but with content or in a place "
				       "that is not known"},
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
