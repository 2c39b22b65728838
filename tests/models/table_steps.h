/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer's script of steps on a small table, by the functions of shm/table.h, and readers that
 * hold what they get against the truth. Three keys or four; all slots of a line but some are taken
 * for good.
 */
#ifndef RDX_TESTS_MODELS_TABLE_STEPS_H
#define RDX_TESTS_MODELS_TABLE_STEPS_H

#include "tests/models/model.h"

#include "shm/index_layout.h"

/* Few bits of version, where a script says so. */
#undef RDX_LINE_VERSION
#define RDX_LINE_VERSION (UINT32_C(1) << version_shift)
static uint32_t version_shift;

#include "shm/table.h"

#define KEYS_MAX  4
#define STEPS_MAX 10
#define HOMES     4
#define LINES     (HOMES + 4)
#define SETS      (KEYS_MAX + 2)
#define FOR_GOOD  100 /* keys from here on stay; their home is their line */

/* A step, of key `key`. */
enum kind {
	TURN,    /* it comes, or goes */
	CHANGE,  /* another set, of its own */
	SHARE,   /* the set of key `other` */
	REPLACE, /* it goes, and its slot is taken for key `other` at once */
	KINDS
};

struct step {
	enum kind kind;
	int key;
	int other;
};

struct script {
	const char *name;
	int keys;
	int there; /* the first so many are there before */
	int slots; /* of a line, for these keys */
	int home[KEYS_MAX];
	unsigned kinds; /* of steps, a bit each */
	int steps;
	int steps_long;
	int version_bits; /* 0: as many as there are */
};

static const struct script *script;
static struct rdx_line lines[LINES];
static struct rdx_set sets[SETS];
static _Atomic uint64_t epoch, pulse;

/* The id of each key's set after so many steps, 0: it is absent */
static uint64_t truth[STEPS_MAX + 1][KEYS_MAX];
static int begun; /* steps; in GenMC all */

/* The writer's */
static struct {
	struct rdx_table table;
	uint64_t ids;
	uint64_t id[SETS];
	uint32_t cells[SETS]; /* that name the set */
} mine;

static struct rdx_table table_view(void)
{
	return (struct rdx_table){.line = lines,
				  .set = sets,
				  .epoch = &epoch,
				  .lines = HOMES,
				  .sets = SETS,
				  .secret = {1, 1}};
}

static uint64_t name_of(int key)
{
	return (uint64_t)script->home[key] << 62 | (uint64_t)(1 + key);
}

/* The key of a name, -1: none of the script's. */
static int key_of(uint64_t name)
{
	int key = (int)(name & 0xff) - 1;

	return key >= 0 && key < script->keys ? key : -1;
}

static struct rdx_place free_place(int key)
{
	struct rdx_line *line = rdx_table_line(&mine.table, name_of(key));
	uint32_t match = rdx_cell_match(line, 0);

	while (!match)
		match = rdx_cell_match(++line, 0);
	return (struct rdx_place){line, (uint32_t)__builtin_ctz(match)};
}

static struct rdx_place place_of(int key)
{
	return rdx_table_find(&mine.table, name_of(key));
}

/* A set with this id in two of its words: one that has it, or the first that no cell names. */
static uint32_t take_set(uint64_t id)
{
	uint64_t columns[RDX_COLUMN_WORDS] = {id, id};
	uint32_t set = 1;

	while (mine.cells[set] && mine.id[set] != id)
		set++;
	if (!mine.cells[set]++)
		rdx_set_fill(&sets[set], columns);
	mine.id[set] = id;
	return set;
}

static void let_set_go(uint32_t set)
{
	mine.cells[set]--;
}

/* With few versions each change of a slot is an epoch; elsewhere none is. */
static void hurry(void)
{
	if (script->version_bits)
		mine.table.changes |= RDX_EPOCH_CHANGES - 1;
}

static void put(int key, struct rdx_place place, uint64_t id)
{
	uint32_t set = take_set(id);

	hurry();
	rdx_table_insert(&mine.table, name_of(key), place, set);
}

static void go(int key)
{
	struct rdx_place place = place_of(key);
	uint32_t set = rdx_table_set(place);

	hurry();
	rdx_table_erase(&mine.table, place);
	let_set_go(set);
}

static void change(int key, uint64_t id)
{
	struct rdx_place place = place_of(key);
	uint32_t before = rdx_table_set(place), set = take_set(id);

	hurry();
	rdx_table_change(&mine.table, place, set);
	let_set_go(before);
}

static void replace(int key, int by, uint64_t id)
{
	struct rdx_place place = place_of(key);
	uint32_t set = rdx_table_set(place);

	hurry();
	rdx_table_vacate(&mine.table, place);
	let_set_go(set);
	put(by, place, id);
}

/* Is a key's slot one that another may have: not before its home, no free one before it? */
static int may_replace(int key, int by)
{
	struct rdx_place place = place_of(key);

	return place.line >= rdx_table_line(&mine.table, name_of(by)) &&
	       place.line <= free_place(by).line;
}

