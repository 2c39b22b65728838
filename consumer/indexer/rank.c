/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/indexer/rank.h"
#include "shm/clock.h"
#include "consumer/reader/recovery.h"
#include "shm/clear.h"
#include "shm/prefetch.h"

#include <errno.h>
#include <string.h>

#define SNAPSHOT_TRIES 8
#define RETRY_NS       UINT64_C(1000000000)
#define REFIT_NS       UINT64_C(10000000000)
#define PULSE_NS       UINT64_C(10000000)
#define CHUNK_HASHES   256 /* of the ledger, between two looks at the clock */
#define CHUNK_WORK     256 /* of a part of the ledger without blocks */
#define CLOCK_WORK     112 /* blocks between two looks at the clock, about: one full event */

/* Nothing is missing from what is shown any more, so there is no cause. */
static void make_whole(struct rdx_rank *rank)
{
	rank->dropped = 0;
	rank->cause = 0;
}

/* What the worker says that it holds. */
static uint64_t held(const struct rdx_rank *rank)
{
	const struct rdx_segment_live *live = rank->reader->view.live;
	uint64_t blocks = 0;

	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		blocks += rdx_word_load(&live->counters[RDX_COUNTER_HELD + tier]);
	return blocks;
}

int rdx_rank_learn_room(struct rdx_rank *rank)
{
	int r = rdx_reader_learn_room(rank->reader);

	rdx_writer_rank_allow(rank->writer, rank->seat,
			      rdx_reader_info(rank->reader)->ledger_records);
	return r;
}

static void begin_again(struct rdx_rank *rank)
{
	make_whole(rank);
	rdx_writer_rank_hide(rank->writer, rank->seat);
	(void)rdx_rank_learn_room(rank); /* of a file that was cut the recovery tells */
	rdx_writer_rank_expect(rank->writer, rank->seat, held(rank));
	rank->phase = RDX_PHASE_BEGIN;
	rank->changed = 1;
}

void rdx_rank_start(struct rdx_rank *rank, struct rdx_reader *reader,
		    struct rdx_index_writer *writer, int seat, uint64_t now_ns)
{
	rank->reader = reader;
	rank->live = reader->view.live;
	rank->writer = writer;
	rank->seat = seat;
	rank->epoch = rdx_reader_info(reader)->epoch;
	rank->event_id = rank->event_ns = rank->published_ns = rank->position = 0;
	rank->stamp = rdx_reader_clear_stamp(reader);
	rank->bytes = rdx_reader_info(reader)->file_bytes;
	rank->inexact = rank->orphans = 0;
	rank->rings = 0;
	rank->tries = 0;
	rank->begun_ns = rank->seen_ns = now_ns;
	begin_again(rank);
}

void rdx_rank_reader_stats(const struct rdx_rank *rank, struct rdx_reader_stats *ret_stats)
{
	const uint64_t *past = (const uint64_t *)&rank->past;
	uint64_t *sum = (uint64_t *)ret_stats;
	struct rdx_reader_stats now = {.size = sizeof(now)};

	static_assert(sizeof(now) % sizeof(*sum) == 0, "after the size, counters only");
	if (rank->reader)
		(void)rdx_reader_get_stats(rank->reader, &now);
	*ret_stats = now;
	for (size_t i = 1; i < sizeof(now) / sizeof(*sum); i++)
		sum[i] += past[i];
}

/* Close the reader, keeping its counts; the index shows no block of the rank. */
static void drop(struct rdx_rank *rank)
{
	struct rdx_reader_stats stats;

	if (rank->writer)
		rdx_writer_rank_hide(rank->writer, rank->seat);
	rdx_rank_reader_stats(rank, &stats); /* into a copy: rank->past is one of the addends */
	rank->past = stats;
	rdx_reader_close(rank->reader);
	rank->reader = NULL;
	rank->live = NULL;
	rank->changed = 1;
}

void rdx_rank_fail(struct rdx_rank *rank, int cause, uint64_t now_ns)
{
	drop(rank);
	rank->phase = RDX_PHASE_FAILED;
	rank->cause = cause;
	rank->retry_ns = now_ns + RETRY_NS;
}

