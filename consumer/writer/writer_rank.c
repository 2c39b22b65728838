/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks on the writer's side: known, built, shown, hidden, and what is published of them.
 */
#include "consumer/writer/columns.h"
#include "consumer/writer/grow.h"
#include "shm/entry.h"
#include "shm/pulse.h"
#include "shm/shared_clock.h"
#include "shm/version.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int is_spare(const struct rdx_writer_rank *rank)
{
	return rank->known && rank->state == RDX_STATE_GONE && !rank->is_visible &&
	       !rank->is_building;
}

/* The rank's seat, else one never used, else the one that has been GONE longest. */
static int find_seat(const struct rdx_index_writer *w, uint64_t worker_id, uint32_t dp_rank)
{
	int unused = -1, gone = -1;

	for (int i = 0; i < RDX_RANKS_MAX; i++) {
		const struct rdx_writer_rank *rank = &w->rank[i];

		if (rank->known && rank->worker_id == worker_id && rank->dp_rank == dp_rank)
			return i;
		if (!rank->known && unused < 0)
			unused = i;
		if (is_spare(rank) && (gone < 0 || rank->seen_ns < w->rank[gone].seen_ns))
			gone = i;
	}
	return unused >= 0 ? unused : gone;
}

static void forget_columns(uint16_t *columns)
{
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		columns[tier] = RDX_COLUMN_NONE;
}

/* Give a seat to a rank. */
static void introduce(struct rdx_index_writer *w, int seat, uint64_t worker_id, uint32_t dp_rank)
{
	struct rdx_writer_rank *rank = &w->rank[seat];
	struct rdx_index_entry *entry = &w->live->entry[seat];
	struct rdx_index_identity *identity = &w->live->identity[seat];
	uint64_t count = rdx_word_load(&w->live->rank_count);

	if (rank->known)
		rdx_columns_evict(w, rank);
	*rank = (struct rdx_writer_rank){.worker_id = worker_id, .dp_rank = dp_rank, .known = 1};
	forget_columns(rank->shown);
	forget_columns(rank->build);
	rdx_version_open(w->live);
	rdx_entry_open(entry);
	rdx_word_store(&entry->worker_id, worker_id);
	rdx_word_store(&entry->dp_rank, dp_rank);
	rdx_word_store(&entry->begun, 0);
	for (uint32_t i = 0; i < RDX_ENTRY_COUNTERS; i++)
		rdx_word_store(&entry->counter[i], 0);
	rdx_entry_close(entry);
	rdx_word_store(&identity->worker_id, worker_id);
	rdx_word_store(&identity->dp_rank, dp_rank);
	rdx_word_store(&identity->epoch, 0);
	rdx_word_store(&identity->state, RDX_STATE_RECOVERING);
	rdx_word_store(&w->live->pulse[seat].event_ns, 0);
	rdx_word_store(&w->live->event_id[seat], 0);
	rdx_columns_publish(w, rank);
	if (count <= (uint64_t)seat)
		rdx_word_store(&w->live->rank_count, (uint64_t)seat + 1);
	rdx_version_close(w->live);
}

/* Of a new epoch nothing is known yet. */
static void forget_epoch(struct rdx_index_entry *entry, int visible)
{
	rdx_word_store(&entry->counter[RDX_ENTRY_EVENT_ID], 0);
	rdx_word_store(&entry->counter[RDX_ENTRY_POSITION], 0);
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT && !visible; tier++)
		rdx_word_store(&entry->counter[RDX_ENTRY_BLOCKS + tier], 0);
}

/* With the epoch whose instance it is: a lookup compares it with the pulse's. */
static void set_instance(struct rdx_index_entry *entry, uint64_t epoch, const char *instance,
			 int visible)
{
	uint64_t words[RDX_TEXT_BYTES / sizeof(uint64_t)] = {0};

	memcpy(words, instance, strnlen(instance, RDX_TEXT_BYTES - 1));
	rdx_entry_open(entry);
	if (rdx_word_load(&entry->counter[RDX_ENTRY_EPOCH]) != epoch)
		forget_epoch(entry, visible);
	rdx_word_store(&entry->counter[RDX_ENTRY_EPOCH], epoch);
	rdx_words_store(entry->instance, words, RDX_TEXT_BYTES / sizeof(uint64_t));
	rdx_entry_close(entry);
}

static void set_state(struct rdx_index_writer *w, int seat, uint8_t state)
{
	struct rdx_index_identity *identity = &w->live->identity[seat];

	w->rank[seat].state = state;
	if (rdx_word_load(&identity->state) != state) {
		rdx_version_open(w->live);
		rdx_word_store(&identity->state, state);
		rdx_version_close(w->live);
	}
	rdx_word_store(&w->live->entry[seat].counter[RDX_ENTRY_STATE], state);
}

