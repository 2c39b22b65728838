/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apply blocks and events to the tables: the current one, and the next one while it is being
 * built.
 */
#include "consumer/writer/columns.h"
#include "consumer/writer/grow.h"
#include "shm/entry.h"
#include "shm/version.h"

#include <assert.h>
#include <errno.h>

#define AHEAD 16  /* probes in flight */
#define PIECE 512 /* keys */

static void prefetch(const struct rdx_index_writer *w, uint64_t key, uint32_t word)
{
	rdx_table_prefetch(&w->tables[w->current_table].table, key, word);
	if (w->stage == RDX_GROW_COPY)
		rdx_table_prefetch(&w->tables[!w->current_table].table, key, word);
}

static void prefetch_first(const struct rdx_index_writer *w, uint32_t word, const uint64_t *prefix,
			   uint32_t count)
{
	for (uint32_t i = 0; i < count && i < AHEAD; i++)
		prefetch(w, prefix[i], word);
}

/* The next table gets every bit that the current one gets. A key not yet copied is new there; the
 * copy adds the rest of its mask later. */
static void set_next(struct rdx_index_writer *w, uint32_t word, uint64_t bit, uint64_t key)
{
	struct rdx_writer_table *next = rdx_writer_next(w);
	_Atomic uint64_t *mask = rdx_table_claim(&next->table, key, &next->used, next->used_max);

	if (mask)
		rdx_table_mask_set(mask, word, bit);
	else
		rdx_grow_abandon(w, 1);
}

/* A key not yet copied is not there; the copy will find its mask without the bit. */
static void drop_next(struct rdx_index_writer *w, uint32_t word, uint64_t bit, uint64_t key)
{
	_Atomic uint64_t *mask = rdx_table_find(&rdx_writer_next(w)->table, key);

	if (mask)
		rdx_table_mask_drop(mask, word, bit);
}

/* Set the bit of one column for `count` keys, in order. Stops before the first that does
 * not fit and returns its number; `count` where all do. */
static uint32_t set_keys(struct rdx_index_writer *w, uint32_t word, uint8_t column,
			 const uint64_t *prefix, uint32_t count)
{
	struct rdx_writer_table *current = rdx_writer_table(w);
	uint64_t used = current->used, bit = rdx_column_bit(column), added = 0;
	uint32_t i;

	prefetch_first(w, word, prefix, count);
	for (i = 0; i < count; i++) {
		_Atomic uint64_t *mask;

		if (i + AHEAD < count)
			prefetch(w, prefix[i + AHEAD], word);
		mask = rdx_table_claim(&current->table, prefix[i], &current->used,
				       current->used_max);
		if (!mask)
			break;
		added += (uint64_t)rdx_table_mask_set(mask, word, bit);
		if (w->stage == RDX_GROW_COPY)
			set_next(w, word, bit, prefix[i]);
		RDX_HOOK(RDX_HOOK_BLOCK_CHANGED);
	}
	w->word[word].count[column] += added;
	if (current->used != used)
		rdx_grow_pace(w, current->used - used);
	return i;
}

/* The same, in pieces between which the next table keeps pace; a full table is replaced at once if
 * possible. */
static uint32_t set_all(struct rdx_index_writer *w, uint32_t word, uint8_t column,
			const uint64_t *prefix, uint32_t count)
{
	uint32_t at = 0;

	while (at < count) {
		uint32_t piece = count - at < PIECE ? count - at : PIECE;
		uint32_t done = set_keys(w, word, column, prefix + at, piece);

		at += done;
		if (done < piece && !rdx_grow_now(w))
			break;
	}
	return at;
}

/* Drop the bit, in order. */
static void drop_keys(struct rdx_index_writer *w, uint32_t word, uint8_t column,
		      const uint64_t *prefix, uint32_t count)
{
	const struct rdx_table *table = &rdx_writer_table(w)->table;
	uint64_t bit = rdx_column_bit(column), dropped = 0;

	prefetch_first(w, word, prefix, count);
	for (uint32_t i = 0; i < count; i++) {
		_Atomic uint64_t *mask;

		if (i + AHEAD < count)
			prefetch(w, prefix[i + AHEAD], word);
		mask = rdx_table_find(table, prefix[i]);
		if (mask)
			dropped += (uint64_t)rdx_table_mask_drop(mask, word, bit);
		if (w->stage == RDX_GROW_COPY)
			drop_next(w, word, bit, prefix[i]);
		RDX_HOOK(RDX_HOOK_BLOCK_CHANGED);
	}
	assert(dropped <= w->word[word].count[column]);
	w->word[word].count[column] -= dropped;
}