void rdx_rank_gone(struct rdx_rank *rank)
{
	drop(rank);
	make_whole(rank);
	rank->phase = RDX_PHASE_GONE;
	rank->alive = 0;
	rank->retry_ns = 0;
}

/* The worse of what the worker said and what did not fit. */
static uint8_t inexact_state(const struct rdx_rank *rank)
{
	static const uint8_t states[] = {RDX_STATE_EXACT, RDX_STATE_LACKING, RDX_STATE_INEXACT};

	return states[rank->inexact > rank->dropped ? rank->inexact : rank->dropped];
}

uint8_t rdx_rank_state(const struct rdx_rank *rank)
{
	switch (rank->phase) {
	case RDX_PHASE_FOLLOW:
		return inexact_state(rank);
	case RDX_PHASE_FAILED:
		return RDX_STATE_INEXACT;
	case RDX_PHASE_GONE:
		return RDX_STATE_GONE;
	default:
		return RDX_STATE_RECOVERING;
	}
}

/* Handle a result that ends the rank's present phase. */
static void handle(struct rdx_rank *rank, int r, uint64_t now_ns)
{
	if (r == -EAGAIN || r == -EOVERFLOW) {
		begin_again(rank);
	} else if (r < 0) {
		rdx_rank_fail(rank, r, now_ns);
	}
}

/* Some blocks did not fit, or were not removed. */
static void lose(struct rdx_rank *rank, uint8_t lost, uint64_t now_ns)
{
	if (rank->dropped < lost)
		rank->dropped = lost;
	rank->cause = -ENOSPC;
	rank->retry_ns = now_ns + REFIT_NS;
	rank->changed = 1;
}

/* No honest publisher stores more than its ledger has room for, but removed blocks may have stayed here. */
static int is_too_large(struct rdx_rank *rank)
{
	return rank->phase == RDX_PHASE_FOLLOW && rank->dropped < RDX_INEXACT_UNKNOWN &&
	       rdx_writer_rank_exceeds(rank->writer, rank->seat) &&
	       (rdx_rank_learn_room(rank) < 0 || rdx_writer_rank_exceeds(rank->writer, rank->seat));
}

/* Make the changes on their way. */
static void settle(struct rdx_rank *rank, uint64_t now_ns)
{
	uint8_t lost;

	if (!rank->writer)
		return;
	rdx_writer_flush(rank->writer);
	lost = rdx_writer_rank_lost(rank->writer, rank->seat);
	if (lost)
		lose(rank, lost, now_ns);
	if (rank->changed && is_too_large(rank))
		rdx_rank_fail(rank, -EBADMSG, now_ns);
}

static void publish(struct rdx_rank *rank, uint64_t now_ns)
{
	struct rdx_writer_pulse pulse = {
		.state = rdx_rank_state(rank),
		.cause = rank->cause,
		.epoch = rank->epoch,
		.event_id = rank->event_id,
		.position = rank->position,
		/* what is known of a dropped rank does not age: it is not STALE */
		.seen_ns = rank->phase == RDX_PHASE_FAILED ? now_ns : rank->seen_ns,
		.event_ns = rank->event_ns,
		.events = rank->events,
		.recovery_ns = rank->recovery_ns,
	};
	struct rdx_reader_stats stats;

	if (!rank->writer || (!rank->changed && now_ns - rank->pulsed_ns < PULSE_NS))
		return;
	rdx_rank_reader_stats(rank, &stats);
	pulse.events_dead = stats.events_dead;
	pulse.slots_lost = stats.slots_lost;
	memcpy(pulse.recoveries, stats.recoveries, sizeof(pulse.recoveries));
	rdx_writer_rank_pulse(rank->writer, rank->seat, &pulse);
	rank->changed = 0;
	rank->pulsed_ns = now_ns;
	if (rank->phase == RDX_PHASE_GONE)
		rank->writer = NULL; /* another rank may get the seat from now on */
}

void rdx_rank_pulse(struct rdx_rank *rank, uint64_t now_ns)
{
	settle(rank, now_ns);
	publish(rank, now_ns);
}

