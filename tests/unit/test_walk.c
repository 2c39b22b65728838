/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a walk over what a rank holds, in a table whose keys move towards their home lines
 * while it is read: each key is found once, and one that a dead writer left in two slots, too.
 */
#include "tests/index_rig.h"

#include "consumer/writer/writer_state.h"

#include <stdlib.h>

struct fixture {
	struct rig rig;
	struct rdx_index_writer *writer;
	struct rdx_index *index;
	int others;      /* the rank that is walked holds the keys, another one the fillers */
	uint64_t key[2]; /* the second one's home line is full */
	uint64_t filler[RDX_LINE_SLOTS];
};

static struct fixture f;

static int show(uint64_t worker_id, const uint64_t *keys, uint32_t count)
{
	struct rdx_rank_info info = rig_info(worker_id, 0, 1);
	int slot = rdx_writer_rank_add(f.writer, &info);

	assert_int_equal(rig_begin(f.writer, slot), 0);
	assert_int_equal(rig_blocks(f.writer, slot, 0, keys, count), 0);
	rdx_writer_rank_show(f.writer, slot, 0, 0);
	rig_pulse(f.writer, slot, RDX_STATE_EXACT, 1, 1);
	return slot;
}

static struct rdx_table *table(void)
{
	return &rdx_writer_table(f.writer)->table;
}

static uint64_t key_of_line(uint64_t line, uint64_t *random)
{
	uint64_t key;

	do
		key = rig_random(random) | 1;
	while (rdx_table_home(table(), key) != line);
	return key;
}

/* The last line of a piece is full, so that the key's slot is in the next piece. */
static int make(void **state)
{
	struct rdx_writer_options options = {.stale_after_ns = RIG_NEVER_STALE_NS};
	uint64_t random = 3;

	(void)state;
	memset(&f, 0, sizeof(f));
	rig_make(&f.rig);
	assert_int_equal(rig_writer(&f.rig, &options, &f.writer), 0);
	for (uint32_t i = 0; i < RDX_LINE_SLOTS; i++)
		f.filler[i] = key_of_line(63, &random);
	f.key[0] = key_of_line(5, &random);
	f.key[1] = key_of_line(63, &random);
	f.others = show(2, f.filler, RDX_LINE_SLOTS);
	(void)show(1, f.key, 2);
	assert_ptr_equal(rdx_table_find(table(), f.key[1]).line, table()->line + 64);
	rdx_writer_heartbeat(f.writer, rdx_clock_ns());
	assert_int_equal(rdx_writer_ready(f.writer), 0);
	assert_int_equal(rig_index(&f.rig, &f.index), 0);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	rdx_index_close(f.index);
	rdx_writer_close(f.writer);
	rig_remove(&f.rig);
	return 0;
}

/* A slot of the full line becomes free: the key is pulled into it. */
static void pull(void)
{
	struct rdx_event removed = {
		.event_id = 2, .kind = RDX_EVENT_REMOVED, .count = 1, .hashes = &f.filler[0]};

	assert_int_equal(rig_event(f.writer, f.others, &removed, NULL), 0);
	assert_ptr_equal(rdx_table_find(table(), f.key[1]).line, table()->line + 63);
}

struct visits {
	uint32_t of[2]; /* each key */
	int pulls;      /* at the first of them */
};

static void count(void *context, uint64_t prefix, uint8_t tiers)
{
	struct visits *visits = context;

	assert_true(prefix == f.key[0] || prefix == f.key[1]);
	assert_int_equal(tiers, 1);
	if (visits->pulls && !visits->of[0] && !visits->of[1])
		pull();
	visits->of[prefix == f.key[1]]++;
}

static void walk(int pulls)
{
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	struct visits visits = {.pulls = pulls};

	assert_int_equal(rdx_index_each(f.index, 1, 0, count, &visits, &mark), 0);
	assert_int_equal(visits.of[0], 1);
	assert_int_equal(visits.of[1], 1);
}

static void test_displaced(void **state)
{
	(void)state;
	walk(0);
}

/* A key that was found before its slot is read is not lost with it, nor found again. */
static void test_pulled_between_pieces(void **state)
{
	(void)state;
	walk(1);
	walk(0);
}

/* As a writer leaves it that dies within a move, or after it stored the key alone. */
static void test_two_copies(void **state)
{
	struct rdx_place from, to;

	(void)state;
	from = rdx_table_find(table(), f.key[1]);
	to = rdx_table_find(table(), f.filler[0]);
	rdx_table_vacate(table(), to);
	atomic_store(&to.line->key[to.slot], f.key[1]);
	walk(0);
	rdx_cell_put(to.line, to.slot, f.key[1], rdx_table_set(from));
	walk(0);
	rdx_cell_clear(from.line, from.slot);
	walk(0);
}

#ifdef RDX_HOOKS
static uint32_t keys_left; /* before the one at which a slot becomes free */

static void pull_at_key(enum rdx_hook_step step)
{
	if (step != RDX_HOOK_WALK_KEY || keys_left--)
		return;
	rdx_hook_function = NULL;
	pull();
}

static void test_pulled_behind_the_walk(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RDX_LINE_SLOTS + 2; i++) {
		keys_left = i;
		rdx_hook_function = pull_at_key;
		walk(0);
		assert_null(rdx_hook_function);
		unmake(NULL);
		make(NULL);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_displaced, make, unmake),
		cmocka_unit_test_setup_teardown(test_two_copies, make, unmake),
		cmocka_unit_test_setup_teardown(test_pulled_between_pieces, make, unmake),
#ifdef RDX_HOOKS
		cmocka_unit_test_setup_teardown(test_pulled_behind_the_walk, make, unmake),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
