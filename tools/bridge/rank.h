/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an engine's messages are published as: a rank's publisher with its translator, open while the
 * engine lives.
 */
#ifndef BRIDGE_RANK_H
#define BRIDGE_RANK_H

#include "tools/bridge/payload.h"
#include "tools/bridge/said.h"
#include "tools/bridge/tally.h"
#include "tools/feed/feed_counters.h"
#include <ringdex/rdx_engine.h>
#include <ringdex/rdx_publisher.h>

struct rank {
	const struct rdx_publisher_options *options; /* but for dp_rank */
	const struct rdx_engine_options *engine_options;
	const char *input; /* the stream's name, for messages */
	struct tally *tally;
	struct rdx_publisher *publisher; /* NULL: it is closed */
	struct rdx_engine *engine;
	uint64_t last;   /* sequence number that the translator had last, where has_last */
	uint64_t missed; /* gaps that the translator saw in lives of the rank before this one */
	int has_last;
	int error;         /* why it could not be opened, as was said last */
	uint64_t busy_ns;  /* since when another process is known to have it; 0: it does not */
	uint64_t again_ns; /* when to try again to open it */
	int lost;          /* the error that was said of its files */
	uint32_t dp_rank;
	struct feed_counters counters;
	struct payload payload;
	struct said said;
	struct said removal; /* neighbours of the batch as one, which is not published yet */
	uint32_t removals;   /* so many events; 0: there is none */
};

/* Open it as rank `dp_rank`. -EAGAIN: that was not possible, try again at again_ns; the cause was said, but
 * for another process that has the rank and, within the time to wait for it, may be about to end. */
int rank_open(struct rank *rank, uint32_t dp_rank, uint64_t now);

/* Its blocks leave every index. */
void rank_close(struct rank *rank);
void rank_free(struct rank *rank);

/* What rank a batch says it is of; `otherwise` where it says nothing. */
uint32_t rank_of(struct rank *rank, const void *bytes, size_t count, uint32_t otherwise);

/* Publish the batch that rank_of has read, number `sequence`. `is_other`: it is the first one of
 * another process. */
void rank_publish(struct rank *rank, uint64_t sequence, int is_other);

/* Something was not readable; a message may have been of another process; another process speaks, of
 * which there is no message. Nothing while it is closed. */
void rank_refuse(struct rank *rank, enum fault fault);
void rank_doubt(struct rank *rank);
void rank_restart(struct rank *rank);

/* Say in its segment how the stream fares: `is_away` while there is no connection, `heard_ns` when the last
 * message came. Nothing while it is closed. */
void rank_say_source(const struct rank *rank, int is_away, uint64_t heard_ns);

/* Once a second: are its files still there? 1: it had to be closed. */
int rank_check(struct rank *rank);

/* 0 or RDX_INEXACT_... */
uint32_t rank_worth(const struct rank *rank);

#endif
