/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apply blocks and events to the tables: the current one, and the part of the next one that is
 * copied already. One queue serves all events of all ranks, so that the lines of the next
 * RDX_OPS_AHEAD keys are being fetched while a key is changed. Those of one call are fetched some at a
 * time: a fetch waits for the walk to its page, and walks overlap only where no change lies between.
 */
#include "consumer/writer/columns.h"
#include "consumer/writer/crowd.h"
#include "consumer/writer/grow.h"
#include "consumer/writer/holders.h"
#include "shm/entry.h"
#include "shm/version.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* A change did not fit. One that is dropped stays where there is no room for the set that is left. */
static void lose(struct rdx_index_writer *w, const struct rdx_writer_op *op)
{
	w->refused++;
	rdx_columns_lose(w, op->column, op->drop ? RDX_INEXACT_UNKNOWN : RDX_INEXACT_LACKING);
}

/* `home` is the line of the key in this table. */
static inline int change(struct rdx_index_writer *w, struct rdx_writer_table *table,
			 struct rdx_line *home, const struct rdx_writer_op *op)
{
	return op->drop ? rdx_holders_drop(w, table, home, op->key, op->column)
			: rdx_holders_add(w, table, home, op->key, op->column);
}

static int change_in(struct rdx_index_writer *w, struct rdx_writer_table *table,
		     const struct rdx_writer_op *op)
{
	return change(w, table, rdx_table_line(&table->table, op->key), op);
}

/* All lines that the key may be in are full. */
static int crowd(struct rdx_index_writer *w, struct rdx_writer_table *table,
		 const struct rdx_writer_op *op)
{
	uint64_t columns[RDX_COLUMN_WORDS] = {0};

	rdx_column_add(columns, op->column);
	return rdx_crowd_put(w, table, op->key, columns);
}

/* The change is made in the current table: its copy. */
static void copy_change(struct rdx_index_writer *w, const struct rdx_writer_op *op)
{
	int r = change_in(w, rdx_writer_next(w), op);

	if (r == -ENOBUFS)
		r = crowd(w, rdx_writer_next(w), op);
	if (r < 0)
		rdx_grow_abandon(w, 1);
}

/* What a change with this result still needs: its copy, or room. A full table is replaced at once
 * if that is possible. Returns 1 if the column has a block more, or less. */
static int follow_up(struct rdx_index_writer *w, const struct rdx_writer_op *op, int r)
{
	if (r == -ENOBUFS)
		r = crowd(w, rdx_writer_table(w), op);
	if (r > 0 && rdx_writer_is_copied(w, op->key))
		copy_change(w, op);
	if (r < 0 && rdx_grow_now(w))
		r = change_in(w, rdx_writer_table(w), op);
	if (r < 0)
		lose(w, op);
	return r > 0;
}

/* Make the oldest change. */
static inline void make(struct rdx_index_writer *w)
{
	const struct rdx_writer_op op = w->op[w->op_first++ % RDX_OPS_MAX];
	int r = change(w, rdx_writer_table(w), op.home, &op);

	if (__builtin_expect(r != 1 || w->stage == RDX_GROW_COPY, 0))
		r = follow_up(w, &op, r);
	w->columns.blocks[op.column] += (uint64_t)(op.drop ? -r : r);
	RDX_HOOK(RDX_HOOK_BLOCK_CHANGED);
}

void rdx_writer_flush(struct rdx_index_writer *w)
{
	while (w->op_first != w->op_end)
		make(w);
	for (uint32_t seat = 0; w->unsettled && seat < RDX_RANKS_MAX; seat++) {
		struct rdx_writer_rank *rank = &w->rank[seat];

		rdx_columns_report(w, rank, rank->orphans_next, rank->forced);
	}
	w->unsettled = 0;
}

/* Queue `count` changes, which have room, and fetch their lines. */
static inline void fetch(struct rdx_index_writer *w, uint32_t column, uint32_t drop,
			 const uint64_t *keys, uint32_t count)
{
	const struct rdx_table *table = &rdx_writer_table(w)->table;

	for (uint32_t i = 0; i < count; i++) {
		struct rdx_writer_op *op = &w->op[w->op_end++ % RDX_OPS_MAX];

		op->key = keys[i];
		op->home = rdx_table_line(table, keys[i]);
		op->column = column;
		op->drop = drop;
		rdx_prefetch_read(op->home);
		if (__builtin_expect(rdx_writer_is_copied(w, keys[i]), 0))
			rdx_table_prefetch(&rdx_writer_next(w)->table, keys[i]);
	}
}

/* Queue a change of `count` keys, in order. */
static void queue(struct rdx_index_writer *w, uint32_t column, uint32_t drop, const uint64_t *keys,
		  uint32_t count)
{
	for (uint32_t i = 0, some; i < count; i += some) {
		some = count - i < RDX_OPS_BATCH ? count - i : RDX_OPS_BATCH;
		fetch(w, column, drop, keys + i, some);
		while (w->op_end - w->op_first > RDX_OPS_AHEAD)
			make(w);
	}
	rdx_grow_pace(w, count);
}

