/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be seen of one segment from outside, also of a dead or unreadable one.
 */
#ifndef INSPECT_SIGHTING_H
#define INSPECT_SIGHTING_H

#include "shm/segment_layout.h"
#include "tools/inspect/ranks.h"
#include "tools/inspect/space.h"

#include <ringdex/rdx_reader.h>

#define SIGHTING_REASON_BYTES 256

enum sighting_state { SIGHTING_LIVE, SIGHTING_DEAD, SIGHTING_UNREADABLE };

struct sighting {
	struct rank_name name;
	enum sighting_state state;
	int alive; /* 1: a running process holds it; also where unreadable */
	int error; /* -errno where unreadable */
	char reason[SIGHTING_REASON_BYTES]; /* likewise, in words */

	/* the rest only where it could be read */
	struct rdx_rank_info info;
	uint32_t clear_scope_worker; /* 1: its clears are the whole worker's */
	int has_barrier;
	uint64_t barrier_position;
	uint64_t barrier_event_id; /* 0: birth */
	uint64_t end_position;     /* after the newest event */
	uint64_t last_event_id;
	uint64_t silent_ns; /* since its newest event; UINT64_MAX: it is not stamped, or gone */
	uint64_t counters[RDX_COUNTER_COUNT];
	struct rdx_source source;
};

/* How long ago one of its source's times was; UINT64_MAX: not known, or none. */
uint64_t sighting_source_age(uint64_t time_ns);

/* Look at one segment. 0, or -ENOENT where the file is gone meanwhile. */
int sighting_look(const struct space *space, const struct rank_name *name,
		  struct sighting *ret_sighting);

/*
 * The producer's counters alone, RDX_COUNTER_..., and its source, of this life of a rank: cheap enough for all
 * ranks at once.
 * -ESTALE: it is another life's segment; else as sighting_open.
 */
int sighting_counters(const struct space *space, const struct rank_name *name, uint64_t epoch,
		      uint64_t ret_counters[RDX_COUNTER_COUNT], struct rdx_source *ret_source);

/* Open a reader of the rank. -ENOENT, and all of rdx_reader_open; -EKEYREJECTED where the
 * namespace's key is missing. */
int sighting_open(const struct space *space, const struct rank_name *name,
		  struct rdx_reader **ret_reader);

/* Say why sighting_open or a look at the rank failed. */
void sighting_say_error(const struct space *space, const struct rank_name *name, int error);

/* Why the segment cannot be opened, in words, from its raw bytes and its size; `error` is
 * what opening it said. Returns ret_reason, of SIGHTING_REASON_BYTES. */
const char *sighting_diagnose(const struct space *space, const struct rank_name *name, int error,
			      char *ret_reason);

#endif
