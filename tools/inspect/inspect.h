/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be seen of one segment from outside, also of a dead or unreadable one.
 */
#ifndef TOOL_INSPECT_H
#define TOOL_INSPECT_H

#include "tools/program/options.h"
#include "tools/inspect/ranks.h"
#include "shm/segment_layout.h"

#include <ringdex/rdx_reader.h>

#define REASON_BYTES 256

enum sighting_state { SIGHTING_LIVE, SIGHTING_DEAD, SIGHTING_UNREADABLE };

struct sighting {
	struct rank_name name;
	enum sighting_state state;
	int alive;                 /* 1: a live process holds it; also where unreadable */
	int error;                 /* -errno where unreadable */
	char reason[REASON_BYTES]; /* likewise, in words */

	/* the rest only where it could be read */
	struct rdx_rank_info info;
	uint32_t clear_scope_worker; /* 1: its clears are the whole worker's */
	int has_barrier;
	uint64_t barrier_position;
	uint64_t barrier_event_id;   /* 0: birth */
	uint64_t end_position;       /* after the newest event */
	uint64_t last_event_id;
	uint64_t counters[RDX_COUNTER_COUNT];
};

/* Look at one segment. 0, or -ENOENT where the file is gone meanwhile. */
int inspect(const struct tool_namespace *space, const struct rank_name *name,
	    struct sighting *ret_sighting);

/* Open a reader of the rank. -ENOENT, and all of rdx_reader_open; -EKEYREJECTED where the
 * namespace's key is missing. */
int open_rank(const struct tool_namespace *space, const struct rank_name *name,
	      struct rdx_reader **ret_reader);

/* Say why open_rank or a look at the rank failed. */
void complain_rank(const struct tool_namespace *space, const struct rank_name *name, int error);

/* Why the segment cannot be opened, in words, from its raw bytes and its size; `error` is
 * what opening it said. Returns ret_reason, of REASON_BYTES. */
const char *diagnose(const struct tool_namespace *space, const struct rank_name *name, int error,
		     char *ret_reason);

/* Name of a counter as in struct rdx_publisher_stats; NULL where it is per tier, a flag, or
 * not used. */
const char *counter_name(unsigned int counter);

/* What one of the counters that warn means, for people; NULL for all others. */
const char *counter_warning(unsigned int counter);

#endif
