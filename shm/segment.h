/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segment files: claim, create, join, check.
 */
#ifndef RDX_SEGMENT_H
#define RDX_SEGMENT_H

#include "shm/clear_file.h"
#include "shm/ledger.h"
#include "shm/mapping.h"
#include "shm/ring.h"
#include <ringdex/rdx_hash.h>

/* What to make a segment of. rdx_segment_plan checks the texts. */
struct rdx_segment_spec {
	uint64_t worker_id;
	uint32_t dp_rank;
	uint32_t block_tokens;
	uint32_t clear_scope;
	uint32_t report_mode;
	uint32_t file_mode;
	uint64_t ring_slots;
	uint64_t tier_blocks[RDX_TIER_COUNT];
	uint64_t ledger_records; /* 0: of the default, see below */
	uint64_t records_max;    /* to which the ledger may grow, if that is more */
	const char *instance;
	const char *model;
	const char *tenant;
};

/* Names remembered by default besides so many blocks. */
uint64_t rdx_segment_remembered(uint64_t blocks);

/* Ledger records for these tiers and so many names that are only remembered, 0: a quarter of all
 * tier_blocks, at least 1,024. -EINVAL: too many of either. */
int rdx_segment_records(const uint64_t *tier_blocks, uint64_t remembered, uint64_t *ret_records);

/* Geometry from the spec, every field but magic, epoch, key and creator. -EINVAL,
 * -ENAMETOOLONG. */
int rdx_segment_plan(const struct rdx_segment_spec *spec, struct rdx_segment_header *ret_header);

/* What a segment has room for. */
struct rdx_segment_room {
	uint64_t tier_blocks[RDX_TIER_COUNT];
	uint64_t ledger_records;
};

/* The geometry of a segment with this room. -EINVAL */
int rdx_segment_make_room(struct rdx_segment_header *header, const struct rdx_segment_room *room);

/* Bytes of a file whose ledger has become so long. */
uint64_t rdx_segment_bytes(const struct rdx_segment_header *header, uint64_t records);

/* A rank claimed and its new segment, as the producer holds them. */
struct rdx_segment_owner {
	struct rdx_mapping mapping;
	struct rdx_mapping clear; /* the worker's clear file, or none */
	int32_t lock_fd;          /* of the rank's lock file, -1: none */
	uint32_t in_memory;
	uint32_t stamp; /* of the clear file, as the rank begins with it */
	struct rdx_segment_header *header;
	struct rdx_segment_live *live;
	struct rdx_segment_source *source;
	struct rdx_ring ring;
	struct rdx_ledger ledger;
	uint64_t records_max; /* that the mapping has addresses for */
};

/*
 * Claim the rank (lock file), create its segment under a temporary name, lock it, only then let
 * others read it. -EBUSY if another process holds the rank. No failure leaves a file behind but the
 * lock file. Whoever claims does everything else that may fail next, and names the segment last:
 * until then the file of the life before stays in its place.
 */
int rdx_segment_claim(struct rdx_segment_owner *ret_owner, int dir_fd,
		      const struct rdx_hash_key *key, const struct rdx_segment_spec *spec);

/* What to make a segment again with. */
struct rdx_segment_again {
	const struct rdx_hash_key *key;
	struct rdx_segment_room room; /* no less than it had */
	uint32_t stamp;               /* of its worker, as the rank has followed it */
	uint32_t file_mode;
	uint8_t is_full; /* its ring has no position left for the Cleared of clears that it missed */
};

enum rdx_segment_renewed {
	RDX_SEGMENT_WHOLE, /* with all that was in `lost` */
	RDX_SEGMENT_MISSED, /* likewise, but there were, or may have been, clears that the rank missed */
	RDX_SEGMENT_EMPTY, /* the key is another one, by which what it held has other hashes; or the rank is
			    * full, and missed clears */
};

/*
 * A rank whose files lost their names, or whose segment is too small: claim it again, with its clear file,
 * and make its segment again, as a new epoch, with its source also where it is empty. No name yet, as above;
 * `lost` is as it was, and its lock file held by both where that has its name. An rdx_segment_renewed; -EBUSY
 * as above; -EINVAL: too much room; -EAGAIN: nobody else has the rank, but a cleaner, or who looks whether it
 * is free, is in the way.
 */
int rdx_segment_renew(struct rdx_segment_owner *ret_owner, const struct rdx_segment_owner *lost,
		      int dir_fd, const struct rdx_segment_again *again);

/*
 * Make the ledger longer where it is, and touch what is new, for an owner of so many records at least.
 * Readers find it by `used`. -ENOSPC, -EDQUOT, -EFBIG, as rdx_file_allocate; -ENOMEM: more than
 * records_max. On failure it is as it was.
 */
int rdx_segment_extend(struct rdx_segment_owner *owner, uint64_t records);

/* Have the lock file, the segment and the clear file below the directory `path` their names, and is the
 * last one sound? 1, 0, -errno. */
int rdx_segment_is_named(const struct rdx_segment_owner *owner, const char *path);

/* Give a claimed segment its name, in place of the life before; or drop the claim and the file that
 * has no name yet. -errno of rename(2): not named. */
int rdx_segment_name(const struct rdx_segment_owner *owner, int dir_fd);
void rdx_segment_discard(struct rdx_segment_owner *owner, int dir_fd);

/* Drop the claim; the file stays. In a forked child use `disown` instead: it closes descriptors and
 * touches no mapping. */
void rdx_segment_release(struct rdx_segment_owner *owner);
void rdx_segment_disown(struct rdx_segment_owner *owner);

/* A segment as a consumer maps it: header copied once, checked, never looked at again. */
struct rdx_segment_view {
	struct rdx_mapping mapping;
	struct rdx_segment_header header; /* private copy; texts are terminated */
	const struct rdx_segment_live *live;
	const struct rdx_segment_source *source;
	struct rdx_ring_view ring;
	const struct rdx_ledger_record *records;
	uint64_t record_count; /* that are mapped, header.ledger_records or more */
};

/*
 * Map a segment read-only and check it against its real size. -ENOENT, -EBADMSG,
 * -EPROTONOSUPPORT, -EKEYREJECTED, -EPERM, as rdx_reader_open.
 */
int rdx_segment_join(struct rdx_segment_view *ret_view, int dir_fd, uint64_t worker_id,
		     uint32_t dp_rank, const struct rdx_hash_key *key);
void rdx_segment_leave(struct rdx_segment_view *view);

/* Records that the file has room for now, no fewer than `mapped`. -EBADMSG: it is shorter than that, or
 * lacks pages; -errno. */
int rdx_segment_room_now(const struct rdx_segment_view *view, uint64_t *ret_records);

/* Map so many records, that the file has room for. Pointers into the view end with it. -ENOMEM, -errno */
int rdx_segment_map_records(struct rdx_segment_view *view, uint64_t records);

/* Does a running process hold the segment, whatever its content? 1, 0, -errno. */
int rdx_segment_held(int dir_fd, uint64_t worker_id, uint32_t dp_rank);

/* Check a header of a file of `file_bytes` bytes; `key` NULL: not compared. */
int rdx_segment_check(const struct rdx_segment_header *header, uint64_t file_bytes,
		      const struct rdx_hash_key *key);

#endif