/* The truth after a step. 0: there can be no such step. */
static int plan(int n, struct step step)
{
	uint64_t *now = truth[n + 1];

	for (int key = 0; key < KEYS_MAX; key++)
		now[key] = truth[n][key];
	if (step.kind == TURN) {
		now[step.key] = now[step.key] ? 0 : ++mine.ids;
		return 1;
	}
	if (!now[step.key])
		return 0;
	if (step.kind == CHANGE) {
		now[step.key] = ++mine.ids;
		return 1;
	}
	if (step.key == step.other)
		return 0;
	if (step.kind == SHARE) {
		if (!now[step.other] || now[step.other] == now[step.key])
			return 0;
		now[step.key] = now[step.other];
		return 1;
	}
	if (now[step.other])
		return 0;
	now[step.key] = 0;
	now[step.other] = ++mine.ids;
	return 1;
}

static void take_step(int n, struct step step)
{
	const uint64_t *now = truth[n + 1];

	if (step.kind == REPLACE)
		replace(step.key, step.other, now[step.other]);
	else if (step.kind != TURN)
		change(step.key, now[step.key]);
	else if (now[step.key])
		put(step.key, free_place(step.key), now[step.key]);
	else
		go(step.key);
	atomic_store_explicit(&pulse, (uint64_t)n + 1, memory_order_release);
}

/* On zeroed memory. */
static void table_begin(void)
{
	version_shift = script->version_bits ? 32 - (uint32_t)script->version_bits : 12;
	mine.table = table_view();
	for (uint32_t l = 0; l < HOMES; l++)
		for (uint32_t slot = (uint32_t)script->slots; slot < RDX_LINE_SLOTS; slot++)
			rdx_table_insert(&mine.table, (uint64_t)l << 62 | (FOR_GOOD + slot),
					 (struct rdx_place){&lines[l], slot}, SETS);
	for (int key = 0; key < script->there; key++) {
		truth[0][key] = ++mine.ids;
		put(key, free_place(key), truth[0][key]);
	}
}

/* ---- Readers. `from`: the step whose pulse they saw before they began. */

static int was(int key, uint64_t id, uint64_t from)
{
	for (uint64_t n = from; n <= (uint64_t)begun; n++)
		if (truth[n][key] == id)
			return 1;
	return 0;
}

/* What was found of a key, against what was true of it meanwhile. */
static void judge(int found, int key, const uint64_t *columns, uint64_t from)
{
	if (!found) {
		MODEL_PROMISE(was(key, 0, from) && "absent");
		return;
	}
	MODEL_PROMISE(was(key, columns[0], from) && "held by those");
	MODEL_PROMISE(was(key, columns[1], from) && "held by those, of a later word");
}

static uint64_t pulse_seen(void)
{
	return atomic_load_explicit(&pulse, memory_order_acquire);
}

static void look_for(int key)
{
	struct rdx_table table = table_view();
	uint64_t from = pulse_seen(), first = rdx_table_epoch(&table), columns[2];
	int r = rdx_table_look(&table, rdx_table_line(&table, name_of(key)), name_of(key), 2,
			       columns);

	if (r >= 0 && rdx_table_timely(&table, first))
		judge(r, key, columns, from);
}

/* Two blocks of a prompt, key 1 there only while key 0 is: the run found is that of some step. */
static void look_for_run(int first)
{
	struct rdx_table table = table_view();
	uint64_t from = pulse_seen(), columns[2];
	int r[2], found;

	r[first] = rdx_table_look(&table, rdx_table_line(&table, name_of(first)), name_of(first), 1,
				  columns);
	r[!first] = rdx_table_look(&table, rdx_table_line(&table, name_of(!first)), name_of(!first),
				   1, columns);
	if (r[0] < 0 || r[1] < 0)
		return;
	found = r[0] ? 1 + r[1] : 0;
	for (uint64_t n = from; n <= (uint64_t)begun; n++)
		if (found == (truth[n][0] ? 1 + (truth[n][1] != 0) : 0))
			return;
	MODEL_PROMISE(0 && "the run of some step");
}

/* One line of a walk: what it has of the script's keys whose home is in [from, to). */
static void walk_line(const struct rdx_table *table, const struct rdx_line *line, uint64_t from,
		      uint64_t to, uint64_t (*columns)[2])
{
	for (uint32_t slot = 0; slot < RDX_LINE_SLOTS; slot++) {
		uint64_t name = rdx_word_load(&line->key[slot]);
		uint64_t home = rdx_table_home(table, name);
		int key = key_of(name);
		uint32_t set;

		if (key < 0 || home < from || home >= to)
			continue;
		set = rdx_cell_set(line, slot);
		if (set)
			rdx_set_read(&table->set[set], 2, columns[key]);
	}
}

/* Over the table by home, as whoever goes over it does. */
static void walk(void)
{
	struct rdx_table table = table_view();
	uint64_t from = pulse_seen(), columns[KEYS_MAX][2] = {{0}};

	for (uint64_t home = 0; home < HOMES; home++) {
		uint64_t end = home;
		uint32_t word, sum = 0;

		do {
			word = rdx_cell_word(&lines[end]);
			sum += rdx_cell_version(word);
			walk_line(&table, &lines[end++], home, home + 1, columns);
		} while (word & RDX_LINE_PASSED);
		rdx_cell_settle();
		if (rdx_table_versions(&lines[home], (uint32_t)(end - home)) != sum)
			return; /* this piece again */
	}
	for (int key = 0; key < script->keys; key++)
		judge(columns[key][0] != 0, key, columns[key], from);
}

#endif
