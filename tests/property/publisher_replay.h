/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader that replays a publisher's events into plain sets and holds every event against
 * the format's rules. A broken rule is named in `broken`.
 */
#ifndef RDX_TESTS_PUBLISHER_REPLAY_H
#define RDX_TESTS_PUBLISHER_REPLAY_H

#include "shm/event.h"
#include "shm/segment.h"

#define REPLAY_BLOCKS 1024
#define REPLAY_HASHES 512

struct replay {
	const struct rdx_hash_key *key;
	struct rdx_ring_view ring;
	uint64_t ring_slots;
	uint64_t position;
	uint64_t event_id;
	uint64_t clears;
	uint64_t barrier; /* 1 + position of the newest all-tier Cleared */
	uint32_t stamp;
	uint8_t inexact;
	uint8_t unsure; /* sets whose orphan bits may be set without orphans, in the events to come */
	const char *broken; /* or NULL */
	struct {
		uint64_t prefix;
		uint64_t parent;
		uint32_t depth;
	} blocks[RDX_TIER_COUNT][REPLAY_BLOCKS];
	uint32_t counts[RDX_TIER_COUNT];
};

/* Take the events up to the first unpublished slot. Returns how many, or -1 if broken. */
int replay_run(struct replay *replay);

/* Is exactly this sorted set held in the tier? */
int replay_equals(const struct replay *replay, uint8_t tier, const uint64_t *prefixes,
		  uint32_t count);

/* Is all that is held in the tier in this sorted set? */
int replay_is_within(const struct replay *replay, uint8_t tier, const uint64_t *prefixes,
		     uint32_t count);

#endif
