/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that do the same slices at the same time: some of the floor, some of the peer, in turn.
 */
#ifndef RDX_PEERS_CREW_H
#define RDX_PEERS_CREW_H

#include "bench/options.h"
#include "bench/peers/channel/channel.h"

#include <stdint.h>

#define CREW_MOST  8
#define CREW_KINDS 2

/* Floor and peer. */
extern const struct channel *const crew_kind[CREW_KINDS];

struct crew_table;
struct crew {
	struct crew_table *table; /* what they all see */
	uint32_t count;
	uint32_t me; /* 0: the one that measures */
	int child[CREW_MOST];
};

/* From here on `count` processes run, each on its processor. 0, or -1: it failed. */
int crew_start(struct crew *crew, uint32_t count);

/* Wait until all are here. */
void crew_meet(struct crew *crew);

/* Something was received that was not sent. */
void crew_wrong(struct crew *crew);

/* What each process does in a slice of `count` messages. */
typedef void crew_slice(void *context, int kind, uint32_t count);

/* All slices; the nanoseconds of one message, from when all began to when all were done, go to
 * `ret_ns` of process 0, options->rounds for each kind. */
void crew_run(struct crew *crew, const struct options *options, crew_slice *slice, void *context,
	      double *const ret_ns[CREW_KINDS]);

/* The others end here. Process 0: how many messages were wrong, or -1 where one of the others did
 * not come to its end. `failed`: this one cannot go on. */
int64_t crew_end(struct crew *crew, int failed);

#endif
