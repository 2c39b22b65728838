/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the cause of missing blocks is shown while they are missing, and no longer: it ends
 * with a clear of the rank or of its worker, a recovery, a new epoch or the rank's end.
 */
#include "shm/clear.h"
#include "tests/index_rig.h"

#include "consumer/indexer/rank.h"
#include "consumer/writer/writer_state.h"
#include <ringdex/rdx_publisher.h>

#include <stdlib.h>

#define DECLARED 1000                  /* blocks of a tier */
#define SPARE    48                    /* records besides these: pages of the file are full */
#define REFIT_NS UINT64_C(60000000000) /* longer than until a rank is tried again */

struct fixture {
	struct rig rig;
	struct rig_producer producer;
	struct rdx_index_writer *writer;
	struct rdx_index *index;
	struct rdx_rank rank;
	struct rdx_rank_scratch *scratch;
	uint64_t now_ns; /* as given to the rank */
};

static void start(struct fixture *f)
{
	struct rdx_reader *reader;
	int slot;

	assert_int_equal(rdx_reader_open(&reader, f->rig.dir, 1, 0), 0);
	slot = rdx_writer_rank_add(f->writer, rdx_reader_info(reader));
	assert_true(slot >= 0);
	rdx_rank_start(&f->rank, reader, f->writer, slot, f->now_ns);
	f->rank.alive = 1;
}

static void step(struct fixture *f)
{
	assert_true(rdx_rank_step(&f->rank, f->scratch, 1024, f->now_ns, UINT64_MAX) >= 0);
	rdx_rank_pulse(&f->rank, f->now_ns);
}

static void expect(struct fixture *f, uint8_t state, int32_t cause)
{
	struct rdx_index_rank info = {.size = sizeof(info)};

	assert_int_equal(rdx_index_ranks(f->index, &info, 1), 1);
	assert_int_equal(info.state, state);
	assert_int_equal(info.cause, cause);
}

static void make(struct fixture *f)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, DECLARED);
	struct rdx_writer_options options = {.stale_after_ns = UINT64_MAX};

	memset(f, 0, sizeof(*f));
	f->now_ns = rdx_clock_ns();
	f->rank.file.worker_id = 1;
	f->scratch = calloc(1, sizeof(*f->scratch));
	assert_non_null(f->scratch);
	rig_make(&f->rig);
	spec.clear_scope = RDX_CLEAR_WORKER;
	spec.tier_blocks[RDX_TIER_HOST] = DECLARED;
	spec.ledger_records = 2 * DECLARED + SPARE;
	assert_int_equal(rig_claim(&f->rig, &f->producer, &spec), 0);
	assert_int_equal(rig_writer(&f->rig, &options, &f->writer), 0);
	assert_int_equal(rdx_writer_ready(f->writer), 0);
	assert_int_equal(rig_index(&f->rig, &f->index), 0);
	start(f);
	rig_store(&f->rig, &f->producer, 1);
	step(f);
	expect(f, RDX_STATE_EXACT, 0);
}

static void destroy(struct fixture *f)
{
	if (f->rank.phase != RDX_PHASE_GONE)
		rdx_rank_gone(&f->rank);
	rdx_index_close(f->index);
	rdx_writer_close(f->writer);
	rig_release(&f->producer);
	rig_remove(&f->rig);
	free(f->scratch);
}

/* The table is full and no other can be made: a block does not fit. */
static void run_out_of_space(struct fixture *f)
{
	struct rdx_writer_table *table = rdx_writer_table(f->writer);

	table->living_max = rdx_writer_living(table);
	f->writer->grow_refused = UINT64_MAX; /* no memory either */
	rig_store(&f->rig, &f->producer, 2 + f->producer.event_id);
	step(f);
	expect(f, RDX_STATE_LACKING, -ENOSPC);
}

