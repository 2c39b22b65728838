/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rank as the indexer follows it: a reader, a seat in an index, and what happens next.
 *
 *   BEGIN     take fresh columns, choose where to start      -> SNAPSHOT or REPLAY
 *   SNAPSHOT  ledger blocks into the build                   -> REPLAY
 *   REPLAY    events up to the position that makes it exact  -> FOLLOW, in one store
 *   FOLLOW    events as they come
 *   FAILED    dropped, with a cause; begun again after a while, or in another file
 *   GONE      no running process holds it
 *
 * From any phase a lap, or a clear for which no columns are swept, leads back to BEGIN.
 */
#ifndef RDX_RANK_H
#define RDX_RANK_H

#include "consumer/indexer/discovery.h"
#include "consumer/writer/writer.h"
#include "consumer/reader/reader.h"
#include "shm/prefetch.h"
#include <ringdex/rdx_indexer.h>

enum rdx_phase {
	RDX_PHASE_BEGIN,
	RDX_PHASE_SNAPSHOT,
	RDX_PHASE_REPLAY,
	RDX_PHASE_FOLLOW,
	RDX_PHASE_FAILED,
	RDX_PHASE_GONE,
};

struct rdx_rank {
	struct rdx_found file;
	struct rdx_reader *reader;       /* NULL: could not be opened, or gone */
	struct rdx_index_writer *writer; /* not owned; NULL: in no index */
	enum rdx_phase phase;
	int seat;                            /* in the index */
	const struct rdx_segment_live *live; /* the reader's */
	uint64_t position;                   /* likewise: where its next event begins */
	uint64_t bytes; /* of its segment, as its worker was last allowed them */
	int cause;      /* -errno why it is not followed, or was dropped; else 0 */
	uint32_t tries; /* snapshots that failed */
	uint32_t stamp; /* newest clear stamp of the worker */
	uint64_t exact_position;
	uint64_t begun_ns; /* this recovery */
	uint64_t retry_ns; /* FAILED: not before; GONE: likewise, asked whether it is held again */
	uint64_t walk;     /* number of the directory walk that last found it */
	uint64_t seen_ns;  /* last caught up and alive */
	uint64_t pulsed_ns;
	uint64_t blocks_stored;
	uint64_t blocks_removed;
	uint64_t clears;
	uint64_t events;
	struct rdx_reader_stats past; /* of its earlier readers */
	struct rdx_recovery_row row;  /* of the recovery under way, or the last */
	uint64_t recovery_ns;
	uint64_t epoch;
	uint64_t event_id;
	uint64_t event_ns;     /* when the last event read was made; 0: none was */
	uint64_t published_ns; /* the same, of the last one that says so, and can be right */
	uint8_t orphans;
	uint8_t inexact;   /* 0 or RDX_INEXACT_..., reported by the producer */
	uint8_t dropped;   /* likewise: what did not fit here */
	uint8_t alive;     /* by the last answer of the lock; 0 also where there was none */
	uint8_t rings;     /* its producer was seen to ring the bell */
	uint8_t changed;   /* since the last pulse */
	uint8_t caught_up; /* the last step found nothing more */
};

/* Recoveries that the indexer keeps for people to see. */
#define RDX_RECOVERIES_KEPT 256

#define RDX_EVENT_WORK 4 /* what an event costs besides its blocks, in blocks */

/* What a step needs besides the rank; one for all ranks of an indexer. */
struct rdx_rank_scratch {
	uint64_t hashes[RDX_EVENT_SLOTS_MAX * RDX_PAYLOAD_WORDS]; /* more than an event has */
	struct rdx_recovery_row recovered[RDX_RECOVERIES_KEPT];   /* the newest, in a circle */
	uint64_t recovered_count;
};

/* Begin to follow an opened reader (taken over) in a seat of an index. */
void rdx_rank_start(struct rdx_rank *rank, struct rdx_reader *reader,
		    struct rdx_index_writer *writer, int seat, uint64_t now_ns);

/*
 * Apply about `share` blocks (an event counts as RDX_EVENT_WORK more), and not much longer than
 * `until_ns`. Returns how much was done, 0 if there was none to do, -ENOMEM. A rank's own failure
 * changes its phase, not the result.
 */
int rdx_rank_step(struct rdx_rank *rank, struct rdx_rank_scratch *scratch, uint32_t share,
		  uint64_t now_ns, uint64_t until_ns);

/* Its ledger may have become longer. -EBADMSG: the file lacks pages, or is shorter than it was; -errno. */
int rdx_rank_learn_room(struct rdx_rank *rank);

/* Has it been cleared where it was not read yet? */
int rdx_rank_is_cleared(const struct rdx_rank *rank);

/* Fetch what it looks at: first the rank itself, then, when that has come, its segment. */
RDX_PREFETCHES void rdx_rank_fetch_position(const struct rdx_rank *rank)
{
	rdx_prefetch_read(&rank->position);
}

RDX_PREFETCHES void rdx_rank_fetch_barrier(const struct rdx_rank *rank)
{
	if (rank->live)
		rdx_prefetch_read(&rank->live->barrier);
}

/* Fetch what rdx_rank_step looks at first: each is a miss or three, where a poll has not been made
 * for a while. */
void rdx_rank_fetch(struct rdx_rank *const *ranks, uint32_t count);

/* Drop it: hidden, closed, with a cause. */
void rdx_rank_fail(struct rdx_rank *rank, int cause, uint64_t now_ns);

/* Its process is gone: hidden at once, closed. */
void rdx_rank_gone(struct rdx_rank *rank);

/* RDX_STATE_... as the index shows it. */
uint8_t rdx_rank_state(const struct rdx_rank *rank);

/* Counters of all its readers. */
void rdx_rank_reader_stats(const struct rdx_rank *rank, struct rdx_reader_stats *ret_stats);

/* Make all changes on their way, and publish state and counters, if they changed or it is time by
 * `now_ns`. */
void rdx_rank_pulse(struct rdx_rank *rank, uint64_t now_ns);

/* Is there an unread event, or a recovery to go on with? */
int rdx_rank_has_work(const struct rdx_rank *rank);

#endif