static int reads_events(const struct rdx_rank *rank)
{
	return rank->phase == RDX_PHASE_REPLAY || rank->phase == RDX_PHASE_FOLLOW;
}

int rdx_rank_is_cleared(const struct rdx_rank *rank)
{
	return reads_events(rank) && rdx_barrier_load(rank->live) > rank->position;
}

void rdx_rank_fetch(struct rdx_rank *const *ranks, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (reads_events(ranks[i])) {
			rdx_prefetch_read(&ranks[i]->reader->view);
			rdx_prefetch_read(&ranks[i]->reader->cursor);
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct rdx_reader *reader = ranks[i]->reader;

		if (reads_events(ranks[i]))
			rdx_prefetch_read(&reader->view.ring.slots[ranks[i]->position &
								   reader->view.ring.mask]);
	}
}

int rdx_rank_has_work(const struct rdx_rank *rank)
{
	uint64_t words[RDX_SLOT_WORDS];

	if (rank->phase <= RDX_PHASE_SNAPSHOT)
		return 1;
	if (rank->phase > RDX_PHASE_FOLLOW)
		return 0;
	return rdx_reader_logged(rank->reader) ||
	       rdx_ring_get(&rank->reader->view.ring, rank->reader->cursor.position, words) !=
		       RDX_RING_PENDING;
}

/* BEGIN: columns first: they may take a while, and the ring moves on. */
static int begin(struct rdx_rank *rank, uint64_t now_ns)
{
	struct rdx_recovery recovery;
	int r = rdx_writer_rank_begin(rank->writer, rank->seat, held(rank));

	if (r == -EAGAIN)
		return 0;
	if (r == 0) {
		rank->begun_ns = rdx_clock_ns();
		r = rdx_recovery_rebuild(rank->reader, &recovery);
	}
	if (r == -EAGAIN && ++rank->tries < SNAPSHOT_TRIES)
		return 0;
	if (r < 0) {
		/* no producer is faster than so many tries: its tail is wrong */
		rdx_rank_fail(rank, r == -EAGAIN ? -EOVERFLOW : r, now_ns);
		return 0;
	}
	rank->row = (struct rdx_recovery_row){
		.size = sizeof(rank->row),
		.worker_id = rank->file.worker_id,
		.dp_rank = rank->file.dp_rank,
		.way = recovery.way,
		.events_skipped = recovery.events_skipped,
		.events_replayed = rank->events, /* to be counted from */
	};
	/* recovery starts from a state of this stamp: older events are void, and blocks that it
	 * takes from the ledger must not be dropped for it again */
	if (rdx_clear_before(rank->stamp, rank->reader->ignore_before))
		rank->stamp = rank->reader->ignore_before;
	rank->orphans = recovery.orphans;
	rank->inexact = recovery.inexact;
	if (recovery.way == RDX_RECOVERED_LEDGER) {
		rank->phase = RDX_PHASE_SNAPSHOT;
	} else {
		/* exact at the barrier already; shown once it has caught up with the present
		 * tail */
		rank->exact_position = rdx_publish_tail(rank->reader->view.live);
		rank->phase = RDX_PHASE_REPLAY;
	}
	rank->changed = 1;
	return 1;
}

static int snapshot(struct rdx_rank *rank, struct rdx_rank_scratch *scratch, uint32_t share,
		    uint64_t now_ns, uint64_t until_ns)
{
	uint64_t done = 0;

	while (rank->phase == RDX_PHASE_SNAPSHOT && done < share &&
	       (!done || rdx_clock_ns() < until_ns)) {
		uint8_t tier;
		int64_t count = rdx_recovery_scan(rank->reader, scratch->hashes, CHUNK_HASHES,
						  &tier, &rank->exact_position);

		rank->live = rank->reader->view.live; /* a ledger that has grown is mapped anew */
		if (count == 0 && rank->reader->scan.active) {
			done += CHUNK_WORK;
		} else if (count == 0) {
			rank->phase = RDX_PHASE_REPLAY;
			rank->tries = 0;
		} else if (count > 0) {
			handle(rank,
			       rdx_writer_apply_blocks(rank->writer, rank->seat, tier,
						       scratch->hashes, (uint32_t)count),
			       now_ns);
			rank->row.ledger_blocks += (uint64_t)count;
			done += (uint64_t)count;
		} else if (count == -ENOMEM) {
			return -ENOMEM;
		} else if (count == -EOVERFLOW && ++rank->tries >= SNAPSHOT_TRIES) {
			rdx_rank_fail(rank, -EOVERFLOW, now_ns);
		} else {
			handle(rank, (int)count, now_ns);
		}
	}
	return (int)done + 1;
}

