/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/writer/crowd.h"
#include "consumer/writer/columns.h"
#include "consumer/writer/holders.h"

#include <string.h>

/* Of a seat: keys in a run, of all ranks of its worker, beyond those that chance puts there. */
struct excess {
	int64_t keys[RDX_RANKS_MAX];
};

static void keep_used(const struct rdx_index_writer *w, uint64_t *columns)
{
	for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++)
		columns[word] &= w->columns.used[word];
}

static void used_of(const struct rdx_index_writer *w, const struct rdx_writer_table *table,
		    struct rdx_place place, uint64_t *ret_columns)
{
	rdx_words_load(ret_columns, table->table.set[rdx_table_set(place)].columns,
		       RDX_COLUMN_WORDS);
	keep_used(w, ret_columns);
}

/* Take the lowest column out of these; -1: there is none. */
static int next_column(uint64_t *columns)
{
	for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++) {
		uint64_t left = columns[word];

		if (left) {
			columns[word] &= left - 1;
			return (int)(word * RDX_COLUMN_WORD_BITS) + __builtin_ctzll(left);
		}
	}
	return -1;
}

/* Each seat's share becomes that of its worker: who spreads keys over ranks gains nothing. */
static void merge(const struct rdx_index_writer *w, struct excess *excess)
{
	int64_t sum[RDX_RANKS_MAX];

	memcpy(sum, excess->keys, sizeof(sum));
	for (uint32_t i = 0; i < RDX_RANKS_MAX; i++) {
		for (uint32_t other = 0; sum[i] && other < RDX_RANKS_MAX; other++) {
			if (other != i && w->rank[other].known &&
			    w->rank[other].worker_id == w->rank[i].worker_id)
				excess->keys[other] += sum[i];
		}
	}
}

static void tally(const struct rdx_index_writer *w, const struct rdx_writer_table *table,
		  struct rdx_line *home, struct excess *ret_excess)
{
	uint64_t columns[RDX_COLUMN_WORDS], held[RDX_RANKS_MAX] = {0};
	uint64_t lines = table->table.lines;
	int column;

	memset(ret_excess, 0, sizeof(*ret_excess));
	for (uint32_t at = 0; at < RDX_PROBE_LINES_MAX * RDX_LINE_SLOTS; at++) {
		struct rdx_place place = {home + at / RDX_LINE_SLOTS, at % RDX_LINE_SLOTS};

		used_of(w, table, place, columns);
		while ((column = next_column(columns)) >= 0)
			ret_excess->keys[w->columns.seat[column]]++;
	}
	memcpy(columns, w->columns.used, sizeof(columns));
	while ((column = next_column(columns)) >= 0)
		held[w->columns.seat[column]] += w->columns.blocks[column];
	for (uint32_t seat = 0; seat < RDX_RANKS_MAX; seat++)
		ret_excess->keys[seat] -= (int64_t)(held[seat] * RDX_PROBE_LINES_MAX / lines);
	merge(w, ret_excess);
}

/* How much a key crowds: as the least of its holders, so nobody pays for a key that others hold with
 * it. What nobody holds is first to go. */
static int64_t guilt(const struct rdx_index_writer *w, const struct excess *excess,
		     const uint64_t *columns)
{
	uint64_t left[RDX_COLUMN_WORDS];
	int64_t least = INT64_MAX;
	int column;

	memcpy(left, columns, sizeof(left));
	while ((column = next_column(left)) >= 0) {
		int64_t keys = excess->keys[w->columns.seat[column]];

		least = keys < least ? keys : least;
	}
	return least;
}

static void charge(struct rdx_index_writer *w, const struct rdx_writer_table *table,
		   const uint64_t *columns)
{
	uint64_t left[RDX_COLUMN_WORDS];
	int column;

	memcpy(left, columns, sizeof(left));
	w->refused++;
	while ((column = next_column(left)) >= 0) {
		rdx_columns_lose(w, (uint32_t)column, RDX_INEXACT_LACKING);
		w->rank[w->columns.seat[column]].charged[table - w->tables]++;
	}
}

/* A key's holders are told before it goes. What goes from the next table alone is still in the
 * current one, and counted, until the tables are switched. */
static void evict(struct rdx_index_writer *w, struct rdx_writer_table *table,
		  struct rdx_place place)
{
	uint64_t key = rdx_word_load(&place.line->key[place.slot]), columns[RDX_COLUMN_WORDS];
	int column;

	used_of(w, table, place, columns);
	charge(w, table, columns);
	rdx_holders_vacate(table, place);
	if (table != rdx_writer_table(w))
		return;
	while ((column = next_column(columns)) >= 0)
		w->columns.blocks[column]--;
	if (rdx_writer_is_copied(w, key)) {
		place = rdx_table_find(&rdx_writer_next(w)->table, key);
		if (place.line) {
			rdx_holders_vacate(rdx_writer_next(w), place);
			rdx_table_pull(&rdx_writer_next(w)->table, place);
		}
	}
}

/* The key that crowds most of all that stand where `home`'s may. Nowhere: none does more than
 * `least`. */
static struct rdx_place find_worst(const struct rdx_index_writer *w,
				   const struct rdx_writer_table *table,
				   const struct excess *excess, struct rdx_line *home,
				   int64_t least)
{
	struct rdx_place worst = {NULL, 0};
	uint64_t columns[RDX_COLUMN_WORDS];

	for (uint32_t at = 0; at < RDX_PROBE_LINES_MAX * RDX_LINE_SLOTS; at++) {
		struct rdx_place place = {home + at / RDX_LINE_SLOTS, at % RDX_LINE_SLOTS};
		int64_t keys;

		used_of(w, table, place, columns);
		keys = guilt(w, excess, columns);
		if (keys > least) {
			least = keys;
			worst = place;
		}
	}
	return worst;
}

static int is_crowding(const struct rdx_index_writer *w, const struct rdx_writer_table *table,
		       const uint64_t *columns)
{
	uint64_t left[RDX_COLUMN_WORDS];
	int column;

	memcpy(left, columns, sizeof(left));
	while ((column = next_column(left)) >= 0) {
		if (!rdx_writer_is_crowding(w, table, (uint32_t)column))
			return 0;
	}
	return 1;
}

int rdx_crowd_put(struct rdx_index_writer *w, struct rdx_writer_table *table, uint64_t key,
		  const uint64_t *columns)
{
	struct rdx_line *home = rdx_table_line(&table->table, key);
	struct rdx_place worst = {NULL, 0};
	uint64_t holders[RDX_COLUMN_WORDS];
	struct excess excess;

	memcpy(holders, columns, sizeof(holders));
	keep_used(w, holders);
	if (!is_crowding(w, table, holders)) {
		tally(w, table, home, &excess);
		worst = find_worst(w, table, &excess, home, guilt(w, &excess, holders));
	}
	if (!worst.line) {
		charge(w, table, holders);
		return 0;
	}
	evict(w, table, worst);
	return rdx_holders_fill(w, table, worst, key, holders);
}
