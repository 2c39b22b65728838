/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery: continue, barrier, or ledger; from shared memory alone.
 */
#include "consumer/reader/recovery.h"
#include "consumer/reader/reader.h"
#include "shm/clear.h"
#include "shm/file.h"
#include "shm/namespace.h"
#include "shm/sized.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_SLOTS_FIRST (UINT64_C(1) << 12)
#define LOG_SLOTS_MAX   (UINT64_C(1) << 18) /* 16 MiB */
#define DRAIN_SLOTS     (UINT64_C(1) << 14) /* of one call: well under a millisecond */
#define TRIES           64
#define SCAN_RECORDS    (UINT64_C(1) << 13) /* looked at together: 256 KiB */

enum rdx_ring_found rdx_recovery_head_at(const struct rdx_reader *reader, uint64_t position,
					 struct rdx_event_head *ret_head, uint64_t *ret_first)
{
	uint64_t words[RDX_SLOT_WORDS];
	enum rdx_ring_found found = rdx_ring_get(&reader->view.ring, position, words);
	uint32_t back, slots;

	if (found != RDX_RING_PUBLISHED)
		return found;
	back = rdx_slot_back(words[0]);
	*ret_first = UINT64_MAX; /* no event, unless shown below */
	if (back > position)
		return RDX_RING_PUBLISHED;
	if (back) {
		found = rdx_ring_get(&reader->view.ring, position - back, words);
		if (found != RDX_RING_PUBLISHED)
			return RDX_RING_LAPPED; /* the event was whole: it is lost */
	}
	slots = rdx_event_decode(words, reader->slots_max, ret_head);
	if (slots > back)
		*ret_first = position - back;
	return RDX_RING_PUBLISHED;
}

/* The newest event's head, and the position after it; 0 in an empty ring. */
static int find_newest(const struct rdx_reader *reader, struct rdx_event_head *ret_head,
		       uint64_t *ret_end_position)
{
	uint64_t end = rdx_publish_tail(reader->view.live);
	uint64_t limit = end + reader->info.ring_slots;
	struct rdx_event_head head = {.event_id = 0};
	uint64_t first;

	if (end > RDX_POSITION_END)
		return -EBADMSG;
	/* a producer may be, or have died, between the slots and the tail */
	while (end < limit) {
		struct rdx_event_head next;
		enum rdx_ring_found found = rdx_recovery_head_at(reader, end, &next, &first);

		if (found == RDX_RING_PENDING)
			break;
		if (found == RDX_RING_LAPPED)
			return -EAGAIN;
		if (first != end)
			return -EBADMSG;
		head = next;
		end += rdx_event_slots(next.kind, next.count);
	}
	if (end > 0 && head.event_id == 0) {
		enum rdx_ring_found found = rdx_recovery_head_at(reader, end - 1, &head, &first);

		if (found == RDX_RING_LAPPED)
			return -EAGAIN;
		if (found == RDX_RING_PENDING || first == UINT64_MAX)
			return -EBADMSG;
	}
	if (rdx_reader_poisoned(reader))
		return -EBADMSG;
	*ret_head = head;
	*ret_end_position = end;
	return 0;
}

int rdx_recovery_newest(const struct rdx_reader *reader, uint64_t *ret_event_id,
			uint64_t *ret_end_position)
{
	struct rdx_event_head head;
	int r = find_newest(reader, &head, ret_end_position);

	if (r == 0)
		*ret_event_id = head.event_id;
	return r;
}

int rdx_recovery_in_ring(const struct rdx_reader *reader, uint64_t position)
{
	uint64_t words[RDX_SLOT_WORDS];

	/* an event overwrites its continuations' slots before its first slot's: the slot
	 * after the position may be gone while the position itself is still there, for as
	 * long as the producer stays in that event */
	return rdx_ring_get(&reader->view.ring, position, words) != RDX_RING_LAPPED &&
	       rdx_ring_get(&reader->view.ring, position + 1, words) != RDX_RING_LAPPED;
}