/* The worker's clear stamp is now `stamp`: drop what is older, and be worth that. */
static void clear_before(struct rdx_rank *rank, uint32_t stamp, uint8_t inexact, uint64_t now_ns)
{
	struct rdx_event cleared = {.kind = RDX_EVENT_CLEARED, .tier = RDX_SCOPE_ALL};

	if (!rdx_clear_before(rank->stamp, stamp))
		return;
	rank->stamp = stamp;
	rdx_reader_ignore_before(rank->reader, stamp);
	if (rank->phase == RDX_PHASE_SNAPSHOT) {
		begin_again(rank); /* what was scanned is dead */
	} else if (rank->phase == RDX_PHASE_REPLAY || rank->phase == RDX_PHASE_FOLLOW) {
		rank->orphans = 0;
		rank->inexact = inexact;
		make_whole(rank);
		handle(rank, rdx_writer_apply_event(rank->writer, rank->seat, &cleared, NULL),
		       now_ns);
	}
	rank->changed = 1;
}

static void count_event(struct rdx_rank *rank, const struct rdx_event *event)
{
	rank->events++;
	if (event->kind == RDX_EVENT_STORED)
		rank->blocks_stored += event->count;
	else if (event->kind == RDX_EVENT_REMOVED)
		rank->blocks_removed += event->count;
	else if (event->kind == RDX_EVENT_CLEARED)
		rank->clears++;
}

/* Apply the event just read. Returns 0 if it has to wait: the cursor is moved back before it. */
static int apply(struct rdx_rank *rank, struct rdx_rank_scratch *scratch,
		 const struct rdx_event *event, uint64_t now_ns)
{
	const struct rdx_rank_info *info = rdx_reader_info(rank->reader);
	int stale = info->clear_id && rdx_clear_before(event->stamp, rank->stamp);
	int all = event->kind == RDX_EVENT_CLEARED && event->tier == RDX_SCOPE_ALL;
	int r;

	if (stale) { /* from before the worker's newest clear */
		rank->events++;
		return 1;
	}
	if (event->kind == RDX_EVENT_STORED)
		rdx_hash_chain(&info->key, event->parent, event->hashes, event->count,
			       scratch->hashes);
	r = rdx_writer_apply_event(rank->writer, rank->seat, event, scratch->hashes);
	if (r == -EAGAIN && !all) {
		/* a tier's column is not swept yet, and this clear is no barrier to restart from */
		rank->reader->cursor.position = event->position;
		rank->reader->cursor.event_id = event->event_id - 1;
		return 0;
	}
	count_event(rank, event);
	if (r == 0 && all)
		make_whole(rank);
	rank->orphans = event->orphans;
	rank->inexact = event->inexact;
	handle(rank, r, now_ns);
	return 1;
}

static void show(struct rdx_rank *rank, struct rdx_rank_scratch *scratch)
{
	if (rank->phase != RDX_PHASE_REPLAY || rank->reader->cursor.position < rank->exact_position)
		return;
	rdx_writer_rank_show(rank->writer, rank->seat, rank->orphans, rank->dropped != 0);
	rank->phase = RDX_PHASE_FOLLOW;
	rank->recovery_ns = rdx_clock_ns() - rank->begun_ns;
	rank->changed = 1;
	rank->row.duration_ns = rank->recovery_ns;
	rank->row.events_replayed = rank->events - rank->row.events_replayed;
	scratch->recovered[scratch->recovered_count++ % RDX_RECOVERIES_KEPT] = rank->row;
}

