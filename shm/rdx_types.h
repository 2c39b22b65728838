/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids, tiers, states and limits that every part of ringdex shares.
 *
 * Words used everywhere, in code, tools and documents:
 *
 *   block        a fixed run of tokens whose attention state an engine keeps
 *   local hash   names the tokens of one block
 *   prefix hash  names a block and every block before it
 *   parent       the prefix hash of the block before, 0 for none (the root)
 *   tier         where a copy lies: device, host, disk, external
 *   rank         one (worker_id, dp_rank): one cache, one event stream, one ring
 *   epoch        one life of a rank; positions and event ids compare only in it
 *   position     a ring slot, counted from 0 at the start of an epoch, never wrapping
 *   event id     counts a rank's events from 1 in each epoch; 0 means none
 *   watermark    the last event id that a state contains
 *
 * Functions return 0 or a count on success and -errno on failure; outputs named ret_... are
 * untouched on failure. The library never logs, never sets errno, never exits. Times are
 * nanoseconds; no pointer may be NULL unless its contract allows it.
 *
 * Structures that may grow begin with their `size`, which the caller sets, in an array
 * in its first element. Everything else may be 0, which is the default of every input:
 *
 *     struct rdx_publisher_options options = {.size = sizeof(options)};
 *     struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
 *
 * So a program and a library that were built from different versions of these headers
 * understand each other. What an input lacks is 0; what it has more must be 0. Of an output
 * no more than its size is written, and 0 where the library knows less. Every call that
 * takes such a structure also fails with
 *
 *   -EINVAL  `size` is 0 or no multiple of 8
 *   -E2BIG   an input asks for something that this library does not know, or `size` is
 *            over 4,096
 *
 * rdx_cursor and rdx_hash_key have no size and never change.
 */
#ifndef RDX_TYPES_H
#define RDX_TYPES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RDX_API __attribute__((visibility("default")))
#else
#define RDX_API
#endif

/* Tiers. A set of tiers is always "this tier and all nearer ones": set s holds
 * the tiers 0 .. s, so RDX_TIER_HOST also names the set device + host. */
#define RDX_TIER_DEVICE   0
#define RDX_TIER_HOST     1
#define RDX_TIER_DISK     2
#define RDX_TIER_EXTERNAL 3
#define RDX_TIER_COUNT    4

/* A tier that nobody knows: only for blocks that cannot be represented, and their removal. */
#define RDX_TIER_OTHER 4

/* Scope of a Cleared event: one tier, or all of them. */
#define RDX_SCOPE_ALL 15

/* Event kinds. 0 is never an event. */
#define RDX_EVENT_STORED  1
#define RDX_EVENT_REMOVED 2
#define RDX_EVENT_CLEARED 3
#define RDX_EVENT_INEXACT 4

/* How a rank is INEXACT: what of its blocks is not as its engine said. 0: it is not, all is. */
#define RDX_INEXACT_LACKING 1 /* blocks are missing; no answer is too high */
#define RDX_INEXACT_UNKNOWN 2 /* an answer may be wrong either way */

/* What it means that a worker stores a block whose name the rank holds already in that tier. */
#define RDX_REPORT_COPIES   0 /* one more physical copy, to be removed once more (default) */
#define RDX_REPORT_MIXED    1 /* that, or a mere repetition: UNKNOWN until the tier is cleared */
#define RDX_REPORT_PRESENCE 2 /* a repetition: one removal ends it, however often it was stored */

/* What the index's answer about a rank is worth. */
#define RDX_STATE_EXACT      0 /* equals what the full event history would have built */
#define RDX_STATE_RECOVERING 1 /* being rebuilt; nothing of it is served */
#define RDX_STATE_INEXACT    2 /* unknown: an answer may be wrong either way */
#define RDX_STATE_STALE      3 /* the indexer is dead or behind */
#define RDX_STATE_GONE       4 /* no running process holds the rank */
#define RDX_STATE_LACKING    5 /* INEXACT too, but blocks are only missing: no answer is too high */

/* What a cleaner removes, see rdx_clean.h. */
#define RDX_CLEANED_RANK      1 /* a dead rank's segment and lock file */
#define RDX_CLEANED_WORKER    2 /* a clear file and a directory in which no rank is left */
#define RDX_CLEANED_TEMPORARY 3 /* a file that was never completed */
#define RDX_CLEANED_INDEX     4 /* a file of an index that nobody maintains */

