/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: for how many blocks a table is made: what ranks share, what recoveries bring, and when
 * one that nobody fills is replaced by a smaller one.
 */
#include "tests/index_rig.h"

#include "consumer/writer/writer_state.h"

#define SECOND UINT64_C(1000000000)
#define WIDE   200000 /* blocks that a recovery brings, as it seems */
#define HELD   20000

static void test_steps_and_the_last(void **state)
{
	/* each key is held 5 times */
	struct rdx_room room = {.living = 10000, .held = 50000, .declared = 250000};

	(void)state;
	assert_int_equal(rdx_room_next(&room), 50000);
	room.declared = 10000000; /* a 200th is no sign of how the others are shared */
	assert_int_equal(rdx_room_next(&room), 40000);
	room.living = 10500;
	room.held = room.living;
	room.declared = 45000; /* nothing is shared */
	assert_int_equal(rdx_room_next(&room), 45000);
	room.declared = 1000;
	assert_int_equal(rdx_room_next(&room), 10500); /* at least what there is */
	room.least = 11000;
	assert_int_equal(rdx_room_next(&room), 11000);
}

static void test_what_recoveries_bring(void **state)
{
	struct rdx_room room = {.coming = 2280000, .declared = 3000000};

	(void)state;
	assert_int_equal(rdx_room_next(&room), 2280000);
	room.coming = UINT64_C(1) << 40; /* it may lie */
	assert_int_equal(rdx_room_next(&room), 1 << 24);
	room = (struct rdx_room){.living = 1000, .held = 4000, .coming = 4000, .declared = 8000};
	assert_int_equal(rdx_room_recovered(&room), 2000);
	room.living = 9000; /* of a rank that is hidden now, not swept: not to come again */
	assert_int_equal(rdx_room_recovered(&room), 8000);
}

struct fixture {
	struct rig rig;
	struct rdx_index_writer *writer;
	int seat;
	uint64_t now, stored;
};

static void store(struct fixture *f, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t prefix = (++f->stored * UINT64_C(0x9e3779b97f4a7c15)) | 1;

		assert_int_equal(rdx_writer_apply_blocks(f->writer, f->seat, 0, &prefix, 1), 0);
	}
	rdx_writer_flush(f->writer);
	assert_int_equal(f->writer->refused, 0);
}

static void finish(struct fixture *f)
{
	while (rdx_writer_step(f->writer))
		;
}

/* Some steps, so late. */
static void pass(struct fixture *f, uint64_t seconds)
{
	for (; seconds; seconds--) {
		rdx_writer_heartbeat(f->writer, f->now += SECOND);
		(void)rdx_writer_step(f->writer);
	}
}

/* A table for a recovery that did not bring what it said. */
static void make(struct fixture *f)
{
	struct rdx_rank_info info = rig_info(1, 0, 1);

	memset(f, 0, sizeof(*f));
	info.tier_blocks[0] = WIDE;
	rig_make(&f->rig);
	assert_int_equal(rig_writer(&f->rig, NULL, &f->writer), 0);
	f->seat = rdx_writer_rank_add(f->writer, &info);
	assert_int_equal(rdx_writer_rank_begin(f->writer, f->seat, WIDE), -EAGAIN);
	finish(f);
	assert_int_equal(f->writer->generations, 1);
	assert_int_equal(rdx_writer_rank_begin(f->writer, f->seat, WIDE), 0);
	store(f, HELD);
	rdx_writer_rank_show(f->writer, f->seat, 0, 0);
	pass(f, 10); /* a period that began with nothing */
	assert_int_equal(f->writer->stage, RDX_GROW_IDLE);
}

static void destroy(struct fixture *f)
{
	rdx_writer_close(f->writer);
	rig_remove(&f->rig);
}

static uint64_t slots(const struct fixture *f)
{
	struct rdx_writer_stats stats;

	rdx_writer_stats(f->writer, &stats);
	return stats.slots;
}

/* Room for what is held, once it was no more for a period. */
static void test_a_narrower_one(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	pass(&f, 9);
	assert_int_equal(f.writer->stage, RDX_GROW_IDLE);
	pass(&f, 1);
	assert_int_equal(f.writer->stage, RDX_GROW_ALLOCATE);
	finish(&f);
	assert_int_equal(f.writer->generations, 2);
	assert_in_range(slots(&f), HELD * 10 / 6, HELD * 10 / 5);
	assert_int_equal(rdx_writer_living(rdx_writer_table(f.writer)), HELD);
	pass(&f, 60);
	assert_int_equal(f.writer->generations, 2);
	assert_int_equal(f.writer->stage, RDX_GROW_IDLE);
	destroy(&f);
}

/* The smallest table is made again for nothing. */
static void test_none_narrower_than_the_least(void **state)
{
	const struct rdx_writer_options options = {.initial_blocks = 1};
	struct rdx_rank_info info = rig_info(1, 0, 1);
	struct fixture f = {.stored = 0};

	(void)state;
	info.tier_blocks[0] = 100;
	rig_make(&f.rig);
	assert_int_equal(rig_writer(&f.rig, &options, &f.writer), 0);
	f.seat = rdx_writer_rank_add(f.writer, &info);
	assert_int_equal(rdx_writer_rank_begin(f.writer, f.seat, 0), 0);
	store(&f, 10);
	rdx_writer_rank_show(f.writer, f.seat, 0, 0);
	pass(&f, 60);
	assert_int_equal(f.writer->generations, 0);
	assert_int_equal(f.writer->stage, RDX_GROW_IDLE);
	destroy(&f);
}

static void test_none_while_it_fills(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	for (int period = 0; period < 4; period++) {
		pass(&f, 5);
		store(&f, (uint32_t)f.stored / 10);
		pass(&f, 5);
		assert_int_equal(f.writer->stage, RDX_GROW_IDLE);
	}
	destroy(&f);
}

static void test_none_before_a_recovery(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	rdx_writer_rank_expect(f.writer, f.seat, WIDE);
	pass(&f, 40);
	assert_int_equal(f.writer->stage, RDX_GROW_IDLE);
	rdx_writer_rank_hide(f.writer, f.seat); /* it will not begin */
	for (int periods = 0; periods < 3; periods++) {
		pass(&f, 20);
		finish(&f);
	}
	assert_true(slots(&f) < 10000);
	destroy(&f);
}

/* A flood begins while a narrow table is made: it is there before it is too small, too. */
static void test_a_flood_meanwhile(void **state)
{
	const struct rdx_writer_table *table;
	struct fixture f;

	(void)state;
	make(&f);
	pass(&f, 10);
	assert_int_equal(f.writer->stage, RDX_GROW_ALLOCATE);
	while (f.writer->generations == 1)
		store(&f, 10);
	table = rdx_writer_table(f.writer);
	assert_true(rdx_writer_living(table) <= table->grow_at);
	store(&f, WIDE - HELD);
	assert_int_equal(rdx_writer_living(rdx_writer_table(f.writer)), f.stored);
	destroy(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_and_the_last),
		cmocka_unit_test(test_what_recoveries_bring),
		cmocka_unit_test(test_a_narrower_one),
		cmocka_unit_test(test_none_narrower_than_the_least),
		cmocka_unit_test(test_none_while_it_fills),
		cmocka_unit_test(test_none_before_a_recovery),
		cmocka_unit_test(test_a_flood_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
