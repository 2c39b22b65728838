/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/writer/columns.h"
#include "shm/entry.h"
#include "shm/version.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SWEEP_SETS 2048 /* of one piece: some 20 us */

static uint32_t columns_needed(const struct rdx_writer_rank *rank)
{
	return RDX_COLUMNS_EACH * (uint32_t)__builtin_popcount(rank->tiers);
}

void rdx_columns_open(struct rdx_index_writer *w)
{
	memset(w->columns.clean, 0xff, sizeof(w->columns.clean));
}

/* Take reserved columns from ranks that are gone. */
static void evict_gone(struct rdx_index_writer *w)
{
	for (uint32_t i = 0; i < RDX_RANKS_MAX; i++) {
		struct rdx_writer_rank *rank = &w->rank[i];

		if (rank->known && rank->housed && !rank->is_visible && !rank->is_building &&
		    rank->state == RDX_STATE_GONE)
			rdx_columns_evict(w, rank);
	}
}

int rdx_columns_house(struct rdx_index_writer *w, struct rdx_writer_rank *rank)
{
	uint32_t need = columns_needed(rank);

	if (rank->housed)
		return 0;
	if (w->columns.reserved + need > RDX_COLUMNS_MAX)
		evict_gone(w);
	if (w->columns.reserved + need > RDX_COLUMNS_MAX)
		return -ENOSPC;
	w->columns.reserved += need;
	rank->housed = 1;
	return 0;
}

void rdx_columns_evict(struct rdx_index_writer *w, struct rdx_writer_rank *rank)
{
	assert(!rank->is_visible && !rank->is_building);
	if (rank->housed)
		w->columns.reserved -= columns_needed(rank);
	rank->housed = 0;
}

static int lowest(const uint64_t *columns)
{
	for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++) {
		if (columns[word])
			return (int)(word * RDX_COLUMN_WORD_BITS) + __builtin_ctzll(columns[word]);
	}
	return -EAGAIN;
}

/* The column's set in a table. 0, -ENOSPC. */
static int begin_column(struct rdx_writer_table *table, uint32_t column)
{
	table->single[column] = rdx_sets_single(&table->sets, column);
	return table->single[column] ? 0 : -ENOSPC;
}

/* Its cells alone name the set from now on. */
static void end_column(struct rdx_writer_table *table, uint32_t column)
{
	if (table->single[column])
		rdx_sets_unname(&table->sets, table->single[column]);
	table->single[column] = 0;
}

int rdx_columns_take(struct rdx_index_writer *w, const struct rdx_writer_rank *rank)
{
	int column = lowest(w->columns.clean), r;

	if (column < 0)
		return column;
	r = begin_column(rdx_writer_table(w), (uint32_t)column);
	if (r == 0 && w->stage == RDX_GROW_COPY) {
		r = begin_column(rdx_writer_next(w), (uint32_t)column);
		if (r < 0)
			end_column(rdx_writer_table(w), (uint32_t)column);
	}
	if (r < 0)
		return r;
	rdx_column_drop(w->columns.clean, (uint32_t)column);
	rdx_column_add(w->columns.used, (uint32_t)column);
	w->columns.blocks[column] = 0;
	w->columns.seat[column] = (uint16_t)(rank - w->rank);
	return column;
}

static void end_in_both(struct rdx_index_writer *w, uint32_t column)
{
	end_column(rdx_writer_table(w), column);
	if (w->stage == RDX_GROW_COPY)
		end_column(rdx_writer_next(w), column);
}

void rdx_columns_retire(struct rdx_index_writer *w, uint32_t column)
{
	assert(rdx_column_in(w->columns.used, column));
	rdx_column_drop(w->columns.used, column);
	end_in_both(w, column);
	/* without a block it is in no set */
	rdx_column_add(w->columns.blocks[column] ? w->columns.dirty : w->columns.clean, column);
	w->columns.blocks[column] = 0;
}

int rdx_columns_begin(struct rdx_index_writer *w, struct rdx_writer_table *table)
{
	memset(table->single, 0, sizeof(table->single));
	for (uint32_t column = 0; column < RDX_COLUMNS_MAX; column++) {
		if (rdx_column_in(w->columns.used, column) && begin_column(table, column) < 0)
			return -ENOSPC;
	}
	return 0;
}

