/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of one generation: which set of columns holds a key.
 *
 * A key's home line comes from two multiplications by the table's secret, with a fold between them
 * that no formula undoes: a worker that makes up the words of its ledger finds keys for a line by
 * trying, and only if it can read the secret, which is new in every table. The number of lines need
 * not be a power of two. A key that finds its line full goes to the next one that has room, and is
 * counted in those it passes; when a slot becomes free, the nearest key that passed its line is
 * pulled back into it. So a free slot means that nobody passed, a probe ends at a line that nobody
 * passed, and slots of dead keys are used again at once.
 *
 * Whoever goes over the table goes by home (rdx_table_piece), never line by line: a pull carries a
 * key from behind a walker to before it.
 */
#ifndef RDX_TABLE_H
#define RDX_TABLE_H

#include "shm/cell.h"
#include "shm/prefetch.h"
#include "shm/set.h"

#include <assert.h>
#include <errno.h>

#define RDX_PROBE_ROUNDS 64

/* Changes of slots between two epochs. A version repeats after 2^20; a reader that allows less than
 * two epochs in one lookup never meets a version of before. */
#define RDX_EPOCH_CHANGES (UINT64_C(1) << 18)
#define RDX_EPOCHS_LATE   2

struct rdx_table {
	struct rdx_line *line;
	struct rdx_set *set;
	_Atomic uint64_t *epoch;
	uint64_t lines; /* that are homes */
	uint64_t sets;
	uint64_t secret[2];
	uint64_t changes; /* the writer's: of slots, counted for the epoch */
};

/* Where a key is, or may be put. */
struct rdx_place {
	struct rdx_line *line; /* NULL: nowhere */
	uint32_t slot;
};

__extension__ typedef unsigned __int128 rdx_product;

static inline uint64_t rdx_table_home(const struct rdx_table *table, uint64_t key)
{
	rdx_product product = (rdx_product)key * table->secret[0];
	uint64_t folded = (uint64_t)(product >> 64) ^ (uint64_t)product;

	return (uint64_t)((rdx_product)(folded * table->secret[1]) * table->lines >> 64);
}

static inline struct rdx_line *rdx_table_line(const struct rdx_table *table, uint64_t key)
{
	return table->line + rdx_table_home(table, key);
}

RDX_PREFETCHES void rdx_table_prefetch(const struct rdx_table *table, uint64_t key)
{
	rdx_prefetch_read(rdx_table_line(table, key));
}

static inline uint32_t rdx_table_passed(const struct rdx_line *line)
{
	return rdx_half_load(&line->word) & RDX_LINE_PASSED;
}

/* ---- The writer's. What it stored itself it reads relaxed. */

/* The slot of a key, or nowhere. */
static inline struct rdx_place rdx_table_find(const struct rdx_table *table, uint64_t key)
{
	struct rdx_line *line = rdx_table_line(table, key);

	for (uint32_t left = RDX_PROBE_LINES_MAX; left; left--, line++) {
		uint32_t match = rdx_cell_match(line, key);

		if (match)
			return (struct rdx_place){line, (uint32_t)__builtin_ctz(match)};
		if (!rdx_table_passed(line))
			break;
	}
	return (struct rdx_place){NULL, 0};
}

static inline uint32_t rdx_table_set(struct rdx_place place)
{
	return rdx_cell_set(place.line, place.slot);
}

/* A slot was changed. */
static inline void rdx_table_changed(struct rdx_table *table)
{
	if (++table->changes % RDX_EPOCH_CHANGES)
		return;
	/* K5, with rdx_table_epoch */
	atomic_store_explicit(table->epoch, table->changes / RDX_EPOCH_CHANGES,
			      memory_order_release);
}

static inline void rdx_table_count(const struct rdx_table *table, uint64_t key,
				   const struct rdx_line *place, int by)
{
	for (struct rdx_line *line = rdx_table_line(table, key); line != place; line++)
		rdx_cell_pass(line, by);
}

/* Put an absent key into a free slot at or after its home line: the first free one from there. */
static inline void rdx_table_insert(struct rdx_table *table, uint64_t key, struct rdx_place place,
				    uint32_t set)
{
	rdx_table_count(table, key, place.line, 1); /* K4: before the key is there */
	rdx_cell_put(place.line, place.slot, key, set);
	rdx_table_changed(table);
}

static inline void rdx_table_change(struct rdx_table *table, struct rdx_place place, uint32_t set)
{
	rdx_cell_change(place.line, place.slot, set);
	rdx_table_changed(table);
}

/* The nearest key that passed `line`. There is one. */
static inline struct rdx_place rdx_table_passer(const struct rdx_table *table,
						struct rdx_line *line)
{
	for (struct rdx_line *from = line + 1;; from++) {
		for (uint32_t slot = 0; slot < RDX_LINE_SLOTS; slot++) {
			uint64_t key = rdx_word_load(&from->key[slot]);

			if (key && rdx_table_line(table, key) <= line)
				return (struct rdx_place){from, slot};
		}
		assert(from - line < RDX_PROBE_LINES_MAX);
	}
}

