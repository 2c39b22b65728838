/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of the index files of a namespace. Written once, here.
 *
 *   DIR/index/<name>.ctl      struct rdx_index_ctl: what the index is, which table is
 *                             current, the columns, what is known of every rank
 *   DIR/index/<name>.gen<N>   one page of struct rdx_table_header, then the lines and the
 *                             sets of one generation of the table
 *
 * The last page of each has nothing but the writer's id. Where a file was cut, the rest of a page reads as
 * zeros and the pages behind it fault; so who reads that id after all else knows that all was there.
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
#define RDX_INDEX_VERSION 4
#define RDX_INDEX_PAGE    4096

/* Incompatible features this version knows: none. */
#define RDX_INDEX_INCOMPAT_KNOWN UINT64_C(0)

/* Columns: what one rank holds in one tier is one of these bits of a set. */
#define RDX_COLUMNS_MAX      512
#define RDX_COLUMN_WORD_BITS 64
#define RDX_COLUMN_WORDS     (RDX_COLUMNS_MAX / RDX_COLUMN_WORD_BITS)

#define RDX_LINE_SLOTS      5
#define RDX_PROBE_LINES_MAX 512 /* a key is less than so many lines from its home line */

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
	uint64_t inode;          /* of this file: nobody maintains a copy */
	uint64_t reserved[3];
	char model[RDX_TEXT_BYTES];
	char tenant[RDX_TEXT_BYTES];
};
static_assert(offsetof(struct rdx_index_header, file_bytes) == 56, "layout");
static_assert(offsetof(struct rdx_index_header, model) == 120, "layout");
static_assert(sizeof(struct rdx_index_header) == 120 + 2 * RDX_TEXT_BYTES, "layout");

/* Whose a seat is, and since when. Changes only under the version (version.h): readers copy it. */
struct rdx_index_identity {
	alignas(32) _Atomic uint64_t worker_id;
	_Atomic uint64_t dp_rank;
	_Atomic uint64_t epoch;
	_Atomic uint64_t state; /* RDX_STATE_..., never STALE: the reader decides that */
};
static_assert(sizeof(struct rdx_index_identity) == 32, "layout");

/* What changes of a rank at any time, and a row reports besides its newest event: four to a cache
 * line. Those of another epoch or state come under its version. */
struct rdx_index_pulse {
	alignas(16) _Atomic uint64_t seen_ns; /* by the shared clock, shared_clock.h */
	_Atomic uint64_t event_ns;            /* likewise, of the newest event read; 0: none was */
};
static_assert(sizeof(struct rdx_index_pulse) == 16, "layout");

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
	_Atomic uint64_t worker_id; /* this and dp_rank change only under the version */
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
	_Atomic uint64_t next;                    /* N of the one being built; 0: none */
	_Atomic uint64_t superseded;              /* 1: another file has taken this one's name */
	_Atomic uint64_t rank_count; /* ranks below this are known; under the version */
	_Atomic uint64_t freed;      /* tables up to this number may have lost their memory */
	alignas(128) _Atomic uint64_t heartbeat_ns;            /* likewise */
	alignas(128) _Atomic uint64_t version;                 /* see version.h */
	alignas(128) _Atomic uint64_t columns[RDX_RANKS_MAX];  /* packed, see column.h */
	alignas(128) _Atomic uint64_t event_id[RDX_RANKS_MAX]; /* newest applied */
	alignas(128) struct rdx_index_pulse pulse[RDX_RANKS_MAX];
	alignas(128) struct rdx_index_identity identity[RDX_RANKS_MAX];
	struct rdx_index_entry entry[RDX_RANKS_MAX];
};
static_assert(offsetof(struct rdx_index_live, heartbeat_ns) == 128, "layout");
static_assert(offsetof(struct rdx_index_live, version) == 256, "layout");
static_assert(offsetof(struct rdx_index_live, columns) == 384, "layout");
static_assert(offsetof(struct rdx_index_live, event_id) == 2432, "layout");
static_assert(offsetof(struct rdx_index_live, pulse) == 4480, "layout");
static_assert(offsetof(struct rdx_index_live, identity) == 8576, "layout");
static_assert(offsetof(struct rdx_index_live, entry) == 16768, "layout");
static_assert(sizeof(struct rdx_index_live) == 16768 + RDX_RANKS_MAX * 512, "layout");

/* The last page of an index file. */
struct rdx_index_end {
	alignas(RDX_INDEX_PAGE) _Atomic uint64_t writer_id;
};
static_assert(sizeof(struct rdx_index_end) == RDX_INDEX_PAGE, "layout");