int rdx_recovery_barrier(const struct rdx_reader *reader, uint64_t *ret_position,
			 uint64_t *ret_event_id)
{
	uint64_t named = rdx_barrier_load(reader->view.live);
	struct rdx_event_head head;
	enum rdx_ring_found found;
	uint64_t first;

	if (named == 0) {
		/* born clear: until the ring first wraps, position 0 is a barrier too */
		if (!rdx_recovery_in_ring(reader, 0))
			return 0;
		*ret_position = *ret_event_id = 0;
		return rdx_reader_poisoned(reader) ? -EBADMSG : 1;
	}
	found = rdx_recovery_head_at(reader, named - 1, &head, &first);
	if (rdx_reader_poisoned(reader) || found == RDX_RING_PENDING)
		return -EBADMSG; /* B1: what the barrier names was published */
	if (found == RDX_RING_LAPPED)
		return 0;
	if (first != named - 1 || head.kind != RDX_EVENT_CLEARED || head.tier != RDX_SCOPE_ALL)
		return -EBADMSG;
	if (!rdx_recovery_in_ring(reader, first))
		return 0;
	*ret_position = first;
	*ret_event_id = head.event_id;
	return 1;
}

/* Move the cursor to the barrier: everything between is dead. */
static void go_to_barrier(struct rdx_reader *reader, uint64_t position, uint64_t event_id)
{
	uint64_t last_id = event_id ? event_id - 1 : 0;

	reader->stats.slots_dead += position - reader->cursor.position;
	reader->stats.events_dead += last_id - reader->cursor.event_id;
	reader->cursor.position = position;
	reader->cursor.event_id = last_id;
	rdx_reader_free_log(&reader->log);
	reader->scan.active = 0;
	reader->half = 0;
}

int rdx_recovery_jump(struct rdx_reader *reader)
{
	uint64_t named = rdx_barrier_load(reader->view.live);
	uint64_t position, event_id;
	int r;

	if (named <= reader->cursor.position + 1)
		return 0;
	r = rdx_recovery_barrier(reader, &position, &event_id);
	if (r <= 0 || position <= reader->cursor.position)
		return r < 0 ? r : 0;
	go_to_barrier(reader, position, event_id);
	return 1;
}

