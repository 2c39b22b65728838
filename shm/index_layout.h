/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of the index files of a namespace. Written once, here.
 *
 *   DIR/index/<name>.ctl      struct rdx_index_ctl: what the index is, which table is
 *                             current, the columns, what is known of every rank
 *   DIR/index/<name>.gen<N>   one page of struct rdx_table_header, then the lines of one
 *                             generation of the table
 *
 * <name> is 16 hexadecimal digits of a hash over model, tenant, block size and hash
 * scheme; the texts in the header say which index it is. One process writes both files,
 * everybody reads. All numbers little-endian.
 */
#ifndef RDX_INDEX_LAYOUT_H
#define RDX_INDEX_LAYOUT_H

#include <assert.h>
#include <ringdex/rdx_types.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

#define RDX_INDEX_MAGIC   UINT64_C(0x3178646978647223) /* "#rdxidx1" */
#define RDX_TABLE_MAGIC   UINT64_C(0x316c627478647223) /* "#rdxtbl1" */
#define RDX_INDEX_VERSION 1
#define RDX_INDEX_PAGE    4096

/* Incompatible features this version knows: none. */
#define RDX_INDEX_INCOMPAT_KNOWN UINT64_C(0)

#define RDX_MASK_WORDS_MAX 8 /* in an entry of the table, 64 columns each */
#define RDX_MASK_COLUMNS   64

/* A line: 4 keys (0: never used), then for every mask word the 4 masks of those keys.
 * Places are used in order, so a line has an empty place if and only if its last key is 0. */
#define RDX_LINE_KEYS       4
#define RDX_LINE_ALIGN      8    /* words: 64 bytes */
#define RDX_PROBE_LINES_MAX 1024 /* a key is never further from its home line than this */

/* Never changes after the file got its name. */
struct rdx_index_header {
	uint64_t magic; /* stored last */
	uint32_t format_version;
	uint32_t header_bytes;
	uint64_t features_compat;
	uint64_t features_incompat;
	uint64_t layout_fingerprint;
	uint64_t key_fingerprint;
	uint32_t hash_scheme;
	uint32_t block_tokens;
	uint64_t file_bytes;
	uint64_t writer_id;      /* random, never 0: stands in the tables too */
	uint64_t stale_after_ns; /* a rank not seen for longer is STALE */
	uint64_t created_ns;     /* CLOCK_REALTIME */
	uint64_t reserved[4];
	char model[RDX_TEXT_BYTES];
	char tenant[RDX_TEXT_BYTES];
};
static_assert(offsetof(struct rdx_index_header, file_bytes) == 56, "layout");
static_assert(offsetof(struct rdx_index_header, model) == 120, "layout");
static_assert(sizeof(struct rdx_index_header) == 120 + 2 * RDX_TEXT_BYTES, "layout");

/* Odd while the columns of one mask word change; see version.h. */
struct rdx_index_version {
	alignas(128) _Atomic uint64_t value;
};
static_assert(sizeof(struct rdx_index_version) == 128, "layout");

/* What a lookup reports of a rank. `epoch` changes only under version 0. */
struct rdx_index_pulse {
	_Atomic uint64_t seen_ns; /* CLOCK_MONOTONIC */
	_Atomic uint64_t state;   /* RDX_STATE_..., never STALE: the reader decides that */
	_Atomic uint64_t event_id;
	_Atomic uint64_t epoch;
	_Atomic uint64_t event_ns; /* CLOCK_MONOTONIC, of the newest event read; 0: none was */
};
static_assert(sizeof(struct rdx_index_pulse) == 40, "layout");