/* What feeds a rank. */
#define RDX_SOURCE_NONE   0 /* nobody said: its engine itself, in its own process */
#define RDX_SOURCE_BRIDGE 1 /* a bridge, by an engine's messages from elsewhere */

/* Limits of the format. */
#define RDX_TEXT_BYTES       256 /* instance, model, tenant, with the NUL */
#define RDX_KEY_BYTES        32
#define RDX_RING_SLOTS_MIN   64
#define RDX_RING_SLOTS_MAX   4294967296 /* 2^32 */
#define RDX_EVENT_SLOTS_MAX  64         /* and never more than an eighth of the ring */
#define RDX_TIER_BLOCKS_MAX  2147483648 /* 2^31 */
#define RDX_BLOCK_TOKENS_MAX 65536
#define RDX_RANKS_MAX        256 /* in one index */

/* A point in one rank's event history. {0} is none. */
struct rdx_cursor {
	uint64_t epoch;
	uint64_t position; /* of the next event to read */
	uint64_t event_id; /* of the last event read; 0: none */
};

/*
 * One event as read from a ring.
 *
 * STORED: `hashes` are the local hashes of `count` consecutive blocks, the first
 * being block number `first_block` of its prefix and the child of `parent`.
 * REMOVED: `hashes` are `count` prefix hashes, children before parents.
 * CLEARED: `tier` is the scope, a tier or RDX_SCOPE_ALL. INEXACT: no payload; `inexact` is
 * another than before, perhaps 0.
 *
 * `hashes` belongs to the reader and is valid until the next call on it.
 */
struct rdx_event {
	uint64_t size; /* in: sizeof(struct rdx_event) */
	uint64_t event_id;
	uint64_t time_ns; /* CLOCK_MONOTONIC of who reads it, whatever its time namespace; 0: not
			     stamped */
	uint64_t position;
	uint64_t parent;
	const uint64_t *hashes;
	uint32_t count;
	uint32_t first_block;
	uint32_t stamp;  /* the worker's clear stamp; 0 where the scope is the rank */
	uint8_t kind;    /* RDX_EVENT_... */
	uint8_t tier;    /* RDX_TIER_..., for CLEARED a scope */
	uint8_t orphans; /* bit s: after the event, set s may hold a block but not its parent */
	uint8_t inexact; /* 0 or RDX_INEXACT_...: what the rank is worth after the event */
};

/*
 * How the messages fare that a rank is fed by, as its producer says: counters since that began. Members are of
 * one moment each, but not all of the same one.
 */
struct rdx_source {
	uint64_t size;          /* sizeof(struct rdx_source) */
	uint64_t next_sequence; /* one more than that of the message published last; 0: none yet */
	uint64_t gaps_lost;     /* holes in the numbers that nothing filled: events are missing */
	uint64_t gaps_filled;   /* those that a replay filled: nothing is missing */
	uint64_t replayed;      /* messages of a replay that were published */
	uint64_t
		lag_ns; /* of the message published last, since its sender's stamp, by the clocks of
			      two machines; 0: not known */
	uint64_t heard_ns; /* when the last message came, in CLOCK_MONOTONIC of who reads it;
			      0: none yet */
	uint64_t said_ns;  /* when all this was said, likewise. Out: the library sets it */
	uint32_t kind;     /* RDX_SOURCE_...; one that is not known here is of a newer producer */
	uint32_t is_away;  /* 1: there is no connection to the sender now */
};

/* "device", "host", "disk", "external", "all", or NULL for no tier or scope. */
RDX_API const char *rdx_tier_text(uint8_t tier_or_scope);

/* "EXACT", "RECOVERING", "INEXACT", "STALE", "GONE", "LACKING", or NULL. */
RDX_API const char *rdx_state_text(uint8_t state);

/* "lacking", "unknown", or NULL. */
RDX_API const char *rdx_inexact_text(uint8_t inexact);

/* "stored", "removed", "cleared", "inexact", or NULL. */
RDX_API const char *rdx_event_text(uint8_t kind);

/* "bridge", or NULL: none, or not known here. */
RDX_API const char *rdx_source_text(uint32_t kind);

/*
 * Survive the truncation of a mapped file: install a SIGBUS handler that maps zero pages
 * under the reader or index that faulted and marks it poisoned; its next result is
 * -EBADMSG. Chains to the handler before it for any other address. Process-wide, call
 * once; ringdex's own programs do. -errno from sigaction(2).
 */
RDX_API int rdx_guard_install(void);

#ifdef __cplusplus
}
#endif
#endif