/* The column that a tier's changes go to. -EBADMSG, -EINVAL. */
static int column_of(const struct rdx_writer_rank *rank, uint8_t tier)
{
	uint16_t column;

	if (tier >= RDX_TIER_COUNT || !(rank->tiers & 1 << tier))
		return -EBADMSG;
	column = rank->is_building ? rank->build[tier] : rank->shown[tier];
	return column == RDX_COLUMN_NONE ? -EINVAL : column;
}

int rdx_writer_apply_blocks(struct rdx_index_writer *w, int seat, uint8_t tier,
			    const uint64_t *prefix, uint32_t count)
{
	int column = column_of(&w->rank[seat], tier);

	if (column < 0)
		return column;
	if (rdx_writer_poisoned(w))
		return 0;
	queue(w, (uint32_t)column, 0, prefix, count);
	return 0;
}

uint8_t rdx_writer_rank_lost(struct rdx_index_writer *w, int seat)
{
	uint8_t lost = w->rank[seat].lost;

	w->rank[seat].lost = 0;
	return lost;
}

static int clears(const struct rdx_index_writer *w, const uint16_t *columns, uint8_t scope,
		  uint32_t tier)
{
	return columns[tier] != RDX_COLUMN_NONE && (scope == RDX_SCOPE_ALL || scope == tier) &&
	       w->columns.blocks[columns[tier]];
}

/* Columns that a clear of `scope` moves the rank to; the old one if it holds nothing. -EAGAIN,
 * -ENOSPC with none taken. */
static int plan_clear(struct rdx_index_writer *w, const struct rdx_writer_rank *rank, uint8_t scope,
		      const uint16_t *columns, uint16_t *ret_columns)
{
	memcpy(ret_columns, columns, RDX_TIER_COUNT * sizeof(*columns));
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		int column;

		if (!clears(w, columns, scope, tier))
			continue;
		column = rdx_columns_take(w, rank);
		if (column >= 0) {
			ret_columns[tier] = (uint16_t)column;
			continue;
		}
		while (tier--) {
			if (ret_columns[tier] != columns[tier])
				rdx_columns_retire(w, ret_columns[tier]);
		}
		return column;
	}
	return 0;
}

static int clear(struct rdx_index_writer *w, struct rdx_writer_rank *rank,
		 const struct rdx_event *event)
{
	uint16_t *columns = rank->is_building ? rank->build : rank->shown;
	uint16_t old[RDX_TIER_COUNT], fresh[RDX_TIER_COUNT];
	int all = event->tier == RDX_SCOPE_ALL, r;

	if (!all && column_of(rank, event->tier) < 0)
		return column_of(rank, event->tier);
	rdx_writer_flush(w);
	r = plan_clear(w, rank, event->tier, columns, fresh);
	if (r < 0)
		return -EAGAIN; /* rebuilt from the barrier when there is room again */
	memcpy(old, columns, sizeof(old));
	rank->lost = all ? 0 : rank->lost;
	if (rank->is_building) {
		memcpy(columns, fresh, sizeof(fresh));
		rank->build_forced &= !all;
	} else {
		rdx_version_open(w->live);
		memcpy(columns, fresh, sizeof(fresh));
		rank->orphans = rank->orphans_next = event->orphans;
		rank->forced &= !all;
		rdx_columns_publish(w, rank);
		rdx_version_close(w->live);
	}
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (fresh[tier] != old[tier])
			rdx_columns_retire(w, old[tier]);
	}
	return 0;
}

int rdx_writer_apply_event(struct rdx_index_writer *w, int seat, const struct rdx_event *event,
			   const uint64_t *prefix)
{
	struct rdx_writer_rank *rank = &w->rank[seat];
	int column;

	if (!rank->is_visible && !rank->is_building)
		return -EINVAL;
	if (rdx_writer_poisoned(w))
		return 0; /* nobody reads it */
	rdx_entry_begin(&w->live->entry[seat], event->event_id);
	if (event->kind == RDX_EVENT_CLEARED)
		return clear(w, rank, event);
	if (event->kind != RDX_EVENT_STORED && event->kind != RDX_EVENT_REMOVED)
		column = event->kind == RDX_EVENT_INEXACT ? 0 : -EBADMSG;
	else
		column = column_of(rank, event->tier);
	/* scanned before the first orphan is there, searched after the last is gone */
	rdx_columns_report(w, rank, rank->orphans | event->orphans, rank->forced);
	rank->orphans_next = event->orphans;
	w->unsettled |= rank->orphans_next != rank->orphans;
	if (column >= 0 && event->kind == RDX_EVENT_STORED)
		queue(w, (uint32_t)column, 0, prefix, event->count);
	else if (column >= 0 && event->kind == RDX_EVENT_REMOVED)
		queue(w, (uint32_t)column, 1, event->hashes, event->count);
	return column < 0 ? column : 0;
}