/* Does the rank's file name still lead to the mapped file? -ESTALE if to another. */
static int check_name(const struct rdx_reader *reader)
{
	char name[RDX_NAME_BYTES];
	struct stat named, mapped;

	rdx_namespace_segment(reader->info.worker_id, reader->info.dp_rank, name);
	if (fstatat(reader->dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* unlinked, or nobody can tell: the mapped file is still whole */
	if (fstat(reader->view.mapping.fd, &mapped) < 0)
		return -errno;
	return named.st_ino == mapped.st_ino && named.st_dev == mapped.st_dev ? 0 : -ESTALE;
}

/* No reader of this epoch returned a cursor beyond the newest slot. */
static int is_possible(const struct rdx_reader *reader, const struct rdx_cursor *from)
{
	uint64_t tail = rdx_publish_tail(reader->view.live);

	return tail <= RDX_POSITION_END && from->position <= tail + reader->slots_max;
}

/* Begin a ledger scan: T, and the last event before it. */
static int begin_scan(struct rdx_reader *reader, struct rdx_event_head *ret_last)
{
	struct rdx_ledger_scan *scan = &reader->scan;
	uint64_t tail = rdx_publish_tail(reader->view.live);
	struct rdx_event_head last = {.event_id = 0};
	enum rdx_ring_found found;
	uint64_t first;
	int r;

	/* pages may have been given back since it was opened; it may have grown */
	r = rdx_reader_learn_room(reader);
	if (r < 0)
		return r;
	if (tail > RDX_POSITION_END)
		return -EBADMSG;
	RDX_HOOK(RDX_HOOK_SCAN_STARTED);
	if (tail > 0) {
		found = rdx_recovery_head_at(reader, tail - 1, &last, &first);
		if (found == RDX_RING_LAPPED)
			return -EAGAIN;
		if (found == RDX_RING_PENDING || first == UINT64_MAX)
			return -EBADMSG;
	}
	/* the worker may have been cleared since its file was read: then blocks stored after that
	 * are in the ledger, and are not replayed */
	if (reader->info.clear_id && rdx_clear_before(reader->ignore_before, last.stamp))
		reader->ignore_before = last.stamp;
	reader->cursor.position = tail;
	reader->cursor.event_id = last.event_id;
	*scan = (struct rdx_ledger_scan){.active = 1, .start_position = tail};
	reader->half = 1;
	/* a ledger from before the worker's newest clear counts as empty */
	if (reader->info.clear_id &&
	    rdx_clear_before((uint32_t)rdx_word_load(&reader->view.live->ledger_stamp),
			     reader->ignore_before)) {
		scan->opened = 1; /* nothing is in use */
		last.orphans = 0;
		last.inexact = rdx_reader_clear_worth(reader);
	}
	*ret_last = last;
	return 0;
}

static void count_recovery(struct rdx_reader *reader, const struct rdx_cursor *before,
			   struct rdx_recovery *recovery)
{
	recovery->start = reader->cursor;
	if (reader->cursor.position > before->position) {
		recovery->events_skipped = reader->cursor.event_id - before->event_id;
		recovery->slots_skipped = reader->cursor.position - before->position;
	}
	reader->stats.recoveries[recovery->way]++;
}

static void learn_stamp(struct rdx_reader *reader)
{
	uint32_t stamp = rdx_reader_clear_stamp(reader);

	if (reader->info.clear_id && rdx_clear_before(reader->ignore_before, stamp))
		reader->ignore_before = stamp;
}

/* What the caller holds is nothing, or where it reads on, has the stamp of the newest event: a Cleared
 * of a newer one than its own would lie between, and be read. */
static int learn_told(struct rdx_reader *reader, uint32_t way)
{
	struct rdx_event_head newest;
	uint64_t end = 0;
	int r = 0;

	if (way == RDX_RECOVERED_CONTINUE && reader->info.clear_id)
		r = find_newest(reader, &newest, &end);
	if (r == 0)
		reader->told = end ? newest.stamp : reader->ignore_before;
	return r;
}

static int start_scan(struct rdx_reader *reader, struct rdx_recovery *recovery)
{
	struct rdx_event_head last;
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = begin_scan(reader, &last);
	if (r < 0)
		return r;
	recovery->way = RDX_RECOVERED_LEDGER;
	recovery->orphans = last.orphans;
	recovery->inexact = last.inexact;
	return 0;
}

int rdx_recovery_from_ledger(struct rdx_reader *reader, struct rdx_recovery *ret_recovery)
{
	struct rdx_cursor birth = {.epoch = reader->info.epoch};
	struct rdx_recovery recovery = {.size = sizeof(recovery), .way = RDX_RECOVERED_LEDGER};
	int r;

	learn_stamp(reader);
	rdx_reader_go_to(reader, &birth);
	reader->half = 1;
	r = start_scan(reader, &recovery);
	if (r == 0 && !rdx_reader_clear_is_sound(reader))
		r = -EBADMSG;
	if (r < 0)
		return r;
	reader->told = reader->ignore_before;
	count_recovery(reader, &birth, &recovery);
	*ret_recovery = recovery;
	return 0;
}

/*
 * Choose the way from `start`, where the reader was, or birth if that is not known (`known` 0).
 * Reading may go on at `start` only if `may_continue`.
 */
static int choose(struct rdx_reader *reader, struct rdx_cursor start, int known, int may_continue,
		  struct rdx_recovery *ret_recovery)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery), .way = RDX_RECOVERED_CONTINUE};
	int readable = known && rdx_recovery_in_ring(reader, start.position);
	uint64_t position, event_id;
	int barrier, r = check_name(reader);

	if (r < 0)
		return r;
	learn_stamp(reader);
	barrier = rdx_recovery_barrier(reader, &position, &event_id);
	if (barrier < 0)
		return barrier;
	rdx_reader_go_to(reader, &start);

	if (barrier && !(readable && may_continue && position <= start.position)) {
		recovery.way = RDX_RECOVERED_BARRIER;
		recovery.inexact = rdx_reader_clear_worth(reader); /* where its Cleared is void */
		/* past the barrier already: events are read again, none is dead */
		if (position < start.position)
			start = (struct rdx_cursor){start.epoch, position,
						    event_id ? event_id - 1 : 0};
		rdx_reader_go_to(reader, &start);
		go_to_barrier(reader, position, event_id);
	} else if (!readable || !may_continue) {
		r = start_scan(reader, &recovery);
		if (r < 0)
			return r;
		if (known && !readable) {
			reader->stats.slots_lost += reader->cursor.position - start.position;
			reader->stats.events_lost += reader->cursor.event_id - start.event_id;
		}
	}
	r = learn_told(reader, recovery.way);
	if (r < 0)
		return r;
	/* a clear file truncated looks like a worker never cleared, one of noise as if it were */
	if (rdx_reader_poisoned(reader) || !rdx_reader_clear_is_sound(reader))
		return -EBADMSG;
	count_recovery(reader, &start, &recovery);
	*ret_recovery = recovery;
	return 0;
}

