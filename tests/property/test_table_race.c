/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: one thread changes a table, another looks into it. Two keys that take turns in one
 * slot are never taken for each other, and neither a probe nor a walk misses a key that is only
 * moved. Both threads stop for a moment between the steps of a change, or of a look, so that they
 * meet there.
 */
#include "tests/patience.h"
#include "tests/table_rig.h"

#include <pthread.h>

#define HOMES      8
#define SETS       4
#define KEYS       (HOMES * RDX_LINE_SLOTS - 2) /* so many keys that most lines are passed */
#define LOOKS      20000
#define LOOKS_MOST 10000000
#define SECONDS    2
#define MET        50 /* looks that a change came into */
#define PAUSE_MAX  64 /* turns of a loop */

struct race {
	struct rdx_table table;
	uint64_t key[KEYS];
	/* odd while the key comes or goes; of every four, 0: it is not there, 2: it is */
	_Atomic uint64_t state[KEYS];
	uint64_t random;
	uint64_t met;
	uint64_t wrong;
	_Atomic uint32_t stop;
};

static struct race race;

#ifdef RDX_HOOKS
static _Thread_local uint64_t pauses; /* 0: this thread makes none */

static void pause_here(enum rdx_hook_step step)
{
	(void)step;
	if (!pauses || rig_random(&pauses) % 2)
		return;
	if (rig_random(&pauses) % 256 == 0)
		sched_yield();
	for (uint64_t n = rig_random(&pauses) % PAUSE_MAX; n; n--)
		__asm__ volatile("");
}
#endif

/* This thread does, from now on. */
static void pause_between_steps(uint64_t seed)
{
#ifdef RDX_HOOKS
	pauses = seed | 1;
#else
	(void)seed;
#endif
}

/* Without pauses a change may come into few looks. */
static int met_enough(const struct race *x)
{
#ifdef RDX_HOOKS
	return x->met >= MET;
#else
	(void)x;
	return 1;
#endif
}

static struct rdx_place free_place(const struct rdx_table *table, uint64_t key)
{
	struct rdx_line *line = rdx_table_line(table, key);
	uint32_t match = rdx_cell_match(line, 0);

	while (!match)
		match = rdx_cell_match(++line, 0);
	return (struct rdx_place){line, (uint32_t)__builtin_ctz(match)};
}

/* The key comes, or goes. */
static void turn(struct race *x, uint32_t key, uint32_t set)
{
	uint64_t state = atomic_load_explicit(&x->state[key], memory_order_relaxed);

	atomic_store_explicit(&x->state[key], state + 1, memory_order_relaxed);
	rdx_fence_release();
	if (state % 4)
		rdx_table_erase(&x->table, rdx_table_find(&x->table, x->key[key]));
	else
		rdx_table_insert(&x->table, x->key[key], free_place(&x->table, x->key[key]), set);
	atomic_store_explicit(&x->state[key], state + 2, memory_order_release);
}

static void fill(struct rdx_table *table)
{
	uint64_t columns[RDX_COLUMN_WORDS] = {0};

	for (uint32_t set = 1; set < SETS; set++) {
		columns[0] = set;
		rdx_set_fill(&table->set[set], columns);
	}
}

static void race_begin(struct race *x)
{
	*x = (struct race){.table = table_make(HOMES, SETS), .random = rig_seed()};
	fill(&x->table);
	for (uint32_t key = 0; key < KEYS; key++)
		x->key[key] = table_key(&x->table, key % (HOMES / 2), &x->random);
}

static void race_run(struct race *x, void *(*change)(void *), void (*look)(struct race *))
{
	pthread_t writer;

#ifdef RDX_HOOKS
	rdx_hook_function = pause_here;
#endif
	pause_between_steps(x->random);
	assert_int_equal(pthread_create(&writer, NULL, change, x), 0);
	look(x);
	atomic_store(&x->stop, 1);
	assert_int_equal(pthread_join(writer, NULL), 0);
	assert_int_equal(x->wrong, 0);
	assert_true(met_enough(x));
	table_check(&x->table);
	table_free(&x->table);
}

static int goes_on(const struct race *x, struct effort *effort)
{
	return !x->wrong && effort_goes_on_until(effort, met_enough(x));
}

static int look(const struct race *x, uint32_t key, uint64_t *ret_columns)
{
	return rdx_table_look(&x->table, rdx_table_line(&x->table, x->key[key]), x->key[key], 1,
			      ret_columns);
}

/* ---- Two keys in one slot; set 1 is key 0's, set 2 key 1's. */

