/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of an engine's messages, without a socket: which is the next one, which was had already,
 * what is missing, and when another process speaks. docs/bridge.md has the cases as a table.
 *
 * Live messages come on one connection, in order. What they miss is asked of the engine's replay, always
 * from the last message that was published on, so that this one shows whether the same process answers:
 * its numbers say nothing, for each process begins with 0.
 */
#ifndef BRIDGE_ORDER_H
#define BRIDGE_ORDER_H

#include <stdint.h>

/* {0} with can_ask is the beginning: nothing is known of the engine. */
struct order {
	uint64_t last;   /* message that was published last, where has_last */
	uint64_t digest; /* of its payload */
	uint64_t live;   /* message that came last on this connection, where has_live */
	uint8_t can_ask; /* the engine has a replay */
	uint8_t has_last;
	uint8_t has_live;
	uint8_t is_suspect;  /* the connection broke since: this may be another process */
	uint8_t is_verified; /* the replay answered with `last`: it is of that process */
	uint8_t is_nearer;   /* its answer, the last one, had messages that were published */

	/* What the rank is to be told before the next message; the caller takes them back. */
	uint8_t is_other;  /* another process speaks: all is cleared */
	uint8_t is_unsure; /* perhaps another process speaks: the rank is INEXACT (UNKNOWN) */
};

/* What to do with a message. */
enum order_step {
	ORDER_PUBLISH, /* publish it, then order_published */
	ORDER_DROP,    /* it was had already */
	ORDER_ASK, /* ask the replay from order_from on, and offer it again when that has ended */
};

/* A live message. `was_asked`: the replay was asked because of it, and has ended. ASK then: it had some of what is
 * missing, and may have the rest, for an engine's queue drops what an answer has beyond its size. */
enum order_step order_live(struct order *order, uint64_t sequence, uint64_t digest, int was_asked);

/* A message of the replay. ASK: another process answers, or its queue dropped what is between, so ask again;
 * this one is left. */
enum order_step order_replayed(struct order *order, uint64_t sequence, uint64_t digest);

/* The replay has ended; `is_complete`: by its end mark, which may be dropped too. ASK: again; DROP: nothing more
 * to do. */
enum order_step order_answered(struct order *order, int is_complete);

/* It was published; `is_live`: came on the connection. */
void order_published(struct order *order, uint64_t sequence, uint64_t digest, int is_live);

/* The connection broke; it was made again. */
void order_broke(struct order *order);
void order_connected(struct order *order);

/* Begin to ask: the first message that is wanted. */
uint64_t order_ask(struct order *order);

#endif
