/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one stream did since the program began: all counters of the bridge, in one place.
 */
#ifndef BRIDGE_TALLY_H
#define BRIDGE_TALLY_H

#include "tools/bridge/fault.h"

#include <stdint.h>

struct tally {
	uint64_t messages;     /* that came live */
	uint64_t bytes;        /* of their batches */
	uint64_t events;       /* given to the translator, replayed ones too */
	uint64_t other_topics; /* messages left out: of another topic that begins as this one */
	uint64_t connections;
	uint64_t losses;      /* times that the engine was away so long that its rank was closed */
	uint64_t asks;        /* of the replay */
	uint64_t unanswered;  /* of these: no answer, or not all of it in time */
	uint64_t replayed;    /* messages of the replay that were published */
	uint64_t repeats;     /* live messages that the replay had before */
	uint64_t gaps;        /* holes that nothing filled: events are lost */
	uint64_t gaps_filled; /* holes that a live message showed, and the replay filled */
	uint64_t restarts;    /* times that another process was seen */
	uint64_t doubts;      /* times that it may have been another process */
	uint64_t refused[FAULTS]; /* messages and events, by fault */
	uint64_t sequence;        /* of the last message published */
	uint64_t lag_ns;          /* of that, from its time stamp; by the clocks of two machines */
};

#endif