/* Words of rdx_index_entry.counter. */
enum rdx_entry_counter {
	RDX_ENTRY_EPOCH,
	RDX_ENTRY_EVENT_ID,
	RDX_ENTRY_POSITION,
	RDX_ENTRY_SEEN_NS,
	RDX_ENTRY_STATE,
	RDX_ENTRY_CAUSE, /* -errno or 0, as int64_t */
	RDX_ENTRY_BLOCKS,
	RDX_ENTRY_EVENTS = RDX_ENTRY_BLOCKS + RDX_TIER_COUNT,
	RDX_ENTRY_EVENTS_DEAD,
	RDX_ENTRY_SLOTS_LOST,
	RDX_ENTRY_RECOVERIES,
	RDX_ENTRY_RECOVERY_NS = RDX_ENTRY_RECOVERIES + 4,
	RDX_ENTRY_COUNTERS = 28
};

/* Everything else known of a rank; guarded by `sequence`, odd while it changes. */
struct rdx_index_entry {
	_Atomic uint64_t sequence;
	_Atomic uint64_t worker_id; /* this and dp_rank change only under version 0 */
	_Atomic uint64_t dp_rank;
	/* id of the newest event that began to change the table, UINT64_MAX: unknown, from when the
	 * rank becomes visible until its next pulse */
	_Atomic uint64_t begun;
	_Atomic uint64_t counter[RDX_ENTRY_COUNTERS];
	_Atomic uint64_t instance[RDX_TEXT_BYTES / 8];
};
static_assert(sizeof(struct rdx_index_entry) == 512, "layout");

/* The words that change. */
struct rdx_index_live {
	alignas(128) _Atomic uint64_t generation; /* N of the current .gen<N> */
	_Atomic uint64_t superseded;              /* 1: another file has taken this one's name */
	_Atomic uint64_t rank_count;              /* ranks below this are known; under version 0 */
	alignas(128) _Atomic uint64_t heartbeat_ns; /* CLOCK_MONOTONIC */
	struct rdx_index_version version[RDX_MASK_WORDS_MAX];
	alignas(128) _Atomic uint64_t columns[RDX_RANKS_MAX]; /* packed, see column.h */
	struct rdx_index_pulse pulse[RDX_RANKS_MAX];
	struct rdx_index_entry entry[RDX_RANKS_MAX];
};
static_assert(offsetof(struct rdx_index_live, heartbeat_ns) == 128, "layout");
static_assert(offsetof(struct rdx_index_live, version) == 256, "layout");
static_assert(offsetof(struct rdx_index_live, columns) == 1280, "layout");
static_assert(offsetof(struct rdx_index_live, pulse) == 3328, "layout");
static_assert(offsetof(struct rdx_index_live, entry) == 13568, "layout");
static_assert(sizeof(struct rdx_index_live) == 13568 + RDX_RANKS_MAX * 512, "layout");

struct rdx_index_ctl {
	struct rdx_index_header header;
	uint8_t reserved[RDX_INDEX_PAGE - sizeof(struct rdx_index_header)];
	struct rdx_index_live live;
};
static_assert(offsetof(struct rdx_index_ctl, live) == RDX_INDEX_PAGE, "layout");

/* First page of a table file. Never changes after the file got its name. */
struct rdx_table_header {
	uint64_t magic; /* stored last */
	uint64_t layout_fingerprint;
	uint64_t writer_id;
	uint64_t generation;
	uint64_t lines;
	uint32_t mask_words;
	uint32_t stride_words;
	uint64_t file_bytes;
	uint64_t spread; /* odd, random: keys times this follow the lines */
};
static_assert(sizeof(struct rdx_table_header) == 64, "layout");

#define RDX_TABLE_OFFSET RDX_INDEX_PAGE
#define RDX_LINES_MAX    (UINT64_C(1) << 36)

/* Names the layout above; another layout gives another number. */
#define RDX_INDEX_FINGERPRINT                                                                      \
	((uint64_t)sizeof(struct rdx_index_header) << 48 |                                         \
	 (uint64_t)offsetof(struct rdx_index_live, pulse) << 32 |                                  \
	 (uint64_t)sizeof(struct rdx_index_entry) << 16 |                                          \
	 (uint64_t)sizeof(struct rdx_index_pulse) << 8 | RDX_LINE_KEYS << 4 | RDX_MASK_WORDS_MAX)

#endif
