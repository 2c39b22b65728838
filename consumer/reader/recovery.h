/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery of a lapped reader: the newest event, the three ways, the log, the snapshot.
 */
#ifndef RDX_RECOVERY_H
#define RDX_RECOVERY_H

#include "consumer/reader/reader.h"

/* If a barrier newer than the cursor is in the ring, move there: everything between is dead and is
 * not read. 1 if it moved, 0 if not, -EBADMSG. */
int rdx_recovery_jump(struct rdx_reader *reader);

/*
 * Recover although reading could go on, for a caller that lost what it had built: barrier or
 * ledger. Counts what is skipped from the cursor on. As rdx_reader_recover.
 */
int rdx_recovery_rebuild(struct rdx_reader *reader, struct rdx_recovery *ret_recovery);

/* Recover from the ledger even if a barrier is in the ring. As rdx_reader_recover. */
int rdx_recovery_from_ledger(struct rdx_reader *reader, struct rdx_recovery *ret_recovery);

/*
 * As rdx_reader_snapshot, but a bounded part of the scan, so that a long ledger with few blocks
 * takes no long call: 0 is the end only if `scan.active` is 0.
 */
int64_t rdx_recovery_scan(struct rdx_reader *reader, uint64_t *ret_hashes, uint64_t capacity,
			  uint8_t *ret_tier, uint64_t *ret_exact_position);

/*
 * Copy what the ring has published into the log, so that it is not lost while the caller is busy
 * with the snapshot. Copies a bounded number of slots, of whole events: otherwise a producer as
 * fast as the copying would never let it end. If there was nothing to copy there is no log
 * afterwards. -EOVERFLOW, -ENOMEM, -EBADMSG.
 */
int rdx_recovery_drain(struct rdx_reader *reader);

/*
 * The newest published event, found by walking past the tail: its id, and the position
 * after it. {0, 0} in an empty ring. -EAGAIN where the ring moves too fast, -EBADMSG.
 */
int rdx_recovery_newest(const struct rdx_reader *reader, uint64_t *ret_event_id,
			uint64_t *ret_end_position);

/* Is the event at `position`, and everything after it, still in the ring? */
int rdx_recovery_in_ring(const struct rdx_reader *reader, uint64_t position);

/*
 * Look at the barrier: 1 and its position and event id (position 0 and id 0 for birth, a
 * ring that never wrapped), 0 if none is in the ring, -EBADMSG.
 */
int rdx_recovery_barrier(const struct rdx_reader *reader, uint64_t *ret_position,
			 uint64_t *ret_event_id);

/* Only the head of the event that the published slot at `position` belongs to. */
enum rdx_ring_found rdx_recovery_head_at(const struct rdx_reader *reader, uint64_t position,
					 struct rdx_event_head *ret_head, uint64_t *ret_first);

#endif
