/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a segment file, DIR/<worker_id>/<dp_rank>.seg. Written once, here.
 *
 *   0      header     one page, never changes after the file got its name
 *   4096   live       one page, words that change, a line pair per writer and purpose
 *   4736   source     in that page, behind them: what feeds the rank
 *   8192   ring       ring_slots * 64
 *   ...    ledger     ledger_records * 32
 *
 * All numbers little-endian, every offset a multiple of 64.
 */
#ifndef RDX_SEGMENT_LAYOUT_H
#define RDX_SEGMENT_LAYOUT_H

#include <assert.h>
#include <ringdex/rdx_types.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

#define RDX_SEGMENT_MAGIC   UINT64_C(0x3167657378647223) /* "#rdxseg1" */
#define RDX_SEGMENT_VERSION 3
#define RDX_LINE_BYTES      64
#define RDX_PAGE_BYTES      4096
#define RDX_SLOT_WORDS      8
#define RDX_PAYLOAD_WORDS   (RDX_SLOT_WORDS - 1)

/* Incompatible features this version knows: none. */
#define RDX_SEGMENT_INCOMPAT_KNOWN UINT64_C(0)

/* Of one ledger: four tiers of the most blocks, and as many names that are only remembered. */
#define RDX_LEDGER_RECORDS_MAX (2 * RDX_TIER_COUNT * (uint64_t)RDX_TIER_BLOCKS_MAX)

struct rdx_segment_header {
	uint64_t magic; /* stored last */
	uint32_t format_version;
	uint32_t header_bytes;
	uint64_t features_compat;
	uint64_t features_incompat;
	uint64_t layout_fingerprint;
	uint64_t key_fingerprint;
	uint32_t hash_scheme;
	uint32_t block_tokens;
	uint64_t worker_id;
	uint32_t dp_rank;
	uint32_t clear_scope; /* RDX_CLEAR_... of the publisher */
	uint64_t epoch;       /* never 0 */
	uint64_t clear_id;    /* of the worker's clear file, 0: not used */
	uint64_t file_bytes;
	uint64_t ring_offset;
	uint64_t ring_slots;
	uint64_t ledger_offset;
	uint64_t ledger_records;              /* blocks known at once, held or not */
	uint64_t tier_blocks[RDX_TIER_COUNT]; /* 0: the tier is not kept */
	uint64_t created_ns;                  /* CLOCK_REALTIME */
	uint64_t creator_start_ticks;         /* of the process, since boot; 0: unknown */
	uint32_t creator_pid;
	uint32_t report_mode; /* RDX_REPORT_... */
	uint64_t clear_inode; /* of the clear file that the rank has open, 0: not said */
	uint64_t reserved[10];
	char instance[RDX_TEXT_BYTES];
	char model[RDX_TEXT_BYTES];
	char tenant[RDX_TEXT_BYTES];
};
static_assert(offsetof(struct rdx_segment_header, epoch) == 72, "layout");
static_assert(offsetof(struct rdx_segment_header, ledger_offset) == 112, "layout");
static_assert(offsetof(struct rdx_segment_header, created_ns) == 160, "layout");
static_assert(offsetof(struct rdx_segment_header, clear_inode) == 184, "layout");
static_assert(offsetof(struct rdx_segment_header, instance) == 272, "layout");
static_assert(sizeof(struct rdx_segment_header) == 272 + 3 * RDX_TEXT_BYTES, "layout");
static_assert(sizeof(struct rdx_segment_header) <= RDX_PAGE_BYTES, "layout");

/* Counters the producer keeps for tools and metrics: index into live.counters. The order
 * is that of struct rdx_publisher_stats after `size`, up to `lacking`. */
enum rdx_counter {
	RDX_COUNTER_EVENTS,
	RDX_COUNTER_SLOTS,
	RDX_COUNTER_BLOCKS_STORED,
	RDX_COUNTER_BLOCKS_REMOVED,
	RDX_COUNTER_CLEARS,
	RDX_COUNTER_REPEATS,
	RDX_COUNTER_UNKNOWN_PARENTS,
	RDX_COUNTER_UNKNOWN_NAMES,
	RDX_COUNTER_UNKNOWN_REMOVALS,
	RDX_COUNTER_MISMATCHED,
	RDX_COUNTER_OTHER_BLOCK_SIZE,
	RDX_COUNTER_CONFLICTS,
	RDX_COUNTER_LEDGER_FULL,
	RDX_COUNTER_MAP_FULL,
	RDX_COUNTER_UNREPRESENTED,
	RDX_COUNTER_INEXACT_MARKS,
	RDX_COUNTER_BELLS,
	RDX_COUNTER_HELD,
	RDX_COUNTER_ORPHANS = RDX_COUNTER_HELD + RDX_TIER_COUNT,
	RDX_COUNTER_NAMES = RDX_COUNTER_ORPHANS + RDX_TIER_COUNT,
	RDX_COUNTER_LACKING,
	RDX_COUNTER_FLAGS, /* RDX_LIVE_... */
	RDX_COUNTER_BELL,  /* inode of the bell that is rung, 0: none */
	RDX_COUNTER_COUNT = 32
};