static void allow(struct rdx_writer_rank *rank, uint64_t records)
{
	rank->spare = records > rank->declared ? records - rank->declared : 0;
}

static void declare(struct rdx_writer_rank *rank, const struct rdx_rank_info *info)
{
	rank->declared = 0;
	memcpy(rank->tier_blocks, info->tier_blocks, sizeof(rank->tier_blocks));
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		rank->declared += info->tier_blocks[tier];
	allow(rank, info->ledger_records);
}

/* As far as the worker is believed. */
static void expect(struct rdx_index_writer *w, struct rdx_writer_rank *rank, uint64_t blocks)
{
	blocks = blocks < rank->declared + rank->spare ? blocks : rank->declared + rank->spare;
	w->coming += blocks - rank->coming;
	rank->coming = blocks;
}

int rdx_writer_rank_add(struct rdx_index_writer *w, const struct rdx_rank_info *info)
{
	int seat = find_seat(w, info->worker_id, info->dp_rank);
	struct rdx_writer_rank *rank;
	uint8_t tiers = 0;

	if (seat < 0)
		return -ENOSPC;
	rank = &w->rank[seat];
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		tiers |= (uint8_t)((info->tier_blocks[tier] != 0) << tier);
	if (!rank->known || rank->worker_id != info->worker_id || rank->dp_rank != info->dp_rank) {
		introduce(w, seat, info->worker_id, info->dp_rank);
	} else if (rank->tiers != tiers) {
		rdx_writer_rank_hide(w, seat);
		rdx_columns_evict(w, rank);
	}
	rank->tiers = tiers;
	if (!rank->is_visible) {
		set_state(w, seat, RDX_STATE_RECOVERING);
		/* of its last epoch */
		rdx_word_store(&w->live->entry[seat].counter[RDX_ENTRY_CAUSE], 0);
	}
	set_instance(&w->live->entry[seat], info->epoch, info->instance, rank->is_visible);
	declare(rank, info);
	return seat;
}

void rdx_writer_rank_allow(struct rdx_index_writer *w, int seat, uint64_t records)
{
	allow(&w->rank[seat], records);
}

void rdx_writer_rank_expect(struct rdx_index_writer *w, int seat, uint64_t blocks)
{
	expect(w, &w->rank[seat], blocks);
}

int rdx_writer_rank_exceeds(const struct rdx_index_writer *w, int seat)
{
	const struct rdx_writer_rank *rank = &w->rank[seat];
	uint64_t beyond = 0;

	for (uint32_t tier = 0; rank->is_visible && tier < RDX_TIER_COUNT; tier++) {
		uint64_t blocks = 0;

		if (rank->shown[tier] != RDX_COLUMN_NONE)
			blocks = w->columns.blocks[rank->shown[tier]];
		beyond += blocks > rank->tier_blocks[tier] ? blocks - rank->tier_blocks[tier] : 0;
	}
	return beyond > rank->spare;
}

static void retire_all(struct rdx_index_writer *w, uint16_t *columns)
{
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (columns[tier] != RDX_COLUMN_NONE)
			rdx_columns_retire(w, columns[tier]);
		columns[tier] = RDX_COLUMN_NONE;
	}
}

/* One for each tier, or none. */
static int take_all(struct rdx_index_writer *w, const struct rdx_writer_rank *rank,
		    uint16_t *columns)
{
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		int column;

		if (!(rank->tiers & 1 << tier))
			continue;
		column = rdx_columns_take(w, rank);
		if (column < 0) {
			retire_all(w, columns);
			return column;
		}
		columns[tier] = (uint16_t)column;
	}
	return 0;
}

int rdx_writer_rank_begin(struct rdx_index_writer *w, int seat, uint64_t blocks)
{
	struct rdx_writer_rank *rank = &w->rank[seat];
	int r;

	rdx_writer_flush(w);
	retire_all(w, rank->build);
	rank->is_building = 0;
	r = rdx_columns_house(w, rank);
	if (r == 0)
		expect(w, rank, blocks);
	if (r == 0 && rdx_grow_waits(w, rank->coming))
		r = -EAGAIN;
	if (r == 0)
		r = take_all(w, rank, rank->build);
	if (r == -ENOSPC && rank->housed && rdx_grow_sets(w))
		r = take_all(w, rank, rank->build);
	if (r < 0)
		return r;
	/* a rank that is rebuilt may request memory again: the last refusal may be long ago, and a
	 * rank that misses a few blocks is not refused often */
	w->grow_refused = 0;
	rank->is_building = 1;
	rank->build_forced = 0;
	rank->lost = 0;
	return 0;
}

