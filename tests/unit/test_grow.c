/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a table is copied into the next one while keys come and go at the end of what is
 * copied, and others are pulled back across it: none is lost, none comes back.
 */
#include "tests/index_rig.h"
#include "tests/table_rig.h"

#include "consumer/writer/writer_state.h"

#define BLOCKS 20000 /* the table is made for */
#define KEYS   26000 /* more than fill 70 % of it */

struct fixture {
	struct rig rig;
	struct rdx_index_writer *writer;
	int seat;
	uint64_t key[KEYS];
	uint8_t held[KEYS];
	uint64_t removed[2 * RDX_LINE_SLOTS]; /* last time */
	uint32_t removed_count;
};

static void change(struct fixture *f, uint8_t kind, uint64_t *keys, uint32_t count)
{
	struct rdx_event event = {.kind = kind, .hashes = keys, .count = count};

	assert_int_equal(rig_event(f->writer, f->seat, &event, keys), 0);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = 0;

		while (f->key[at] != keys[i])
			at++;
		f->held[at] = kind == RDX_EVENT_STORED;
	}
}

/* Store what was removed last time, and remove all keys of two lines. */
static void change_around(struct fixture *f, uint64_t line)
{
	const struct rdx_table *table = &rdx_writer_table(f->writer)->table;
	uint64_t keys[2 * RDX_LINE_SLOTS];
	uint32_t count = 0;

	for (uint64_t at = line - 2; at < line; at++) {
		for (uint32_t slot = 0; slot < RDX_LINE_SLOTS; slot++) {
			keys[count] = rdx_word_load(&table->line[at].key[slot]);
			count += keys[count] != 0;
		}
	}
	change(f, RDX_EVENT_STORED, f->removed, f->removed_count);
	change(f, RDX_EVENT_REMOVED, keys, count);
	memcpy(f->removed, keys, sizeof(keys));
	f->removed_count = count;
}

static void fill(struct fixture *f)
{
	uint64_t random = 31;

	for (uint32_t i = 0; i < KEYS; i++)
		f->key[i] = rig_random(&random) | 1;
	for (uint32_t i = 0; i < KEYS && f->writer->stage == RDX_GROW_IDLE; i += 10) {
		assert_int_equal(rig_blocks(f->writer, f->seat, 0, f->key + i, 10), 0);
		memset(f->held + i, 1, 10);
	}
	assert_int_equal(f->writer->stage, RDX_GROW_ALLOCATE);
}

static void test_changes_beside_the_copy(void **state)
{
	struct rdx_writer_options options = {.initial_blocks = BLOCKS};
	static struct fixture f;
	struct rdx_rank_info info = rig_info(1, 0, 1);
	const struct rdx_table *table;
	uint64_t keys = 0, pieces = 0;

	(void)state;
	rig_make(&f.rig);
	assert_int_equal(rig_writer(&f.rig, &options, &f.writer), 0);
	f.seat = rdx_writer_rank_add(f.writer, &info);
	assert_int_equal(rig_begin(f.writer, f.seat), 0);
	rdx_writer_rank_show(f.writer, f.seat, 0, 0);
	fill(&f);
	while (f.writer->stage != RDX_GROW_IDLE) {
		rdx_writer_step(f.writer);
		if (f.writer->stage != RDX_GROW_COPY || !f.writer->grow_at)
			continue;
		change_around(&f, f.writer->grow_at);
		pieces++;
	}
	assert_true(pieces > 10);
	table = &rdx_writer_table(f.writer)->table;
	assert_int_equal(f.writer->generations, 1);
	for (uint32_t i = 0; i < KEYS; i++) {
		assert_int_equal(rdx_table_find(table, f.key[i]).line != NULL, f.held[i]);
		keys += f.held[i];
	}
	assert_int_equal(table_check(table), keys);
	rdx_writer_close(f.writer);
	rig_remove(&f.rig);
}

/* Another rank will bring a million blocks. */
static void expect_many(struct rdx_index_writer *w)
{
	struct rdx_rank_info info = rig_info(2, 0, 1);

	info.tier_blocks[0] = 1000000;
	rdx_writer_rank_expect(w, rdx_writer_rank_add(w, &info), 1000000);
}

/* A rank that fits does not wait for the first piece of a table for what others bring. The index gets
 * its name while the next table has its own already, which stays. */
static void test_ready_while_growing(void **state)
{
	struct rdx_rank_info info = rig_info(1, 0, 1);
	struct rdx_index_writer *w;
	struct rdx_index *x;
	struct rig rig;
	int seat;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, NULL, &w), 0);
	expect_many(w);
	seat = rdx_writer_rank_add(w, &info);
	assert_int_equal(rdx_writer_rank_begin(w, seat, 1000), 0);
	assert_int_equal(w->stage, RDX_GROW_IDLE);
	rdx_writer_rank_show(w, seat, 0, 0);
	while (w->stage != RDX_GROW_COPY)
		assert_true(rdx_writer_step(w));
	assert_int_equal(rdx_writer_ready(w), 0);
	while (rdx_writer_step(w))
		;
	assert_int_equal(w->generations, 1);
	assert_int_equal(rig_index(&rig, &x), 0);
	rdx_index_close(x);
	rdx_writer_close(w);
	rig_remove(&rig);
}

/* Store `count` keys that nobody stored yet. */
static void store(struct rdx_index_writer *w, int seat, uint64_t *stored, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t prefix = (++*stored * UINT64_C(0x9e3779b97f4a7c15)) | 1;

		assert_int_equal(rdx_writer_apply_blocks(w, seat, 0, &prefix, 1), 0);
	}
	rdx_writer_flush(w);
}

/* Changes pay for a much larger table by and by, also for its memory, and it is there before the
 * present one is full. */
static void test_pace(void **state)
{
	const struct rdx_writer_options options = {.initial_blocks = 65536};
	struct rdx_rank_info info = rig_info(1, 0, 1);
	struct rdx_index_writer *w;
	uint64_t stored = 0, most;
	struct rig rig;
	int seat;

	(void)state;
	rig_make(&rig);
	assert_int_equal(rig_writer(&rig, &options, &w), 0);
	seat = rdx_writer_rank_add(w, &info);
	assert_int_equal(rdx_writer_rank_begin(w, seat, 0), 0);
	rdx_writer_rank_show(w, seat, 0, 0);
	expect_many(w);
	assert_true(rdx_writer_step(w));
	assert_int_equal(w->stage, RDX_GROW_ALLOCATE);
	most = rdx_writer_table(w)->living_max;
	store(w, seat, &stored, 1000);
	assert_true(w->grow_at < 1 << 20);
	while (!w->generations)
		store(w, seat, &stored, 64);
	assert_true(stored < most);
	assert_int_equal(w->refused, 0);
	rdx_writer_close(w);
	rig_remove(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ready_while_growing),
		cmocka_unit_test(test_changes_beside_the_copy),
		cmocka_unit_test(test_pace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
