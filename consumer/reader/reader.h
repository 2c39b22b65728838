/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader's inside: shared by reader.c, recovery.c, range.c and the indexer.
 */
#ifndef RDX_CONSUMER_READER_H
#define RDX_CONSUMER_READER_H

#include "shm/publish.h"
#include "shm/segment.h"
#include <ringdex/rdx_reader.h>

/* A private copy of ring slots, kept while a snapshot is read: a small ring of its own,
 * with the same slot words, so that events are read from it as from the segment's. */
struct rdx_slot_log {
	struct rdx_slot *slots;
	uint64_t capacity; /* a power of two, 0: none */
	uint64_t begin;    /* positions [begin, end) are in it */
	uint64_t end;
};

/* A ledger scan in progress: some records at a time, which are looked at once a tier. */
struct rdx_ledger_scan {
	uint64_t next_record;
	uint64_t used;
	uint64_t start_position; /* T */
	uint32_t generations;
	uint8_t active;
	uint8_t opened; /* generations and `used` were loaded */
	uint8_t tier;   /* which the records are looked at for next */
};

struct rdx_reader {
	struct rdx_segment_view view;
	struct rdx_mapping clear;                /* the worker's clear file, or none */
	const struct rdx_mapping *guarded;       /* the segment's, which the guard knows */
	const struct rdx_mapping *guarded_clear; /* likewise; a side reader has copies */
	struct rdx_rank_info info;
	struct rdx_cursor cursor;
	struct rdx_slot_log log;
	struct rdx_ledger_scan scan;
	struct rdx_reader_stats stats;
	uint64_t *hashes;       /* of the event read last */
	uint32_t slots_max;     /* of one event */
	uint32_t ignore_before; /* clear stamp */
	uint32_t told;          /* the stamp of the state that rdx_reader_next has led to */
	uint32_t half;          /* a snapshot was begun and not read to its end */
	int dir_fd;
};

/* Was a file of the rank's truncated under us? Ask after reading, before use. */
static inline int rdx_reader_poisoned(const struct rdx_reader *reader)
{
	return rdx_mapping_poisoned(reader->guarded) || rdx_mapping_poisoned(reader->guarded_clear);
}

void rdx_reader_free_log(struct rdx_slot_log *log);

/* Is the next event in the log? If not, it is in the ring or not published yet. */
static inline int rdx_reader_logged(const struct rdx_reader *reader)
{
	return reader->cursor.position < reader->log.end;
}

/* As rdx_reader_open, in an open namespace (not taken over) whose key is known. */
int rdx_reader_open_at(struct rdx_reader **ret_reader, int dir_fd, const struct rdx_hash_key *key,
		       uint64_t worker_id, uint32_t dp_rank);

/*
 * A side reader: a second one of the same mapping with a cursor of its own. The first must outlive
 * it; close it with rdx_reader_close_side. -ENOMEM.
 */
int rdx_reader_open_side(const struct rdx_reader *reader, struct rdx_reader **ret_aside);
void rdx_reader_close_side(struct rdx_reader *aside);

/* How long the ledger is now, into `info`. -EBADMSG: the file lacks pages, or is shorter than it was;
 * -errno. */
int rdx_reader_learn_room(struct rdx_reader *reader);

/* Records below `used`, of rdx_ledger_used, are in use: map them, if they are not. -EBADMSG: the file has
 * not so many. -EAGAIN: a side reader cannot, but the first. -ENOMEM, -ENOSPC: close it; -errno. */
int rdx_reader_map_used(struct rdx_reader *reader, uint64_t used);

/* As rdx_reader_seek to a cursor of this epoch, but `half` stays as it is. */
void rdx_reader_go_to(struct rdx_reader *reader, const struct rdx_cursor *cursor);

/* As rdx_reader_next, but only what the ring says: for those that see to the worker's clears
 * themselves. */
int rdx_reader_read(struct rdx_reader *reader, struct rdx_event *ret_event);

/* The worker's clear stamp, from its file; 0 where the scope is the rank. */
uint32_t rdx_reader_clear_stamp(const struct rdx_reader *reader);

/* What the rank is worth when it was cleared by that file alone, until it says so itself: there may be late
 * clears, after which it may hold blocks. */
uint8_t rdx_reader_clear_worth(const struct rdx_reader *reader);

/* Is the clear file, still, that of the rank? A stamp that was loaded before is one of it then. */
int rdx_reader_clear_is_sound(const struct rdx_reader *reader);

/* From here on, events with an older stamp are not taken from ring or ledger. */
void rdx_reader_ignore_before(struct rdx_reader *reader, uint32_t stamp);

#endif
