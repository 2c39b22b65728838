/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A way to pass messages from one process to others, as crossing.c and stream.c measure it. One
 * file a way; each waits as its users do: rings spin, sockets sleep.
 */
#ifndef RDX_PEERS_CHANNEL_H
#define RDX_PEERS_CHANNEL_H

#include "bench/measure.h"

#include <sched.h>
#include <stdint.h>

/* As large as a slot of ringdex's ring. */
#define MESSAGE_WORDS 8
struct message {
	uint64_t word[MESSAGE_WORDS];
};

/* Messages that a channel holds, where it can be chosen. */
#define CHANNEL_MESSAGES 8192

#define CHANNEL_WRITER (-1)

struct channel {
	const char *name; /* the last part of a row's id */
	const char *what;
	/* Before the processes part: what they share, with files in `dir`. NULL: it failed. */
	void *(*make)(const char *dir, uint32_t readers);
	/* In each process: its end, as reader 0, 1, ... or CHANNEL_WRITER, who waits until all
	 * readers are there. NULL: it failed. */
	void *(*join)(void *shared, int32_t reader);
	void (*send)(void *end, const struct message *message); /* to all readers, none lost */
	void (*receive)(void *end, struct message *ret_message);
	void (*leave)(void *end); /* in each process; NULL: nothing to do */
	/* In the process that made it, after the others have ended; NULL: nothing to do. */
	void (*discard)(void *shared);
};

/* While something is not there yet, with the caller's count, 0 at first: whoever wants to run is
 * let soon, as there may be more processes than processors. */
static inline void channel_spin(uint32_t *spins)
{
	if (++*spins % 256 == 0)
		sched_yield();
	measure_pause();
}

/* The floor: lines of 8 words, the number of the message in word 0. */
extern const struct channel channel_line;

/* The one that this program is built with. */
extern const struct channel channel_peer;

#endif