/* REPLAY and FOLLOW: events, until `share` blocks were applied or there are no more. */
static int follow(struct rdx_rank *rank, struct rdx_rank_scratch *scratch, uint32_t share,
		  uint64_t now_ns, uint64_t until_ns)
{
	const struct rdx_rank_info *info = rdx_reader_info(rank->reader);
	struct rdx_event event;
	uint32_t done = 0, work = 0;
	int r;

	show(rank, scratch);
	/* after a move to the barrier the Cleared is read at once: what was built before is dead */
	r = rdx_recovery_jump(rank->reader);
	if (r < 0) {
		handle(rank, r, now_ns);
		return 1;
	}

	while (reads_events(rank)) {
		if (done >= share || (work >= CLOCK_WORK && rdx_clock_ns() >= until_ns))
			return (int)done;
		work = work < CLOCK_WORK ? work : 0;
		r = rdx_reader_read(rank->reader, &event);
		if (r == 0) {
			rank->caught_up = 1;
			break;
		}
		if (r < 0) {
			handle(rank, r, now_ns);
			break;
		}
		/* a stamp is the engine's word: not later than now */
		rank->event_ns = event.time_ns && event.time_ns < now_ns ? event.time_ns : now_ns;
		if (event.time_ns && event.time_ns <= now_ns)
			rank->published_ns = event.time_ns;
		if (info->clear_id && rdx_clear_before(rank->stamp, event.stamp))
			clear_before(rank, event.stamp, event.inexact, now_ns);
		if (rank->phase != RDX_PHASE_REPLAY && rank->phase != RDX_PHASE_FOLLOW)
			break;
		if (!apply(rank, scratch, &event, now_ns))
			break;
		done += event.count + RDX_EVENT_WORK;
		work += event.count + RDX_EVENT_WORK;
		show(rank, scratch);
	}
	return rank->reader ? (int)done : 1;
}

/* The stamp is raised before any event has it. Where noise is written over the file, that may be anything. */
static void follow_file(struct rdx_rank *rank, uint64_t now_ns)
{
	uint32_t stamp = rdx_reader_clear_stamp(rank->reader);

	if (!rdx_reader_info(rank->reader)->clear_id || stamp == rank->stamp)
		return;
	if (rdx_reader_clear_is_sound(rank->reader))
		clear_before(rank, stamp, rdx_reader_clear_worth(rank->reader), now_ns);
	else
		handle(rank, -EBADMSG, now_ns);
}

int rdx_rank_step(struct rdx_rank *rank, struct rdx_rank_scratch *scratch, uint32_t share,
		  uint64_t now_ns, uint64_t until_ns)
{
	int done = 0, r;

	rank->caught_up = 0;
	if (rank->phase > RDX_PHASE_FOLLOW)
		return 0;
	follow_file(rank, now_ns);
	if (rank->phase > RDX_PHASE_FOLLOW)
		return 1;
	if (rank->phase == RDX_PHASE_FOLLOW && rank->dropped && now_ns >= rank->retry_ns)
		begin_again(rank); /* there may be room again */
	if (rank->phase == RDX_PHASE_BEGIN)
		done += begin(rank, now_ns);
	if (rank->phase == RDX_PHASE_SNAPSHOT) {
		r = snapshot(rank, scratch, share, now_ns, until_ns);
		if (r < 0)
			return r;
		done += r;
	}
	/* a long log is read in parts: keep up with the ring meanwhile */
	if (rank->phase == RDX_PHASE_REPLAY && rdx_reader_logged(rank->reader)) {
		r = rdx_recovery_drain(rank->reader);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			handle(rank, r, now_ns);
	}
	if (reads_events(rank))
		done += follow(rank, scratch, share, now_ns, until_ns);
	if (rank->phase > RDX_PHASE_FOLLOW)
		return done;
	if (rank->phase <= RDX_PHASE_SNAPSHOT && !done)
		done = 1; /* a recovery that waits, or begins again, is work left */
	if (rank->event_id != rank->reader->cursor.event_id)
		rank->changed = 1;
	rank->event_id = rank->reader->cursor.event_id;
	rank->position = rank->reader->cursor.position;
	if (rank->alive && rank->caught_up)
		rank->seen_ns = now_ns;
	return done;
}