struct rdx_index_ctl {
	struct rdx_index_header header;
	uint8_t reserved[RDX_INDEX_PAGE - sizeof(struct rdx_index_header)];
	struct rdx_index_live live;
	struct rdx_index_end end;
};
static_assert(offsetof(struct rdx_index_ctl, live) == RDX_INDEX_PAGE, "layout");
static_assert(offsetof(struct rdx_index_ctl, end) == 38 * RDX_INDEX_PAGE, "layout");
static_assert(sizeof(struct rdx_index_ctl) == 39 * RDX_INDEX_PAGE, "layout");

/* First page of a table file. The header never changes after the file got its name. */
struct rdx_table_header {
	uint64_t magic; /* stored last */
	uint64_t layout_fingerprint;
	uint64_t writer_id;
	uint64_t generation;
	uint64_t lines; /* that are homes; RDX_PROBE_LINES_MAX more follow them */
	uint64_t sets;
	uint64_t file_bytes;
	uint64_t secret[2];                  /* odd, random: decide which line is a key's home */
	uint64_t inode;                      /* of this file: nobody maintains a copy */
	alignas(128) _Atomic uint64_t epoch; /* of the lines' versions, see table.h */
};
static_assert(offsetof(struct rdx_table_header, secret) == 56, "layout");
static_assert(offsetof(struct rdx_table_header, epoch) == 128, "layout");
static_assert(sizeof(struct rdx_table_header) <= RDX_INDEX_PAGE, "layout");

/*
 * A line of a table: five slots of a key and a cell, and one word.
 *
 *   key   prefix hash, 0: the slot is free
 *   cell  number of the set of columns that hold the key; 0: none
 *   word  31 ... 12  version, raised after every change of a slot
 *         11 ... 0   keys that passed this line: their home is it or one before it, and their
 *                    slot is in one after it
 */
struct rdx_line {
	alignas(64) _Atomic uint64_t key[RDX_LINE_SLOTS];
	_Atomic uint32_t cell[RDX_LINE_SLOTS];
	_Atomic uint32_t word;
};
static_assert(offsetof(struct rdx_line, cell) == 40, "layout");
static_assert(offsetof(struct rdx_line, word) == 60, "layout");
static_assert(sizeof(struct rdx_line) == 64, "layout");

#define RDX_LINE_PASSED  UINT32_C(4095)
#define RDX_LINE_VERSION UINT32_C(4096)
static_assert(RDX_LINE_SLOTS * (RDX_PROBE_LINES_MAX - 1) <= RDX_LINE_PASSED,
	      "a count of keys that passed must not run into the version");

/* Which columns hold a key. Set 0 is none. Never changes while a cell names it, but that columns
 * which nobody may see any more are taken out of it. */
struct rdx_set {
	alignas(64) _Atomic uint64_t columns[RDX_COLUMN_WORDS];
};
static_assert(sizeof(struct rdx_set) == 64, "layout");

#define RDX_LINES_MAX (UINT64_C(1) << 36)
#define RDX_SETS_MAX  (UINT64_C(1) << 31)

/* Offsets in a table file. */
#define RDX_TABLE_LINES_OFFSET RDX_INDEX_PAGE

static inline uint64_t rdx_index_sets_offset(uint64_t lines)
{
	return RDX_TABLE_LINES_OFFSET + (lines + RDX_PROBE_LINES_MAX) * sizeof(struct rdx_line);
}

static inline uint64_t rdx_index_sets_end(uint64_t lines, uint64_t sets)
{
	return rdx_index_sets_offset(lines) + sets * sizeof(struct rdx_set);
}

/* With the last page. */
static inline uint64_t rdx_index_table_bytes(uint64_t lines, uint64_t sets)
{
	uint64_t pages = (rdx_index_sets_end(lines, sets) + RDX_INDEX_PAGE - 1) / RDX_INDEX_PAGE;

	return (pages + 1) * RDX_INDEX_PAGE;
}

/* Of a mapped file of so many bytes. */
static inline struct rdx_index_end *rdx_index_end_of(const void *base, uint64_t bytes)
{
	return (struct rdx_index_end *)((uint8_t *)base + bytes - sizeof(struct rdx_index_end));
}

/* Names the layout above; another layout gives another number. */
#define RDX_INDEX_FINGERPRINT                                                                      \
	((uint64_t)sizeof(struct rdx_index_header) << 48 |                                         \
	 (uint64_t)offsetof(struct rdx_index_live, entry) << 32 |                                  \
	 (uint64_t)sizeof(struct rdx_index_entry) << 16 |                                          \
	 (uint64_t)sizeof(struct rdx_index_pulse) << 8 | RDX_LINE_SLOTS << 4 | RDX_COLUMN_WORDS)

#endif
