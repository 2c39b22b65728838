/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stream of an engine: its connection, its replay, and the rank that it is published as. Nothing here
 * waits: the loop gives it turns.
 */
#ifndef BRIDGE_SOURCE_H
#define BRIDGE_SOURCE_H

#include "tools/bridge/bridge_options.h"
#include "tools/bridge/link.h"
#include "tools/bridge/order.h"
#include "tools/bridge/rank.h"
#include "tools/bridge/replay.h"

enum source_state {
	SOURCE_WAITING, /* never connected yet */
	SOURCE_CONNECTED,
	SOURCE_BROKEN, /* since less than lost_after_ns */
	SOURCE_LOST,   /* the engine is taken for dead */
	SOURCE_STATES
};

/* A message that is not dealt with yet. */
struct pending {
	struct message message;
	uint64_t digest;
	int is_there;
	int was_asked;  /* the replay was asked because of it, and has ended */
	int shows_hole; /* there are numbers between the last message and this one */
};

struct source {
	const struct engine_options *options;
	char endpoint[ENDPOINT_BYTES];
	char replay_endpoint[ENDPOINT_BYTES]; /* "": none */
	uint32_t dp_rank;                     /* where no batch says another one */
	void *context;
	int epoll_fd;
	int is_due; /* for a turn */
	enum source_state state;
	struct order order;
	struct link link;
	uint32_t stale; /* so many messages at most are queued of a connection that broke */
	struct replay replay;
	struct rank rank;
	struct tally tally;
	struct pending live;
	struct pending answer;
	uint64_t heard_ns; /* when the last message came, live or of the replay */
	/* when something is to be done; 0: not */
	uint64_t retry_ns; /* open the rank again, until when no message is taken */
	uint64_t lost_ns;  /* take the engine for dead */
	uint64_t check_ns; /* ask the replay whether all came */
	uint32_t checks;   /* how often yet */
};

/* Begin to connect to rank `dp_rank` of an engine. -errno; the source is to be closed all the same. */
int source_open(struct source *ret_source, const struct engine_options *options, uint32_t dp_rank,
		void *context, int epoll_fd);
void source_close(struct source *source);

/* Do what there is to do, of messages a bounded number, and say in the rank's segment how it fares: 1 if there
 * may be more at once. Once a second in any case. */
int source_turn(struct source *source, uint64_t now);

/* When the next turn is due, if nothing comes before. UINT64_MAX: never. */
uint64_t source_due(const struct source *source);

/* Once a second: are the rank's files still there? */
void source_check(struct source *source);

#endif
