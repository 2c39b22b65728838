/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer's script of steps on an index of two ranks, with columns, pulses and a next table, by
 * the functions of shm/, and a lookup in the order of consumer/index. What it finds of a rank is
 * the truth after one of the rank's events, from the one that the row names on.
 */
#ifndef RDX_TESTS_MODELS_INDEX_STEPS_H
#define RDX_TESTS_MODELS_INDEX_STEPS_H

#include "tests/models/model.h"

#include "shm/column.h"
#include "shm/generation.h"
#include "shm/pulse.h"
#include "shm/table.h"
#include "shm/version.h"

#define RANKS     2
#define KEYS      2
#define COLUMNS   3
#define SETS      4
#define STEPS_MAX 8

#define GENERATION 1 /* of the first table; 0 is none's, as in a real index */

/* A step, of rank `rank`. */
enum kind {
	TURN,  /* an event: block `key` is stored, or removed */
	CLEAR, /* an event: the rank has another column, and the old one is retired */
	SWEEP, /* retired columns are taken out of all sets */
	COPY,  /* the next key is copied to the next table; after the last it is the current one */
	KINDS
};

struct step {
	enum kind kind;
	int rank;
	int key;
};

struct script {
	const char *name;
	unsigned kinds; /* of steps, a bit each */
	int steps;
	int steps_long;
};

static const struct script *script;
static struct rdx_index_live live;
static struct rdx_line lines[2][2];
static struct rdx_set sets[2][SETS];
static _Atomic uint64_t epoch[2];

/* Keys that the rank holds, a bit each, after so many of its events */
static uint8_t truth[RANKS][STEPS_MAX + 2];
static uint64_t events[RANKS]; /* begun */

/* The writer's */
static struct {
	struct rdx_table table[2];
	uint64_t columns[2][SETS]; /* of each set */
	uint32_t cells[2][SETS];   /* that name it */
	uint64_t clean, used, dirty;
	uint32_t column[RANKS];
	uint32_t copied; /* keys */
	int current;
} mine;

static struct rdx_table table_view(int which)
{
	return (struct rdx_table){.line = lines[which],
				  .set = sets[which],
				  .epoch = &epoch[which],
				  .lines = 1,
				  .sets = SETS,
				  .secret = {1, 1}};
}

static uint64_t name_of(int key)
{
	return (uint64_t)key + 1;
}

/* Of exactly these columns: one that is there, or the first that no cell names. */
static uint32_t take_set(int which, uint64_t columns)
{
	uint64_t words[RDX_COLUMN_WORDS] = {columns};
	uint32_t *cells = mine.cells[which], set = 1;

	while (cells[set] && mine.columns[which][set] != columns)
		set++;
	if (!cells[set]++)
		rdx_set_fill(&sets[which][set], words);
	mine.columns[which][set] = columns;
	return set;
}

/* The key is held by exactly these columns from now on. */
static void hold_by(int which, int key, uint64_t columns)
{
	struct rdx_table *table = &mine.table[which];
	struct rdx_place place = rdx_table_find(table, name_of(key));
	uint32_t before = place.line ? rdx_table_set(place) : 0;

	if (!columns && before)
		rdx_table_erase(table, place);
	else if (columns && before)
		rdx_table_change(table, place, take_set(which, columns));
	else if (columns)
		rdx_table_insert(table, name_of(key),
				 (struct rdx_place){
					 lines[which],
					 (uint32_t)__builtin_ctz(rdx_cell_match(lines[which], 0))},
				 take_set(which, columns));
	mine.cells[which][before] -= before != 0;
}

/* The used columns that hold the key. */
static uint64_t holders(int which, int key)
{
	struct rdx_place place = rdx_table_find(&mine.table[which], name_of(key));

	return place.line ? mine.columns[which][rdx_table_set(place)] & mine.used : 0;
}

static void turn(int rank, int key)
{
	uint64_t columns = holders(mine.current, key) ^ UINT64_C(1) << mine.column[rank];

	hold_by(mine.current, key, columns);
	if ((int)mine.copied > key)
		hold_by(!mine.current, key, columns);
}

static void publish_columns(int rank)
{
	struct rdx_columns columns = {.visible = 1};

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		columns.column[tier] = RDX_COLUMN_NONE;
	columns.column[0] = (uint16_t)mine.column[rank];
	rdx_word_store(&live.columns[rank], rdx_column_pack(&columns));
}

