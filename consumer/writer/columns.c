/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/writer/columns.h"

#include <assert.h>
#include <errno.h>

#define SWEEP_LINES 4096 /* of one piece: well under 200 us */

static uint32_t columns_needed(const struct rdx_writer_rank *rank)
{
	return RDX_SIDES * (uint32_t)__builtin_popcount(rank->tiers);
}

static uint8_t take_lowest(uint64_t *columns)
{
	uint8_t column = (uint8_t)__builtin_ctzll(*columns);

	*columns &= *columns - 1;
	return column;
}

static void settle(struct rdx_index_writer *w, struct rdx_writer_rank *rank, uint32_t word)
{
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		for (uint8_t side = 0; side < RDX_SIDES; side++)
			rank->column[tier][side] = rank->tiers & 1 << tier
							   ? take_lowest(&w->word[word].unowned)
							   : RDX_COLUMN_NONE;
	}
	rank->word = (uint8_t)word;
	rank->housed = 1;
}

/* Take homes from ranks that are gone. */
static int evict_gone(struct rdx_index_writer *w)
{
	int evicted = 0;

	for (uint32_t i = 0; i < RDX_RANKS_MAX; i++) {
		struct rdx_writer_rank *rank = &w->rank[i];

		if (rank->known && rank->housed && !rank->is_visible && !rank->is_building &&
		    rank->state == RDX_STATE_GONE) {
			rdx_columns_evict(w, rank);
			evicted = 1;
		}
	}
	return evicted;
}

/* 1: housed. 0: not, but 1 in *ret_later if sweeping will make room. */
static int find_home(struct rdx_index_writer *w, struct rdx_writer_rank *rank, int *ret_later)
{
	uint32_t words = rdx_writer_table(w)->table.mask_words;
	int need = (int)columns_needed(rank);

	*ret_later = 0;
	for (uint32_t word = 0; word < words; word++) {
		if (__builtin_popcountll(w->word[word].unowned) >= need) {
			settle(w, rank, word);
			return 1;
		}
		if (__builtin_popcountll(w->word[word].unowned | w->word[word].abandoned) >= need)
			*ret_later = 1;
	}
	return 0;
}

int rdx_columns_house(struct rdx_index_writer *w, struct rdx_writer_rank *rank)
{
	int later;

	if (rank->housed || find_home(w, rank, &later))
		return 0;
	if (later)
		return -EAGAIN;
	if (evict_gone(w)) {
		if (find_home(w, rank, &later))
			return 0;
		if (later)
			return -EAGAIN;
	}
	return -ENOSPC;
}

void rdx_columns_evict(struct rdx_index_writer *w, struct rdx_writer_rank *rank)
{
	struct rdx_writer_word *word = &w->word[rank->word];

	assert(!rank->is_visible && !rank->is_building);
	if (!rank->housed)
		return;
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		for (uint8_t side = 0; side < RDX_SIDES; side++) {
			uint64_t bit = rdx_column_bit(rank->column[tier][side]);

			if (word->dirty & bit)
				word->abandoned |= bit;
			else
				word->unowned |= bit;
			rank->column[tier][side] = RDX_COLUMN_NONE;
		}
	}
	rank->housed = 0;
}

uint8_t rdx_columns_fresh(const struct rdx_index_writer *w, const struct rdx_writer_rank *rank,
			  uint8_t tier)
{
	const struct rdx_writer_word *word = &w->word[rank->word];

	for (uint8_t side = 0; side < RDX_SIDES; side++) {
		if (!(rdx_column_bit(rank->column[tier][side]) & (word->used | word->dirty)))
			return side;
	}
	return RDX_SIDE_NONE;
}

void rdx_columns_take(struct rdx_index_writer *w, struct rdx_writer_rank *rank, uint8_t tier,
		      uint8_t side)
{
	struct rdx_writer_word *word = &w->word[rank->word];
	uint8_t column = rank->column[tier][side];

	assert(!(rdx_column_bit(column) & (word->used | word->dirty)));
	word->used |= rdx_column_bit(column);
	word->count[column] = 0;
}

void rdx_columns_retire(struct rdx_index_writer *w, struct rdx_writer_rank *rank, uint8_t tier,
			uint8_t side)
{
	struct rdx_writer_word *word = &w->word[rank->word];
	uint8_t column = rank->column[tier][side];

	assert(rdx_column_bit(column) & word->used);
	word->used &= ~rdx_column_bit(column);
	if (word->count[column])
		word->dirty |= rdx_column_bit(column);
	word->count[column] = 0;
}

void rdx_columns_publish(struct rdx_index_writer *w, struct rdx_writer_rank *rank)
{
	struct rdx_columns columns = {
		.visible = rank->is_visible,
		.forced = rank->forced,
		.orphans = rank->orphans,
		.word = rank->word,
		.life = ++rank->life,
	};

	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		uint8_t side = rank->shown[tier];

		columns.column[tier] =
			side == RDX_SIDE_NONE ? RDX_COLUMN_NONE : rank->column[tier][side];
	}
	rdx_word_store(&w->live->columns[rank - w->rank], rdx_column_pack(&columns));
}

int rdx_columns_unswept(const struct rdx_index_writer *w)
{
	uint64_t any = 0;

	for (uint32_t word = 0; word < RDX_MASK_WORDS_MAX; word++)
		any |= w->word[word].dirty;
	return any != 0;
}

static int sweep_begin(struct rdx_index_writer *w)
{
	for (uint32_t word = 0; word < RDX_MASK_WORDS_MAX; word++)
		w->word[word].sweeping = w->word[word].dirty;
	w->sweep_line = 0;
	w->sweeping = rdx_columns_unswept(w);
	return (int)w->sweeping;
}

static void clean(struct rdx_writer_word *word, uint64_t columns)
{
	word->dirty &= ~columns;
	word->unowned |= word->abandoned & columns;
	word->abandoned &= ~columns;
}

static void sweep_lines(struct rdx_index_writer *w, uint64_t end)
{
	const struct rdx_table *table = &rdx_writer_table(w)->table;

	for (uint32_t word = 0; word < table->mask_words; word++) {
		uint64_t sweeping = w->word[word].sweeping;

		for (uint64_t at = w->sweep_line; sweeping && at < end; at++) {
			_Atomic uint64_t *mask = rdx_table_line(table, at) + RDX_LINE_KEYS;

			for (uint32_t place = 0; place < RDX_LINE_KEYS; place++)
				rdx_table_mask_drop(mask + place, word, sweeping);
		}
	}
	w->sweep_line = end;
}

int rdx_columns_sweep(struct rdx_index_writer *w)
{
	uint64_t lines = rdx_writer_table(w)->table.lines;
	uint64_t left;

	if (!w->sweeping && !sweep_begin(w))
		return 0;
	left = lines - w->sweep_line;
	sweep_lines(w, w->sweep_line + (left < SWEEP_LINES ? left : SWEEP_LINES));
	if (w->sweep_line < lines)
		return 1;
	for (uint32_t word = 0; word < RDX_MASK_WORDS_MAX; word++)
		clean(&w->word[word], w->word[word].sweeping);
	return sweep_begin(w);
}

void rdx_columns_switched(struct rdx_index_writer *w)
{
	for (uint32_t word = 0; word < RDX_MASK_WORDS_MAX; word++)
		clean(&w->word[word], w->grow_clean[word]);
	w->sweeping = 0;
}

void rdx_columns_add_word(struct rdx_index_writer *w, uint32_t word)
{
	w->word[word].unowned = ~UINT64_C(0);
}
