/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that one rank holds, straight from the table.
 *
 * Keys move towards their home lines while the table is read. So a piece of it is the keys whose
 * home is in some lines, wherever they are: they are collected from the first of these lines to the
 * first one after them that nobody passed, and count if none of these lines has changed meanwhile.
 */
#include "consumer/index/index_handle.h"
#include "shm/clock.h"
#include "shm/entry.h"
#include "shm/sized.h"
#include "shm/version.h"

#include <errno.h>
#include <stdlib.h>

#define PIECE_LINES 64
#define LINES_MOST  (PIECE_LINES + RDX_PROBE_LINES_MAX) /* that a piece's keys are in */
#define ROUNDS      64                                  /* to read one undisturbed */

struct visit {
	uint64_t prefix;
	uint8_t tiers;
};

struct walk {
	const struct rdx_table *table;
	const struct rdx_columns *columns;
	uint32_t words;
	uint32_t count;
	struct visit visit[LINES_MOST * RDX_LINE_SLOTS];
};

/* The tiers in which the rank holds the keys of a set. */
static uint8_t tiers_of(const struct walk *walk, uint32_t set)
{
	uint64_t held[RDX_COLUMN_WORDS] = {0};
	uint8_t tiers = 0;

	if (!set || set >= walk->table->sets)
		return 0;
	rdx_set_read(&walk->table->set[set], walk->words, held);
	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		uint32_t column = walk->columns->column[tier];

		if (column != RDX_COLUMN_NONE && rdx_column_in(held, column))
			tiers |= (uint8_t)(1 << tier);
	}
	return tiers;
}

/* Is the key, which was found in line `at`, in a line nearer to its home, too? Then it is on its way
 * there, perhaps for good, and the copy there counts. */
static int is_nearer(const struct rdx_table *table, uint64_t key, uint64_t at)
{
	for (uint64_t line = rdx_table_home(table, key); line < at; line++) {
		uint32_t match = rdx_cell_match(&table->line[line], key);

		if (match && rdx_cell_set(&table->line[line], (uint32_t)__builtin_ctz(match)))
			return 1;
	}
	return 0;
}

/* Keys in line `at` with a home in lines [from, to). */
static void collect_line(struct walk *walk, uint64_t at, uint64_t from, uint64_t to)
{
	const struct rdx_line *line = &walk->table->line[at];

	for (uint32_t slot = 0; slot < RDX_LINE_SLOTS; slot++) {
		uint64_t key = rdx_word_load(&line->key[slot]);
		uint64_t home = key ? rdx_table_home(walk->table, key) : to;
		uint8_t tiers;

		if (home < from || home >= to)
			continue;
		tiers = tiers_of(walk, rdx_cell_set(line, slot));
		RDX_HOOK(RDX_HOOK_WALK_KEY);
		if (tiers && !is_nearer(walk->table, key, at))
			walk->visit[walk->count++] = (struct visit){key, tiers};
	}
}

/* Collect the keys with a home in lines [from, to). -EAGAIN: a line changed meanwhile. */
static int collect(struct walk *walk, uint64_t from, uint64_t to)
{
	const struct rdx_line *line = walk->table->line;
	uint64_t epoch = rdx_table_epoch(walk->table), end = to + RDX_PROBE_LINES_MAX, at = from;
	uint32_t sum = 0, word;

	walk->count = 0;
	do {
		word = rdx_cell_word(line + at);
		sum += rdx_cell_version(word);
		collect_line(walk, at++, from, to);
	} while (at < to || (at < end && word & RDX_LINE_PASSED));
	rdx_cell_settle();
	if (rdx_table_versions(line + from, (uint32_t)(at - from)) != sum)
		return -EAGAIN;
	return rdx_table_timely(walk->table, epoch) ? 0 : -EAGAIN;
}

static int walk_table(struct walk *walk,
		      void (*visit)(void *context, uint64_t prefix, uint8_t tiers), void *context)
{
	uint64_t lines = walk->table->lines;

	for (uint64_t from = 0; from < lines; from += PIECE_LINES) {
		uint64_t to = lines - from < PIECE_LINES ? lines : from + PIECE_LINES;
		int r = -EAGAIN;

		for (int round = 0; round < ROUNDS && r == -EAGAIN; round++)
			r = collect(walk, from, to);
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < walk->count; i++)
			visit(context, walk->visit[i].prefix, walk->visit[i].tiers);
	}
	return 0;
}

/* Of a LACKING rank the index holds what its segment says, or less. */
static int is_walked(uint8_t state)
{
	return state == RDX_STATE_EXACT || state == RDX_STATE_LACKING;
}

/* The rank, if a walk of it can be exact; *ret_partial: of what did fit. */
static int choose(struct rdx_lookup *l, uint64_t worker_id, uint32_t dp_rank, uint32_t *ret_partial)
{
	int seat = rdx_lookup_seat(l, worker_id, dp_rank);

	if (seat >= 0 && (!l->columns[seat].visible || !is_walked(l->rank[seat].state)))
		seat = -ESTALE;
	if (seat >= 0)
		*ret_partial = rdx_word_load(&l->live->entry[seat].counter[RDX_ENTRY_CAUSE]) != 0;
	return rdx_version_same(l->live, l->version) ? seat : -EAGAIN;
}

static int walk_rank(struct rdx_lookup *l, uint32_t seat,
		     void (*visit)(void *context, uint64_t prefix, uint8_t tiers), void *context)
{
	struct walk *walk = malloc(sizeof(*walk));
	int r;

	if (!walk)
		return -ENOMEM;
	walk->table = &l->search.table;
	walk->columns = &l->columns[seat];
	walk->words = l->search.words;
	r = walk_table(walk, visit, context);
	free(walk);
	/* no event after the mark had begun: a walk that saw a change of one sees it in `begun` */
	if (r == 0 && rdx_entry_begun(&l->live->entry[seat]) > l->event_id[seat])
		r = -EAGAIN;
	if (r == 0 && !rdx_generation_kept(l->live, l->generation))
		r = -EAGAIN;
	return r == 0 && !rdx_version_same(l->live, l->version) ? -EAGAIN : r;
}

int rdx_index_each(struct rdx_index *x, uint64_t worker_id, uint32_t dp_rank,
		   void (*visit)(void *context, uint64_t prefix, uint8_t tiers), void *context,
		   struct rdx_index_mark *ret_mark)
{
	struct rdx_lookup *l = &x->lookup;
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	int seat, r = rdx_sized_check(ret_mark);

	/* an empty lookup brings handle, columns and event ids up to date */
	rdx_keys_prefix(&x->keys, NULL, 0);
	if (r == 0)
		r = rdx_index_update(x, &x->keys, rdx_clock_ns());
	if (r < 0)
		return r;
	seat = choose(l, worker_id, dp_rank, &mark.partial);
	if (seat < 0)
		return seat;
	mark.epoch = l->rank[seat].epoch;
	mark.event_id = l->event_id[seat];
	r = walk_rank(l, (uint32_t)seat, visit, context);
	if (rdx_index_poisoned(x))
		r = -EBADMSG;
	rdx_index_settle(x);
	if (r == 0)
		rdx_sized_give(ret_mark, &mark, sizeof(mark));
	return r;
}