static void clear(int rank)
{
	uint64_t old = UINT64_C(1) << mine.column[rank];

	mine.column[rank] = (uint32_t)__builtin_ctzll(mine.clean);
	mine.clean &= mine.clean - 1;
	mine.used |= UINT64_C(1) << mine.column[rank];
	rdx_version_open(&live);
	publish_columns(rank);
	rdx_version_close(&live);
	mine.used &= ~old;
	mine.dirty |= old;
}

static void sweep(void)
{
	uint64_t columns[RDX_COLUMN_WORDS] = {mine.dirty};

	for (int which = 0; which < 2; which++) {
		for (uint32_t set = 1; set < SETS; set++) {
			if (!mine.cells[which][set])
				continue;
			rdx_set_strip(&sets[which][set], columns);
			mine.columns[which][set] &= ~mine.dirty;
		}
	}
	mine.clean |= mine.dirty;
	mine.dirty = 0;
}

static void copy(void)
{
	int key = (int)mine.copied++;

	hold_by(!mine.current, key, holders(mine.current, key));
	if (mine.copied < KEYS)
		return;
	mine.current = 1;
	mine.copied = 0;
	rdx_generation_name(&live, GENERATION + 1);
}

/* The truth after the rank's next event, if the step is one. */
static void plan(struct step step)
{
	uint8_t *now = truth[step.rank] + events[step.rank];

	if (step.kind == TURN)
		now[1] = now[0] ^ (uint8_t)(1 << step.key);
	else if (step.kind == CLEAR)
		now[1] = 0;
	events[step.rank] += step.kind == TURN || step.kind == CLEAR;
}

/* 0: there can be no such step. */
static int take_step(struct step step)
{
	if ((step.kind == CLEAR && !mine.clean) || (step.kind == SWEEP && !mine.dirty) ||
	    (step.kind == COPY && mine.current))
		return 0;
	if (step.kind == TURN)
		turn(step.rank, step.key);
	else if (step.kind == CLEAR)
		clear(step.rank);
	else if (step.kind == SWEEP)
		sweep();
	else
		copy();
	if (step.kind == TURN || step.kind == CLEAR)
		rdx_pulse_publish(&live, (uint32_t)step.rank,
				  rdx_word_load(&live.event_id[step.rank]) + 1, 0, 0);
	return 1;
}

/* On zeroed memory. Both ranks hold key 0. */
static void index_begin(void)
{
	mine.table[0] = table_view(0);
	mine.table[1] = table_view(1);
	mine.clean = 1 << 2;
	mine.used = 3;
	rdx_word_store(&live.generation, GENERATION);
	for (int rank = 0; rank < RANKS; rank++) {
		mine.column[rank] = (uint32_t)rank;
		publish_columns(rank);
		truth[rank][0] = 1;
	}
	hold_by(0, 0, mine.used);
}

/* ---- The reader */

static void judge(int rank, int key, int held, uint64_t from)
{
	for (uint64_t n = from; n <= events[rank]; n++)
		if (held == (truth[rank][n] >> key & 1))
			return;
	MODEL_PROMISE(0 && "held after an event of the rank, from the one named on");
}

static void look_for(int key)
{
	uint64_t version = rdx_version_load(&live), columns[RANKS], ids[RANKS], found[1] = {0};
	struct rdx_columns unpacked;
	struct rdx_table table;
	uint64_t first;
	int r;

	if (version & 1)
		return;
	rdx_words_load(columns, live.columns, RANKS);
	rdx_pulse_copy(&live, RANKS, ids);
	table = table_view((int)(rdx_generation_current(&live) - GENERATION));
	first = rdx_table_epoch(&table);
	r = rdx_table_look(&table, rdx_table_line(&table, name_of(key)), name_of(key), 1, found);
	if (r < 0 || !rdx_table_timely(&table, first) || !rdx_version_same(&live, version))
		return;
	for (int rank = 0; rank < RANKS; rank++) {
		rdx_column_unpack(columns[rank], &unpacked);
		judge(rank, key, r && rdx_column_in(found, unpacked.column[0]), ids[rank]);
	}
}

#endif