int rdx_reader_recover(struct rdx_reader *reader, const struct rdx_cursor *from,
		       struct rdx_recovery *ret_recovery)
{
	struct rdx_cursor birth = {.epoch = reader->info.epoch};
	struct rdx_recovery recovery;
	int r = rdx_sized_check(ret_recovery);

	if (r < 0)
		return r;
	if (!from || from->epoch != birth.epoch || !is_possible(reader, from))
		r = choose(reader, birth, 0, 0, &recovery);
	else /* no reading on from half a snapshot, wherever the cursor is */
		r = choose(reader, *from, 1, !reader->half, &recovery);
	if (r == 0)
		rdx_sized_give(ret_recovery, &recovery, sizeof(recovery));
	return r;
}

int rdx_recovery_rebuild(struct rdx_reader *reader, struct rdx_recovery *ret_recovery)
{
	int known = reader->cursor.position > 0;

	return choose(reader, reader->cursor, known, 0, ret_recovery);
}

/* Make room for one more slot, up to the bound. */
static int grow_log(struct rdx_slot_log *log)
{
	uint64_t capacity = log->capacity ? log->capacity * 2 : LOG_SLOTS_FIRST;
	struct rdx_slot *slots;

	if (log->end - log->begin < log->capacity)
		return 0;
	if (capacity > LOG_SLOTS_MAX)
		return -EOVERFLOW;
	slots = aligned_alloc(RDX_LINE_BYTES, capacity * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (uint64_t p = log->begin; p < log->end; p++)
		memcpy(&slots[p & (capacity - 1)], &log->slots[p & (log->capacity - 1)],
		       sizeof(*slots));
	free(log->slots);
	log->slots = slots;
	log->capacity = capacity;
	return 0;
}

int rdx_recovery_drain(struct rdx_reader *reader)
{
	struct rdx_slot_log *log = &reader->log;
	uint64_t words[RDX_SLOT_WORDS], enough;

	if (log->end == 0 || log->begin < reader->cursor.position)
		log->begin = reader->cursor.position;
	if (log->end < log->begin)
		log->end = log->begin;
	enough = log->end + DRAIN_SLOTS;
	for (;;) {
		enum rdx_ring_found found = rdx_ring_get(&reader->view.ring, log->end, words);
		int r;

		if (rdx_reader_poisoned(reader))
			return -EBADMSG;
		if (found == RDX_RING_PENDING) {
			if (log->end == log->begin)
				rdx_reader_free_log(log); /* nothing was copied: there is none */
			return 0;
		}
		if (found == RDX_RING_LAPPED)
			return -EOVERFLOW;
		/* not in the middle of an event: all its slots are read from the log or from the
		 * ring */
		if (log->end >= enough && rdx_slot_back(words[0]) == 0)
			return 0;
		r = grow_log(log);
		if (r < 0)
			return r;
		/* private memory, in the slots' own form so that events are read from it alike */
		rdx_words_store(log->slots[log->end & (log->capacity - 1)].word, words,
				RDX_SLOT_WORDS);
		log->end++; /* counted when it is read from the log: it may be dropped unread */
	}
}

/* Load where the ledger ends, and which bytes mean "held". After T: what is newer than these has its
 * event in [T, I). */
static int open_scan(struct rdx_reader *reader)
{
	struct rdx_ledger_scan *scan = &reader->scan;
	int r = 0;

	if (scan->opened)
		return 0;
	scan->generations = rdx_ledger_generations(reader->view.live);
	scan->used = rdx_ledger_used(reader->view.live); /* L4 */
	r = rdx_reader_map_used(reader, scan->used);
	scan->opened = r == 0;
	return r;
}

/* Copy the prefix hashes that the tier holds of the records from `next_record` to `end`. */
static uint64_t scan_records(struct rdx_reader *reader, uint64_t end, uint64_t *ret_hashes)
{
	const struct rdx_ledger_scan *scan = &reader->scan;
	const struct rdx_ledger_record *record = &reader->view.records[scan->next_record];
	const struct rdx_ledger_record *last = &reader->view.records[end];
	uint32_t generations = scan->generations;
	uint64_t count = 0;
	uint8_t tier = scan->tier;

	for (; record < last; record++) {
		uint64_t prefix;
		uint32_t bytes = rdx_ledger_get(record, &prefix);

		ret_hashes[count] = prefix;
		count += rdx_ledger_holds(bytes, tier, generations) & (prefix != 0);
	}
	RDX_HOOK(RDX_HOOK_SCAN_CHUNK);
	return count;
}

/* The next part of the scan, for one tier. Bounded also where few blocks are held, so that the ring
 * is drained in time. Returns how many hashes there are, or -errno. */
static int64_t scan_part(struct rdx_reader *reader, uint64_t *ret_hashes, uint64_t capacity,
			 uint8_t *ret_tier)
{
	struct rdx_ledger_scan *scan = &reader->scan;
	uint64_t part = capacity < SCAN_RECORDS ? capacity : SCAN_RECORDS;
	uint64_t left = scan->used - scan->next_record, count = 0;
	uint64_t end = scan->next_record + (left < part ? left : part);

	if (reader->view.header.tier_blocks[scan->tier]) {
		count = scan_records(reader, end, ret_hashes);
		reader->stats.ledger_records += end - scan->next_record;
		*ret_tier = scan->tier;
	}
	if (++scan->tier == RDX_TIER_COUNT) {
		scan->tier = 0;
		scan->next_record = end;
	}
	return (int64_t)count;
}

int64_t rdx_recovery_scan(struct rdx_reader *reader, uint64_t *ret_hashes, uint64_t capacity,
			  uint8_t *ret_tier, uint64_t *ret_exact_position)
{
	struct rdx_ledger_scan *scan = &reader->scan;
	uint64_t intended;
	int64_t count = 0;
	int r;

	if (!scan->active || capacity == 0)
		return -EINVAL;
	r = open_scan(reader);
	if (r == 0 && scan->next_record < scan->used) {
		count = scan_part(reader, ret_hashes, capacity, ret_tier);
		r = rdx_recovery_drain(reader);
	}
	if (r < 0) {
		scan->active = 0;
		return r;
	}
	if (count || scan->next_record < scan->used)
		return count;
	RDX_HOOK(RDX_HOOK_SCAN_DONE);
	intended = rdx_ledger_intended(reader->view.live);
	/* where the file was cut, the rest of that page was zeros and no fault */
	r = rdx_reader_learn_room(reader);
	if (r < 0 || rdx_reader_poisoned(reader) || intended > RDX_POSITION_END)
		return r < 0 ? r : -EBADMSG;
	scan->active = 0;
	reader->half = 0;
	*ret_exact_position = intended > scan->start_position ? intended : scan->start_position;
	return 0;
}

int64_t rdx_reader_snapshot(struct rdx_reader *reader, uint64_t *ret_hashes, uint64_t capacity,
			    uint8_t *ret_tier, uint64_t *ret_exact_position)
{
	int64_t count;

	do
		count = rdx_recovery_scan(reader, ret_hashes, capacity, ret_tier,
					  ret_exact_position);
	while (count == 0 && reader->scan.active);
	return count;
}