/* Tell readers which of the rank's sets have to be scanned. */
static void report_scan(struct rdx_index_writer *w, struct rdx_writer_rank *rank, uint8_t orphans,
			uint8_t forced)
{
	if (!rank->is_visible || (rank->orphans == orphans && rank->forced == forced))
		return;
	rdx_version_open(w->live, rank->word);
	rank->orphans = orphans;
	rank->forced = forced;
	rdx_columns_publish(w, rank);
	rdx_version_close(w->live, rank->word);
}

/* The column that a tier's changes go to. -EBADMSG, -EINVAL. */
static int column_of(const struct rdx_writer_rank *rank, uint8_t tier)
{
	uint8_t side;

	if (tier >= RDX_TIER_COUNT || !(rank->tiers & 1 << tier))
		return -EBADMSG;
	side = rank->is_building ? rank->build[tier] : rank->shown[tier];
	return side == RDX_SIDE_NONE ? -EINVAL : rank->column[tier][side];
}

int rdx_writer_apply_blocks(struct rdx_index_writer *w, int seat, uint8_t tier,
			    const uint64_t *prefix, uint32_t count)
{
	struct rdx_writer_rank *rank = &w->rank[seat];
	int column = column_of(rank, tier), r = 0;

	if (column < 0)
		return column;
	for (uint32_t at = 0; at < count; at++) {
		at += set_all(w, rank->word, (uint8_t)column, prefix + at, count - at);
		if (at == count)
			break;
		/* a hole: blocks after it may not be searched */
		if (rank->is_building)
			rank->build_forced = 1;
		else
			report_scan(w, rank, rank->orphans, 1);
		r = -ENOSPC;
	}
	return r;
}

static int remove_blocks(struct rdx_index_writer *w, struct rdx_writer_rank *rank,
			 const struct rdx_event *event)
{
	int column = column_of(rank, event->tier);

	if (column < 0)
		return column;
	drop_keys(w, rank->word, (uint8_t)column, event->hashes, event->count);
	return 0;
}

/* Sides that a clear of `scope` moves the rank to; the old one if it holds nothing. -EAGAIN if one
 * is not swept. */
static int plan_clear(const struct rdx_index_writer *w, const struct rdx_writer_rank *rank,
		      uint8_t scope, const uint8_t *sides, uint8_t *ret_sides)
{
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		ret_sides[tier] = sides[tier];
		if (sides[tier] == RDX_SIDE_NONE || (scope != RDX_SCOPE_ALL && scope != tier) ||
		    !w->word[rank->word].count[rank->column[tier][sides[tier]]])
			continue;
		ret_sides[tier] = rdx_columns_fresh(w, rank, tier);
		if (ret_sides[tier] == RDX_SIDE_NONE)
			return -EAGAIN;
	}
	return 0;
}

static int clear(struct rdx_index_writer *w, struct rdx_writer_rank *rank,
		 const struct rdx_event *event)
{
	uint8_t *sides = rank->is_building ? rank->build : rank->shown;
	uint8_t old[RDX_TIER_COUNT], fresh[RDX_TIER_COUNT];
	int all = event->tier == RDX_SCOPE_ALL, r;

	if (!all && column_of(rank, event->tier) < 0)
		return column_of(rank, event->tier);
	r = plan_clear(w, rank, event->tier, sides, fresh);
	if (r < 0)
		return r;
	if (!rank->is_building)
		rdx_version_open(w->live, rank->word);
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		old[tier] = sides[tier];
		if (fresh[tier] != old[tier])
			rdx_columns_take(w, rank, tier, fresh[tier]);
		sides[tier] = fresh[tier];
	}
	if (rank->is_building) {
		rank->build_forced &= !all;
	} else {
		rank->orphans = event->orphans;
		rank->forced &= !all;
		rdx_columns_publish(w, rank);
		rdx_version_close(w->live, rank->word);
	}
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (fresh[tier] != old[tier])
			rdx_columns_retire(w, rank, tier, old[tier]);
	}
	return 0;
}

int rdx_writer_apply_event(struct rdx_index_writer *w, int seat, const struct rdx_event *event,
			   const uint64_t *prefix)
{
	struct rdx_writer_rank *rank = &w->rank[seat];
	int r = 0;

	if (!rank->is_visible && !rank->is_building)
		return -EINVAL;
	rdx_entry_begin(&w->live->entry[seat], event->event_id);
	if (event->kind == RDX_EVENT_CLEARED)
		return clear(w, rank, event);
	/* scanned before the first orphan is there, searched after the last is gone */
	report_scan(w, rank, rank->orphans | event->orphans, rank->forced);
	if (event->kind == RDX_EVENT_STORED)
		r = rdx_writer_apply_blocks(w, seat, event->tier, prefix, event->count);
	else if (event->kind == RDX_EVENT_REMOVED)
		r = remove_blocks(w, rank, event);
	else if (event->kind != RDX_EVENT_INEXACT)
		r = -EBADMSG;
	report_scan(w, rank, event->orphans, rank->forced);
	return r;
}
