/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what a publisher says that its rank is worth is what the index shows, as it happens,
 * after every way to recover, and where blocks do not fit; verify compares a rank that lacks some.
 */
#include "tests/index_rig.h"

#include "consumer/indexer/rank.h"
#include "consumer/reader/recovery.h"
#include "consumer/writer/writer_state.h"
#include <ringdex/rdx_publisher.h>

#include <errno.h>
#include <stdlib.h>

#define RING_SLOTS 64
#define BLOCKS     200
#define NEVER      99 /* a name that is not known */

struct fixture {
	struct rig rig;
	struct rdx_publisher *publisher;
	struct rdx_index_writer *writer;
	struct rdx_index *index;
	struct rdx_rank rank;
	struct rdx_rank_scratch *scratch;
	uint64_t now_ns;
};

static void make(struct fixture *f, uint32_t tiers)
{
	struct rdx_publisher_options publisher = {.size = sizeof(publisher),
						  .instance = "i",
						  .model = RIG_MODEL,
						  .worker_id = 1,
						  .ring_slots = RING_SLOTS};
	struct rdx_writer_options options = {.stale_after_ns = UINT64_MAX};
	struct rdx_reader *reader;
	int seat;

	memset(f, 0, sizeof(*f));
	f->now_ns = rdx_clock_ns();
	f->rank.file.worker_id = 1;
	f->scratch = calloc(1, sizeof(*f->scratch));
	assert_non_null(f->scratch);
	rig_make(&f->rig);
	publisher.dir = f->rig.dir;
	for (uint32_t tier = 0; tier < tiers; tier++)
		publisher.tier_blocks[tier] = BLOCKS;
	assert_int_equal(rdx_publisher_open(&f->publisher, &publisher), 0);
	assert_int_equal(rig_writer(&f->rig, &options, &f->writer), 0);
	assert_int_equal(rdx_writer_ready(f->writer), 0);
	assert_int_equal(rig_index(&f->rig, &f->index), 0);
	assert_int_equal(rdx_reader_open(&reader, f->rig.dir, 1, 0), 0);
	seat = rdx_writer_rank_add(f->writer, rdx_reader_info(reader));
	assert_true(seat >= 0);
	rdx_rank_start(&f->rank, reader, f->writer, seat, f->now_ns);
	f->rank.alive = 1;
}

static void destroy(struct fixture *f)
{
	rdx_rank_gone(&f->rank);
	rdx_index_close(f->index);
	rdx_writer_close(f->writer);
	rdx_publisher_close(f->publisher);
	rig_remove(&f->rig);
	free(f->scratch);
}

static void store(struct fixture *f, uint8_t tier, uint64_t parent, uint64_t name, uint64_t local)
{
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = &name,
				    .parent = parent ? &parent : NULL,
				    .local_hashes = &local,
				    .count = 1,
				    .tier = tier,
				    .name_bytes = 8};

	assert_int_equal(rdx_publish_stored(f->publisher, &stored), 0);
}

static void drop(struct fixture *f, uint64_t name)
{
	struct rdx_removed removed = {
		.size = sizeof(removed), .names = &name, .count = 1, .name_bytes = 8};

	assert_int_equal(rdx_publish_removed(f->publisher, &removed), 0);
}

/* Read on, recovered or not, until there is nothing more. */
static void catch_up(struct fixture *f)
{
	do {
		while (rdx_writer_step(f->writer))
			;
		assert_true(rdx_rank_step(&f->rank, f->scratch, 1 << 20, f->now_ns, UINT64_MAX) >=
			    0);
	} while (f->rank.phase != RDX_PHASE_FOLLOW || rdx_rank_has_work(&f->rank));
	rdx_rank_pulse(&f->rank, f->now_ns);
}

static void expect(struct fixture *f, uint8_t state)
{
	struct rdx_index_rank info = {.size = sizeof(info)};

	catch_up(f);
	assert_int_equal(rdx_index_ranks(f->index, &info, 1), 1);
	assert_int_equal(info.state, state);
}

static void expect_equal(struct fixture *f, uint64_t blocks, uint8_t partial)
{
	struct rdx_difference difference = {.size = sizeof(difference)};

	assert_int_equal(rdx_index_verify(f->index, 1, 0, &difference), 0);
	assert_int_equal(difference.differences, 0);
	assert_int_equal(difference.compared, blocks);
	assert_int_equal(difference.partial, partial);
}