void rdx_writer_rank_show(struct rdx_index_writer *w, int seat, uint8_t orphans, int forced_scan)
{
	struct rdx_writer_rank *rank = &w->rank[seat];
	uint16_t old[RDX_TIER_COUNT];

	assert(rank->is_building);
	rdx_writer_flush(w);
	memcpy(old, rank->shown, sizeof(old));
	memcpy(rank->shown, rank->build, sizeof(old));
	forget_columns(rank->build);
	rank->is_building = 0;
	expect(w, rank, 0);
	/* of no event that a walk's mark names, until a pulse says of which */
	rdx_entry_begin(&w->live->entry[seat], UINT64_MAX);
	rdx_version_open(w->live);
	rank->is_visible = 1;
	rank->orphans = rank->orphans_next = orphans;
	rank->forced = forced_scan || rank->build_forced;
	rdx_columns_publish(w, rank);
	rdx_version_close(w->live);
	retire_all(w, old);
}

void rdx_writer_rank_hide(struct rdx_index_writer *w, int seat)
{
	struct rdx_writer_rank *rank = &w->rank[seat];
	uint16_t old[RDX_TIER_COUNT];

	rdx_writer_flush(w);
	retire_all(w, rank->build);
	rank->is_building = 0;
	expect(w, rank, 0);
	if (!rank->is_visible)
		return;
	memcpy(old, rank->shown, sizeof(old));
	forget_columns(rank->shown);
	rdx_version_open(w->live);
	rank->is_visible = 0;
	rank->orphans = rank->orphans_next = 0;
	rank->forced = 0;
	rdx_columns_publish(w, rank);
	rdx_version_close(w->live);
	retire_all(w, old);
}

/* The part that lookups read. A new epoch or state, and what first comes with it, under the
 * version: readers keep the one, and ask for the other each time. */
static void pulse_lookup(struct rdx_index_writer *w, int seat, const struct rdx_writer_pulse *p)
{
	struct rdx_index_identity *identity = &w->live->identity[seat];
	int is_new = rdx_word_load(&identity->epoch) != p->epoch ||
		     rdx_word_load(&identity->state) != p->state;

	if (is_new) {
		rdx_version_open(w->live);
		rdx_word_store(&identity->epoch, p->epoch);
		rdx_word_store(&identity->state, p->state);
		RDX_HOOK(RDX_HOOK_PULSE_HALF);
	}
	rdx_pulse_publish(w->live, (uint32_t)seat, p->event_id, rdx_shared_clock_from(p->seen_ns),
			  rdx_shared_clock_from(p->event_ns));
	if (is_new)
		rdx_version_close(w->live);
}

void rdx_writer_rank_pulse(struct rdx_index_writer *w, int seat, const struct rdx_writer_pulse *p)
{
	struct rdx_writer_rank *rank = &w->rank[seat];
	struct rdx_index_entry *entry = &w->live->entry[seat];
	uint64_t counter[RDX_ENTRY_COUNTERS] = {
		[RDX_ENTRY_EPOCH] = p->epoch,
		[RDX_ENTRY_EVENT_ID] = p->event_id,
		[RDX_ENTRY_POSITION] = p->position,
		[RDX_ENTRY_SEEN_NS] = rdx_shared_clock_from(p->seen_ns),
		[RDX_ENTRY_STATE] = p->state,
		[RDX_ENTRY_CAUSE] = (uint64_t)(int64_t)p->cause,
		[RDX_ENTRY_EVENTS] = p->events,
		[RDX_ENTRY_EVENTS_DEAD] = p->events_dead,
		[RDX_ENTRY_SLOTS_LOST] = p->slots_lost,
		[RDX_ENTRY_RECOVERY_NS] = p->recovery_ns,
	};

	assert(p->state <= RDX_STATE_LACKING && p->state != RDX_STATE_STALE);
	rdx_writer_flush(w);
	rank->state = p->state;
	rank->epoch = p->epoch;
	rank->seen_ns = p->seen_ns;
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (rank->shown[tier] != RDX_COLUMN_NONE)
			counter[RDX_ENTRY_BLOCKS + tier] = w->columns.blocks[rank->shown[tier]];
	}
	memcpy(&counter[RDX_ENTRY_RECOVERIES], p->recoveries, sizeof(p->recoveries));
	rdx_entry_open(entry);
	rdx_words_store(entry->counter, counter, RDX_ENTRY_BLOCKS);
	RDX_HOOK(RDX_HOOK_ENTRY_HALF);
	rdx_words_store(entry->counter + RDX_ENTRY_BLOCKS, counter + RDX_ENTRY_BLOCKS,
			RDX_ENTRY_COUNTERS - RDX_ENTRY_BLOCKS);
	rdx_entry_close(entry);
	pulse_lookup(w, seat, p);
	rdx_entry_settle(entry, p->event_id);
}