void rdx_columns_publish(struct rdx_index_writer *w, struct rdx_writer_rank *rank)
{
	struct rdx_columns columns = {
		.visible = rank->is_visible,
		.forced = rank->forced,
		.orphans = rank->orphans,
	};

	memcpy(columns.column, rank->shown, sizeof(columns.column));
	rdx_word_store(&w->live->columns[rank - w->rank], rdx_column_pack(&columns));
}

void rdx_columns_report(struct rdx_index_writer *w, struct rdx_writer_rank *rank, uint8_t orphans,
			uint8_t forced)
{
	if (!rank->is_visible || (rank->orphans == orphans && rank->forced == forced))
		return;
	rdx_version_open(w->live);
	rank->orphans = orphans;
	rank->forced = forced;
	rdx_columns_publish(w, rank);
	rdx_version_close(w->live);
}

/* A state in which nothing is missing, or less than this, is no longer true. */
static uint64_t worse_state(uint64_t state, uint8_t how)
{
	if (state != RDX_STATE_EXACT && state != RDX_STATE_LACKING)
		return state;
	return how == RDX_INEXACT_UNKNOWN ? RDX_STATE_INEXACT : RDX_STATE_LACKING;
}

/* Readers are told before a block goes, not only by the next pulse: who misses it sees another version
 * (V1), and the state with it. */
static void tell_lost(struct rdx_index_writer *w, struct rdx_writer_rank *rank, uint8_t how)
{
	_Atomic uint64_t *state = &w->live->identity[rank - w->rank].state;
	struct rdx_index_entry *entry = &w->live->entry[rank - w->rank];
	uint64_t worse = worse_state(rdx_word_load(state), how);

	if (rank->forced && rdx_word_load(state) == worse)
		return;
	rdx_version_open(w->live);
	rank->forced = 1;
	rdx_columns_publish(w, rank);
	rdx_word_store(state, worse);
	rdx_entry_open(entry);
	rdx_word_store(&entry->counter[RDX_ENTRY_STATE], worse);
	rdx_word_store(&entry->counter[RDX_ENTRY_CAUSE], (uint64_t)(int64_t)-ENOSPC);
	rdx_entry_close(entry);
	rdx_version_close(w->live);
}

void rdx_columns_lose(struct rdx_index_writer *w, uint32_t column, uint8_t how)
{
	struct rdx_writer_rank *rank = &w->rank[w->columns.seat[column]];

	if (rank->lost < how)
		rank->lost = how;
	if (rank->is_building)
		rank->build_forced = 1;
	else if (rank->is_visible)
		tell_lost(w, rank, how);
}

int rdx_columns_unswept(const struct rdx_index_writer *w)
{
	return lowest(w->columns.dirty) >= 0;
}

static int sweep_begin(struct rdx_index_writer *w)
{
	struct rdx_writer_columns *columns = &w->columns;

	memcpy(columns->sweeping, columns->dirty, sizeof(columns->sweeping));
	columns->is_sweeping = (uint32_t)rdx_columns_unswept(w);
	columns->sweep_set = 1;
	columns->sweep_next = 0;
	return (int)columns->is_sweeping;
}

/* One piece of one table's sets. 1 if there are more. */
static int sweep_piece(struct rdx_index_writer *w, struct rdx_writer_table *table)
{
	uint32_t from = w->columns.sweep_set, left = table->sets.count - from;
	uint32_t to = from + (left < SWEEP_SETS ? left : SWEEP_SETS);

	table->dead += rdx_sets_strip(&table->sets, w->columns.sweeping, from, to);
	w->columns.sweep_set = to;
	return to < table->sets.count;
}

static void sweep_end(struct rdx_index_writer *w)
{
	for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++) {
		w->columns.dirty[word] &= ~w->columns.sweeping[word];
		w->columns.clean[word] |= w->columns.sweeping[word];
	}
}

int rdx_columns_sweep(struct rdx_index_writer *w)
{
	struct rdx_writer_columns *columns = &w->columns;

	if (!columns->is_sweeping && !sweep_begin(w))
		return 0;
	if (sweep_piece(w, columns->sweep_next ? rdx_writer_next(w) : rdx_writer_table(w)))
		return 1;
	if (!columns->sweep_next && w->stage == RDX_GROW_COPY) {
		columns->sweep_next = 1;
		columns->sweep_set = 1;
		return 1;
	}
	sweep_end(w);
	return sweep_begin(w);
}

void rdx_columns_switched(struct rdx_index_writer *w)
{
	w->columns.is_sweeping = 0;
}