static void test_as_it_happens(void **state)
{
	struct rdx_difference difference = {.size = sizeof(difference)};
	struct fixture f;

	(void)state;
	make(&f, 1);
	store(&f, 0, 0, 1, 1);
	expect(&f, RDX_STATE_EXACT);
	store(&f, 0, NEVER, 2, 2);
	expect(&f, RDX_STATE_LACKING);
	expect_equal(&f, 1, 0);
	store(&f, 0, 0, 1, 9);
	expect(&f, RDX_STATE_INEXACT);
	assert_int_equal(rdx_index_verify(f.index, 1, 0, &difference), -ESTALE);
	drop(&f, 1);
	drop(&f, 1);
	expect(&f, RDX_STATE_LACKING);
	drop(&f, 2);
	expect(&f, RDX_STATE_EXACT);
	destroy(&f);
}

/* The worth of a rank after a recovery is that of the last event, whichever way it took. */
static void recover(uint32_t way)
{
	static const uint8_t states[] = {RDX_STATE_EXACT, RDX_STATE_LACKING, RDX_STATE_INEXACT};

	for (int how = 0; how <= RDX_INEXACT_UNKNOWN; how++) {
		for (uint64_t after = 0; after < 2; after++) { /* events that do not change it */
			struct fixture f;

			make(&f, 1);
			for (uint64_t i = 0; i < 2 * RING_SLOTS; i++)
				store(&f, 0, 0, 100 + i, i);
			if (way == RDX_RECOVERED_BARRIER)
				assert_int_equal(rdx_publish_cleared(f.publisher, RDX_SCOPE_ALL, 0),
						 0);
			store(&f, 0, NEVER, 2, 2);
			store(&f, 0, 0, 3, 3);
			store(&f, 0, 0, 3, 9);
			for (int i = 0; how < RDX_INEXACT_UNKNOWN && i < 2; i++)
				drop(&f, 3);
			if (how == 0)
				drop(&f, 2);
			for (uint64_t i = 0; i < after; i++)
				store(&f, 0, 0, 50 + i, 50 + i);
			expect(&f, states[how]);
			assert_int_equal(f.rank.row.way, way);
			destroy(&f);
		}
	}
}

static void test_after_a_barrier(void **state)
{
	(void)state;
	recover(RDX_RECOVERED_BARRIER);
}

static void test_after_a_ledger(void **state)
{
	(void)state;
	recover(RDX_RECOVERED_LEDGER);
}

/* A block has no room: it is missing. A set has none: a block that went is still there. */
static void test_what_does_not_fit(void **state)
{
	struct rdx_difference difference = {.size = sizeof(difference)};
	struct rdx_writer_table *table;
	struct fixture f;

	(void)state;
	make(&f, 3);
	for (uint8_t tier = 0; tier < 3; tier++)
		store(&f, tier, 0, 1, 1);
	expect(&f, RDX_STATE_EXACT);
	table = rdx_writer_table(f.writer);
	table->living_max = rdx_writer_living(table);
	f.writer->grow_refused = UINT64_MAX;
	store(&f, 0, 0, 2, 2);
	expect(&f, RDX_STATE_LACKING);
	expect_equal(&f, 4, 1);
	/* the worse of what the worker says and what does not fit */
	store(&f, 0, 0, 2, 9);
	expect(&f, RDX_STATE_INEXACT);
	for (int i = 0; i < 2; i++)
		drop(&f, 2);
	expect(&f, RDX_STATE_LACKING);
	table->sets.max = table->sets.count;
	table->sets.free = 0;
	drop(&f, 1);
	expect(&f, RDX_STATE_INEXACT);
	assert_int_equal(rdx_index_verify(f.index, 1, 0, &difference), -ESTALE);
	assert_int_equal(rdx_publish_cleared(f.publisher, RDX_SCOPE_ALL, 0), 0);
	expect(&f, RDX_STATE_EXACT);
	destroy(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_it_happens),
		cmocka_unit_test(test_after_a_barrier),
		cmocka_unit_test(test_after_a_ledger),
		cmocka_unit_test(test_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