#define RDX_LIVE_LACKING     UINT64_C(1)
#define RDX_LIVE_RINGS_BELL  UINT64_C(2)
#define RDX_LIVE_DISK_BACKED UINT64_C(4)
#define RDX_LIVE_UNKNOWN     UINT64_C(8)

/* Words that change. The producer writes, everybody reads. What a reader polls lies on
 * line pairs of its own (adjacent lines are fetched together). */
struct rdx_segment_live {
	alignas(128) _Atomic uint64_t tail; /* the position after the newest event */
	alignas(128) _Atomic uint64_t
		barrier; /* 1 + position of the newest all-tier Cleared, 0: none */
	alignas(128) _Atomic uint64_t intent; /* end position of the event being written */
	_Atomic uint64_t ledger_stamp;        /* clear stamp that the ledger belongs to */
	_Atomic uint64_t generations;         /* of the ledger's tiers, a byte each, from bit 0 */
	_Atomic uint64_t used;                /* ledger records in use are below this */
	alignas(128) _Atomic uint64_t counters[RDX_COUNTER_COUNT];
};
static_assert(offsetof(struct rdx_segment_live, barrier) == 128, "layout");
static_assert(offsetof(struct rdx_segment_live, intent) == 256, "layout");
static_assert(offsetof(struct rdx_segment_live, counters) == 384, "layout");
static_assert(sizeof(struct rdx_segment_live) == 640, "layout");

/* What feeds the rank, where that says so (source.h). It stands where segments had zeros before there was such
 * a line, and a word that is 0 says nothing: so it is no part of the fingerprint below. */
struct rdx_segment_source {
	alignas(128) _Atomic uint64_t what; /* RDX_SOURCE_... in the low half, and the flag below */
	_Atomic uint64_t next_sequence;     /* this and the next as in struct rdx_source */
	_Atomic uint64_t gaps_lost;
	_Atomic uint64_t gaps_filled;
	_Atomic uint64_t replayed;
	_Atomic uint64_t lag_ns;
	_Atomic uint64_t heard_ns; /* this and the next of the shared clock */
	_Atomic uint64_t said_ns;
};
#define RDX_SEGMENT_SOURCE_AWAY (UINT64_C(1) << 32)

static_assert(offsetof(struct rdx_segment_source, gaps_lost) == 16, "layout");
static_assert(offsetof(struct rdx_segment_source, lag_ns) == 40, "layout");
static_assert(offsetof(struct rdx_segment_source, said_ns) == 56, "layout");
static_assert(sizeof(struct rdx_segment_source) == 128, "layout");

struct rdx_slot {
	alignas(RDX_LINE_BYTES) _Atomic uint64_t word[RDX_SLOT_WORDS];
};
static_assert(sizeof(struct rdx_slot) == RDX_LINE_BYTES, "layout");

/*
 * Payload of an event's first slot, after word 0:
 *
 *   1  event id
 *   2  time, ns
 *   3  kind 4 | tier or scope 4 | orphans 4 | inexact 2 | 0 2 | count 16 | stamp 32
 *   4  Stored: first block 32 | reserved 32      Removed: hash
 *   5  Stored: parent                            Removed: hash
 *   6  Stored: local hash                        Removed: hash
 *   7  Stored: local hash                        Removed: hash
 *
 * Continuations hold 7 hashes.
 */
#define RDX_STORED_FIRST_HASHES  2
#define RDX_REMOVED_FIRST_HASHES 4

/* One block of the ledger (ledger.h). Recovery reads word and prefix; believe local and parent only
 * if chain(parent, local) gives the prefix. */
struct rdx_ledger_record {
	alignas(32) _Atomic uint64_t prefix;
	_Atomic uint64_t local;
	_Atomic uint64_t parent; /* prefix hash, 0: root */
	_Atomic uint64_t word;   /* high half of the prefix, and below a byte a tier, from bit 0 */
};
static_assert(sizeof(struct rdx_ledger_record) == 32, "layout");

#define RDX_LIVE_OFFSET   RDX_PAGE_BYTES
#define RDX_SOURCE_OFFSET (RDX_LIVE_OFFSET + sizeof(struct rdx_segment_live))
#define RDX_RING_OFFSET   (2 * RDX_PAGE_BYTES)
static_assert(RDX_SOURCE_OFFSET == 4736, "layout");
static_assert(RDX_SOURCE_OFFSET + sizeof(struct rdx_segment_source) <= RDX_RING_OFFSET, "layout");

/* Names the layout above; another layout gives another number. */
#define RDX_SEGMENT_FINGERPRINT                                                                    \
	((uint64_t)sizeof(struct rdx_segment_header) << 48 |                                       \
	 (uint64_t)sizeof(struct rdx_segment_live) << 32 |                                         \
	 (uint64_t)offsetof(struct rdx_segment_live, counters) << 16 |                             \
	 (uint64_t)sizeof(struct rdx_slot) << 8 | (uint64_t)sizeof(struct rdx_ledger_record))

#endif