/* It tells more blocks than it declared: none of them is shown, and again when it tells fewer. */
static void test_more_than_it_declared(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	for (uint64_t i = 2; i <= DECLARED + SPARE; i++) {
		rig_store(&f.rig, &f.producer, i);
		step(&f);
		expect(&f, RDX_STATE_EXACT, 0);
	}
	rig_store(&f.rig, &f.producer, DECLARED + SPARE + 1);
	step(&f);
	expect(&f, RDX_STATE_INEXACT, -EBADMSG);
	assert_null(f.rank.reader);
	rig_append(&f.producer, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0, NULL, 0);
	start(&f);
	step(&f);
	expect(&f, RDX_STATE_EXACT, 0);
	destroy(&f);
}

static void test_a_clear_of_the_rank(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	run_out_of_space(&f);
	rig_append(&f.producer, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0, NULL, 0);
	step(&f);
	expect(&f, RDX_STATE_EXACT, 0);
	destroy(&f);
}

/* The other rank says it: this one learns of it from the worker's file. */
static void test_a_clear_of_the_worker(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	run_out_of_space(&f);
	rdx_clear_bump(f.producer.owner.clear.base);
	step(&f);
	expect(&f, RDX_STATE_EXACT, 0);
	destroy(&f);
}

/* A clear of one tier says nothing of the block that is missing in another. */
static void test_a_clear_of_a_tier(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	run_out_of_space(&f);
	rig_append(&f.producer, RDX_EVENT_CLEARED, RDX_TIER_HOST, 0, NULL, 0);
	step(&f);
	expect(&f, RDX_STATE_LACKING, -ENOSPC);
	destroy(&f);
}

/* Tried again, it waits for columns; hidden, nothing of it is shown that could miss a part. */
static void test_a_recovery(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	rig_append(&f.producer, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0, NULL, 0);
	rig_store(&f.rig, &f.producer, 1);
	step(&f);
	run_out_of_space(&f);
	f.now_ns += REFIT_NS;
	for (uint32_t word = 0; word < RDX_COLUMN_WORDS; word++) {
		f.writer->columns.dirty[word] |= f.writer->columns.clean[word];
		f.writer->columns.clean[word] = 0;
	}
	/* to wait is work left: a caller that polls until there is none goes on */
	assert_true(rdx_rank_step(&f.rank, f.scratch, 1024, f.now_ns, UINT64_MAX) > 0);
	rdx_rank_pulse(&f.rank, f.now_ns);
	assert_int_equal(f.rank.phase, RDX_PHASE_BEGIN);
	expect(&f, RDX_STATE_RECOVERING, 0);
	rdx_writer_table(f.writer)->living_max = UINT64_MAX;
	while (rdx_writer_step(f.writer))
		;
	step(&f);
	expect(&f, RDX_STATE_EXACT, 0);
	destroy(&f);
}

static void test_gone(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	run_out_of_space(&f);
	rdx_rank_gone(&f.rank);
	rdx_rank_pulse(&f.rank, f.now_ns);
	expect(&f, RDX_STATE_GONE, 0);
	destroy(&f);
}

/* It cannot be followed, then begins again, before anything of its new epoch is published. */
static void test_another_life(void **state)
{
	struct fixture f;

	(void)state;
	make(&f);
	rdx_rank_fail(&f.rank, -EBADMSG, f.now_ns);
	rdx_rank_pulse(&f.rank, f.now_ns);
	expect(&f, RDX_STATE_INEXACT, -EBADMSG);
	start(&f);
	expect(&f, RDX_STATE_RECOVERING, 0);
	while (rdx_writer_step(f.writer))
		;
	step(&f);
	expect(&f, RDX_STATE_EXACT, 0);
	rdx_rank_fail(&f.rank, -EBADMSG, f.now_ns);
	rdx_rank_gone(&f.rank);
	rdx_rank_pulse(&f.rank, f.now_ns);
	expect(&f, RDX_STATE_GONE, 0);
	destroy(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_more_than_it_declared),
		cmocka_unit_test(test_a_clear_of_the_rank),
		cmocka_unit_test(test_a_clear_of_the_worker),
		cmocka_unit_test(test_a_clear_of_a_tier),
		cmocka_unit_test(test_a_recovery),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_another_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