static void *take_turns(void *context)
{
	struct race *x = context;

	pause_between_steps(x->random + 1);
	for (uint32_t key = 0; !atomic_load(&x->stop); key = !key) {
		turn(x, key, 1 + key);
		turn(x, key, 1 + key);
	}
	return NULL;
}

static void look_for_either(struct race *x)
{
	struct effort effort = effort_begin(LOOKS, LOOKS_MOST, SECONDS);
	uint64_t columns;

	while (goes_on(x, &effort)) {
		uint32_t key = effort.done % 2;
		int r = look(x, key, &columns);

		x->met += r == -EAGAIN;
		x->wrong += r == 1 && columns != 1 + key;
	}
}

static void test_two_keys_take_turns(void **state)
{
	(void)state;
	race_begin(&race);
	race.key[1] =
		table_key(&race.table, rdx_table_home(&race.table, race.key[0]), &race.random);
	race_run(&race, take_turns, look_for_either);
}

/* ---- Keys that are pulled. */

static void *come_and_go(void *context)
{
	struct race *x = context;
	uint64_t random = x->random;

	pause_between_steps(x->random + 1);
	while (!atomic_load(&x->stop))
		turn(x, (uint32_t)(rig_random(&random) % KEYS), 3);
	return NULL;
}

static uint64_t state_of(struct race *x, uint32_t key)
{
	return atomic_load_explicit(&x->state[key], memory_order_acquire);
}

/* Was the key there, or absent, all the time? 1, 0; -1: it came or went meanwhile. */
static int was_there(struct race *x, uint32_t key, uint64_t state)
{
	rdx_fence_acquire();
	if (state % 2 || atomic_load_explicit(&x->state[key], memory_order_relaxed) != state)
		return -1;
	return state % 4 != 0;
}

static void look_for_all(struct race *x)
{
	struct effort effort = effort_begin(LOOKS, LOOKS_MOST, SECONDS);
	uint64_t columns;

	while (goes_on(x, &effort)) {
		uint32_t key = (uint32_t)(effort.done % KEYS);
		uint64_t state = state_of(x, key);
		int r = look(x, key, &columns);
		int there = was_there(x, key, state);

		x->met += r == -EAGAIN;
		x->wrong += r >= 0 && there >= 0 && r != there;
	}
}

static void test_a_probe_beside_pulls(void **state)
{
	(void)state;
	race_begin(&race);
	race_run(&race, come_and_go, look_for_all);
}

/* Note the keys of a line whose home is `home`. */
static void walk_line(const struct race *x, const struct rdx_line *line, uint64_t home,
		      uint8_t *found)
{
	for (uint32_t key = 0; key < KEYS; key++) {
		uint32_t match;

		if (rdx_table_home(&x->table, x->key[key]) != home)
			continue;
		match = rdx_cell_match(line, x->key[key]);
		RDX_HOOK(RDX_HOOK_PROBE_SLOT);
		found[key] |= match && rdx_cell_set(line, (uint32_t)__builtin_ctz(match));
	}
}

/* The keys whose home is one line; 0: again. */
static int walk_home(const struct race *x, uint64_t home, uint8_t *found)
{
	const struct rdx_line *line = &x->table.line[home];
	uint32_t count = 0, sum = 0, word;

	do {
		word = rdx_cell_word(line + count);
		sum += rdx_cell_version(word);
		walk_line(x, line + count++, home, found);
	} while (word & RDX_LINE_PASSED);
	rdx_cell_settle();
	return rdx_table_versions(line, count) == sum;
}

static void walk_all(struct race *x)
{
	struct effort effort = effort_begin(LOOKS, LOOKS_MOST, SECONDS);

	while (goes_on(x, &effort)) {
		uint64_t state[KEYS], home = effort.done % (HOMES / 2);
		uint8_t found[KEYS] = {0};
		int same;

		for (uint32_t key = 0; key < KEYS; key++)
			state[key] = state_of(x, key);
		same = walk_home(x, home, found);
		x->met += !same;
		for (uint32_t key = 0; same && key < KEYS; key++) {
			int there = was_there(x, key, state[key]);

			if (rdx_table_home(&x->table, x->key[key]) == home)
				x->wrong += there >= 0 && found[key] != there;
		}
	}
}

static void test_a_walk_beside_pulls(void **state)
{
	(void)state;
	race_begin(&race);
	race_run(&race, come_and_go, walk_all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_keys_take_turns),
		cmocka_unit_test(test_a_probe_beside_pulls),
		cmocka_unit_test(test_a_walk_beside_pulls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