/* A slot of the line became free: whoever passed comes back. The new copy is there before the old
 * one goes (K2), the old one gone before the counts fall (K4). */
static inline void rdx_table_pull(struct rdx_table *table, struct rdx_place hole)
{
	while (rdx_table_passed(hole.line)) {
		struct rdx_place from = rdx_table_passer(table, hole.line);

		rdx_cell_put(hole.line, hole.slot, rdx_word_load(&from.line->key[from.slot]),
			     rdx_table_set(from));
		rdx_table_changed(table);
		rdx_cell_clear(from.line, from.slot);
		rdx_table_changed(table);
		for (struct rdx_line *line = hole.line; line != from.line; line++)
			rdx_cell_pass(line, -1);
		hole = from;
	}
}

/* Free a slot that will be used at once for a key that passes, or has its home at, this line: like
 * rdx_table_erase, without the pull. */
static inline void rdx_table_vacate(struct rdx_table *table, struct rdx_place place)
{
	uint64_t key = rdx_word_load(&place.line->key[place.slot]);

	rdx_cell_clear(place.line, place.slot);
	rdx_table_changed(table);
	rdx_table_count(table, key, place.line, -1);
}

/* Nobody holds the key of this slot any more. */
static inline void rdx_table_erase(struct rdx_table *table, struct rdx_place place)
{
	rdx_table_vacate(table, place);
	rdx_table_pull(table, place);
}

/* ---- The reader's. */

/*
 *   K5  epoch (release), after every RDX_EPOCH_CHANGES raises of versions -> epoch (acquire)
 *       before the first probe, and behind an acquire fence after the last: equal versions are
 *       the same version
 */
static inline uint64_t rdx_table_epoch(const struct rdx_table *table)
{
	return atomic_load_explicit(table->epoch, memory_order_acquire); /* K5 */
}

/* May the probes since rdx_table_epoch be believed? */
static inline int rdx_table_timely(const struct rdx_table *table, uint64_t epoch)
{
	rdx_fence_acquire(); /* K5 */
	return rdx_word_load(table->epoch) - epoch < RDX_EPOCHS_LATE;
}

/* The sum of the versions of `count` lines, behind the fence of rdx_cell_settle. */
static inline uint32_t rdx_table_versions(const struct rdx_line *line, uint32_t count)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += rdx_cell_version(rdx_half_load(&line[i].word));
	return sum;
}

/* One look for a key, as rdx_table_probe. -EAGAIN: a line changed meanwhile. */
__attribute__((always_inline)) static inline int rdx_table_look(const struct rdx_table *table,
								const struct rdx_line *home,
								uint64_t key, uint32_t words,
								uint64_t *ret_columns)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < RDX_PROBE_LINES_MAX; i++) {
		uint32_t word = rdx_cell_word(home + i);
		uint32_t match, set;

		RDX_HOOK(RDX_HOOK_PROBE_LINE);
		match = rdx_cell_match(home + i, key);
		RDX_HOOK(RDX_HOOK_PROBE_SLOT);
		set = match ? rdx_cell_set(home + i, (uint32_t)__builtin_ctz(match)) : 0;
		if (set && set < table->sets) {
			rdx_set_read(&table->set[set], words, ret_columns);
			RDX_HOOK(RDX_HOOK_PROBE_SET);
			rdx_cell_settle();
			return rdx_table_versions(home + i, 1) == rdx_cell_version(word) ? 1
											 : -EAGAIN;
		}
		sum += rdx_cell_version(word);
		if (!(word & RDX_LINE_PASSED)) {
			rdx_cell_settle();
			return rdx_table_versions(home, i + 1) == sum ? 0 : -EAGAIN;
		}
	}
	return 0; /* no writer lets a key pass so many */
}

/*
 * The first `words` words of the set that holds the key. 1; 0: nobody holds it; -EAGAIN: disturbed
 * RDX_PROBE_ROUNDS times. Each answer is the key's truth at some instant of the call, if
 * rdx_table_timely agrees. Lock-free; a writer that has stopped or died never disturbs. `home` is
 * the key's line: who fetched it has it.
 */
__attribute__((always_inline)) static inline int rdx_table_probe(const struct rdx_table *table,
								 const struct rdx_line *home,
								 uint64_t key, uint32_t words,
								 uint64_t *ret_columns)
{
	int r = rdx_table_look(table, home, key, words, ret_columns);

	for (uint32_t round = 1; __builtin_expect(r == -EAGAIN, 0) && round < RDX_PROBE_ROUNDS;
	     round++)
		r = rdx_table_look(table, home, key, words, ret_columns);
	return r;
}

/* The end of the lines in which keys can be whose home is before line `to`. */
static inline uint64_t rdx_table_piece_end(const struct rdx_table *table, uint64_t to)
{
	while (to && to < table->lines + RDX_PROBE_LINES_MAX &&
	       rdx_table_passed(&table->line[to - 1]))
		to++;
	return to;
}

#endif
