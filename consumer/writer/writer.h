/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer of one index, as the indexer calls it. One process, one thread. The caller holds
 * the namespace's writer lock.
 */
#ifndef RDX_WRITER_H
#define RDX_WRITER_H

#include "consumer/index/index_file.h"
#include <ringdex/rdx_reader.h>

struct rdx_index_writer;

struct rdx_writer_options {
	uint64_t initial_blocks; /* a table has room for as many at least; 0: 4,096 */
	uint64_t stale_after_ns; /* 0: 250 ms */
	uint32_t file_mode;      /* 0: 0640 */
};

/* What rdx_writer_rank_pulse publishes of a rank. */
struct rdx_writer_pulse {
	uint8_t state; /* RDX_STATE_..., not STALE */
	uint8_t reserved[3];
	int32_t cause; /* -errno or 0 */
	uint64_t epoch;
	uint64_t event_id; /* newest applied */
	uint64_t position;
	uint64_t seen_ns;  /* CLOCK_MONOTONIC: the rank was then caught up and alive */
	uint64_t event_ns; /* likewise: its newest event was made; 0: none was read */
	uint64_t events;
	uint64_t events_dead;
	uint64_t slots_lost;
	uint64_t recoveries[4];
	uint64_t recovery_ns;
};

/*
 * Build a new index under a temporary name; readers go on with the old one, if any.
 * Blocking. -EINVAL, -ENAMETOOLONG, -ENOSPC, -ENOMEM, -errno.
 */
int rdx_writer_open(struct rdx_index_writer **ret_writer, int dir_fd,
		    const struct rdx_hash_key *key, const char *model, const char *tenant,
		    uint32_t block_tokens, const struct rdx_writer_options *options);

/* Are its files named as those of that index? Of another one's, if their hashes are the same. */
int rdx_writer_has_name(const struct rdx_index_writer *writer, const struct rdx_index_id *id);

/* Rename it into place, mark an older one as superseded, remove older tables. -EBADMSG: one of its files
 * was truncated. -errno. */
int rdx_writer_ready(struct rdx_index_writer *writer);

/* Have its files the names by which readers find them? 1; 0: one was removed or replaced, and the index
 * must be made anew; -errno: it cannot be told. */
int rdx_writer_is_named(struct rdx_index_writer *writer);

/* Was one of its files truncated, which the guard noticed? It must be made anew, too: from that instant on
 * nothing that is written reaches any of its files, and none is given a name or loses it. Readers have
 * what they had. */
int rdx_writer_poisoned(const struct rdx_index_writer *writer);

/* Another process has the namespace's lock, and the names: close removes none of them. */
void rdx_writer_yield(struct rdx_index_writer *writer);

/* The files stay if they were ready. NULL is allowed. */
void rdx_writer_close(struct rdx_index_writer *writer);

/*
 * Make a rank known; it is shown RECOVERING until it becomes visible. The same (worker, rank) keeps
 * its seat; seats of GONE ranks are reused when there are no others. A rank whose tiers changed
 * with its epoch is hidden. Of a new epoch its entry says nothing until a pulse does. Returns its
 * seat, or -ENOSPC.
 */
int rdx_writer_rank_add(struct rdx_index_writer *writer, const struct rdx_rank_info *info);

/* A recovery that is to begin will bring so many blocks, about: room for those of all ranks is made at
 * once. Void once it is shown or hidden. */
void rdx_writer_rank_expect(struct rdx_index_writer *writer, int rank, uint64_t blocks);

/*
 * Take fresh columns to build the rank in, not visible; an unfinished build is discarded. `blocks`
 * is about how many it holds.
 *
 *   0
 *   -EAGAIN  not yet: columns are not swept, or so many blocks do not fit into the table, and a
 *            larger one is being built; go on with rdx_writer_step
 *   -ENOSPC  there is no room for the rank's columns, nor memory to make it
 */
int rdx_writer_rank_begin(struct rdx_index_writer *writer, int rank, uint64_t blocks);

/* The build becomes visible in one store; the columns visible before are retired. */
void rdx_writer_rank_show(struct rdx_index_writer *writer, int rank, uint8_t orphans,
			  int forced_scan);

/* Retire visible columns and build: readers see no block of the rank from now on. */
void rdx_writer_rank_hide(struct rdx_index_writer *writer, int rank);

/*
 * Changes are queued, those of all ranks together, and made in order, the last of them by
 * rdx_writer_flush. Whatever makes them visible or void flushes by itself: show, hide, begin, a
 * clear, a pulse. Until then a change may not be in the table, and is in no pulse.
 */
void rdx_writer_flush(struct rdx_index_writer *writer);

/*
 * Did some blocks of the rank not fit since the last call? RDX_INEXACT_LACKING: they are missing;
 * RDX_INEXACT_UNKNOWN: one that was removed is still there, too. All others are stored, and the rank
 * is scanned: it is not EXACT until it has been cleared or recovered. Ask after a flush.
 */
uint8_t rdx_writer_rank_lost(struct rdx_index_writer *writer, int rank);

/* The rank's ledger has so many records now. */
void rdx_writer_rank_allow(struct rdx_index_writer *writer, int rank, uint64_t records);

/*
 * Are more blocks of the rank visible than its ledger has records for, those of tier_blocks for each tier,
 * and the rest for all of them? Ask after a flush. While it is built it may hold more: a snapshot and the
 * events since an earlier time.
 */
int rdx_writer_rank_exceeds(const struct rdx_index_writer *writer, int rank);

/*
 * Blocks of a snapshot, into the build, or else the visible columns. -EBADMSG: a tier that the rank
 * does not have. -EINVAL: the rank is hidden and not being built.
 */
int rdx_writer_apply_blocks(struct rdx_index_writer *writer, int rank, uint8_t tier,
			    const uint64_t *prefix, uint32_t count);

/*
 * Apply one event, to the build, or else to the visible columns; STORED: `prefix` are the
 * chained hashes of its blocks, otherwise unused. Bits that say which sets have orphans
 * are changed with it.
 *
 *   0
 *   -EAGAIN   a clear for which no columns are swept yet; nothing was changed: hide the
 *             rank, recover it from its newest barrier later
 *   -EBADMSG  a tier that the rank does not have, or no kind of event
 *   -EINVAL   the rank is hidden and not being built
 */
int rdx_writer_apply_event(struct rdx_index_writer *writer, int rank, const struct rdx_event *event,
			   const uint64_t *prefix);

/* Publish what is known of the rank. After every batch of events, and when idle. */
void rdx_writer_rank_pulse(struct rdx_index_writer *writer, int rank,
			   const struct rdx_writer_pulse *pulse);

/* Every 100 ms at least: readers that see no heartbeat for 250 ms look for a successor. */
void rdx_writer_heartbeat(struct rdx_index_writer *writer, uint64_t now_ns);

/*
 * One small piece of pending work: sweep retired columns, build the next generation. 1 if
 * there is more, 0 if not.
 */
int rdx_writer_step(struct rdx_index_writer *writer);

struct rdx_writer_stats {
	uint64_t generations; /* tables that replaced another */
	uint64_t failures;    /* tables given up for lack of memory */
	uint64_t table_bytes; /* of the current one */
	uint64_t keys;        /* living in it */
	uint64_t slots;
	uint64_t refused; /* blocks that did not fit */
	uint32_t sets;    /* numbers used so far */
	uint32_t growing; /* 1: the next one is being built */
};
void rdx_writer_stats(const struct rdx_index_writer *writer, struct rdx_writer_stats *ret_stats);

#endif
