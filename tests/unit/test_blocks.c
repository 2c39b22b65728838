/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what a rank holds with what it is made of: every block once, with its tiers, its local hash and its
 * parent, parents first; also while the producer goes on, and where its ledger is not what a producer writes.
 */
#include "consumer/reader/reader.h"
#include "tests/rig.h"
#include "tests/stream_oracle.h"

#include <errno.h>
#include <string.h>

#define RING_SLOTS 1024
#define OPERATIONS 3000
#define A_LOOK     50 /* operations between two */

struct fixture {
	struct rig rig;
	struct rig_producer producer;
	struct rdx_reader *reader;
	struct rdx_block told[STREAM_BLOCKS];
	uint64_t count;
	uint64_t stop_at; /* 0: never */
};

static void open_fixture(struct fixture *f, const struct rdx_segment_spec *spec)
{
	memset(f, 0, sizeof(*f));
	rig_make(&f->rig);
	assert_int_equal(rig_claim(&f->rig, &f->producer, spec), 0);
	assert_int_equal(rdx_reader_open(&f->reader, f->rig.dir, spec->worker_id, spec->dp_rank),
			 0);
}

static void open_plain(struct fixture *f)
{
	struct rdx_segment_spec spec = rig_spec(7, 1, RING_SLOTS, 256);

	open_fixture(f, &spec);
}

static void close_fixture(struct fixture *f)
{
	rdx_reader_close(f->reader);
	rig_release(&f->producer);
	rig_remove(&f->rig);
}

static int take(void *context, const struct rdx_block *block)
{
	struct fixture *f = context;

	assert_true(f->count < STREAM_BLOCKS);
	assert_int_equal(block->size, sizeof(*block));
	f->told[f->count++] = *block;
	return f->count == f->stop_at ? -ECANCELED : 0;
}

static void ask(struct fixture *f)
{
	struct rdx_cursor before, after, exact;

	f->count = 0;
	rdx_reader_cursor(f->reader, &before);
	assert_int_equal(rdx_reader_each(f->reader, take, f, &exact), 0);
	rdx_reader_cursor(f->reader, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(exact.event_id, f->producer.event_id);
	assert_int_equal(exact.position, f->producer.tail);
}

/* The turn of a block, from 1 on; 0: it was not told. Nothing is told twice. */
static uint64_t turn_of(const struct fixture *f, uint64_t prefix)
{
	uint64_t turn = 0;

	for (uint64_t i = 0; i < f->count; i++) {
		if (f->told[i].prefix != prefix)
			continue;
		assert_int_equal(turn, 0);
		turn = i + 1;
	}
	return turn;
}

static void assert_same(const struct fixture *f, const struct stream *stream)
{
	uint64_t held = 0;

	for (uint32_t block = 0; block < stream->blocks; block++) {
		uint64_t turn = turn_of(f, stream->prefix[block]), parent = 0;
		const struct rdx_block *told;

		assert_int_equal(turn != 0, stream->held[block] != 0);
		if (!turn)
			continue;
		held++;
		told = &f->told[turn - 1];
		if (stream->parent[block] != STREAM_NONE)
			parent = stream->prefix[stream->parent[block]];
		assert_int_equal(told->tiers, stream->held[block]);
		assert_int_equal(told->described, 1);
		assert_int_equal(told->local, stream->local[block]);
		assert_int_equal(told->parent, parent);
		assert_int_equal(told->parent_turn, turn_of(f, parent));
		assert_true(told->parent_turn < turn);
	}
	assert_int_equal(f->count, held);
}

/* What is held is told after any event: with orphans, blocks in two tiers, clears. */
static void test_every_block_with_its_parent(void **state)
{
	struct rdx_segment_spec spec = stream_spec(1, 0, RING_SLOTS);
	static struct stream_writer writer;
	static struct stream stream;
	static struct fixture f;
	uint64_t seed = rig_seed(), told = 0;
	struct stream_op op;

	(void)state;
	open_fixture(&f, &spec);
	stream_make(&stream, &f.rig.key, seed, 200);
	stream_writer_make(&writer, &f.producer);
	ask(&f);
	assert_int_equal(f.count, 0);
	for (uint32_t i = 1; i <= OPERATIONS; i++) {
		stream_next(&stream, &op);
		stream_write(&writer, &stream, &op);
		if (i % A_LOOK)
			continue;
		ask(&f);
		assert_same(&f, &stream);
		told += f.count;
	}
	assert_true(told > OPERATIONS); /* there was something to compare */
	close_fixture(&f);
}

#ifdef RDX_HOOKS
static struct {
	struct stream_writer writer;
	struct stream stream;
	uint32_t left; /* operations during a scan */
} going_on;

static void go_on(enum rdx_hook_step step)
{
	struct stream_op op;

	if (step != RDX_HOOK_SCAN_CHUNK && step != RDX_HOOK_SCAN_STARTED)
		return;
	for (uint32_t i = 0; i < 5 && going_on.left; i++, going_on.left--) {
		stream_next(&going_on.stream, &op);
		stream_write(&going_on.writer, &going_on.stream, &op);
	}
}

/* Events that come during the scan are a part of it: blocks that they store are known by them alone. */
static void test_the_producer_goes_on(void **state)
{
	struct rdx_segment_spec spec = stream_spec(1, 0, RING_SLOTS);
	static struct fixture f;
	uint32_t done = 0;

	(void)state;
	open_fixture(&f, &spec);
	stream_make(&going_on.stream, &f.rig.key, rig_seed(), 100);
	stream_writer_make(&going_on.writer, &f.producer);
	for (uint32_t i = 0; i < OPERATIONS / A_LOOK; i++) {
		going_on.left = 10;
		rdx_hook_function = go_on;
		ask(&f);
		rdx_hook_function = NULL;
		assert_same(&f, &going_on.stream);
		done += 10 - going_on.left;
	}
	assert_true(done > OPERATIONS / A_LOOK);
	close_fixture(&f);
}
#endif

/* A chain is told in a row, also one that branches from another. */
static void test_runs(void **state)
{
	const uint64_t trunk[] = {1, 2, 3, 4, 5, 6}, branch[] = {1, 2, 3, 14, 15};
	uint64_t rows = 0;
	static struct fixture f;

	(void)state;
	open_plain(&f);
	rig_store_run(&f.rig, &f.producer, trunk, 6);
	rig_store_run(&f.rig, &f.producer, branch, 5);
	ask(&f);
	assert_int_equal(f.count, 8);
	for (uint64_t i = 0; i < f.count; i++)
		rows += f.told[i].parent_turn != i;
	assert_int_equal(rows, 1); /* the second chain's first one that is not in the other */
	close_fixture(&f);
}

/* What its record says does not make the block: it comes last, and is nobody's parent. */
static void test_a_record_that_does_not_fit(void **state)
{
	const uint64_t local[] = {1, 2, 3};
	struct rdx_ledger_record *record;
	static struct fixture f;

	(void)state;
	open_plain(&f);
	rig_store_run(&f.rig, &f.producer, local, 3);
	record = &f.producer.owner.ledger.records[1];
	rdx_ledger_describe(record, rdx_word_load(&record->prefix), 77,
			    rdx_word_load(&record->parent));
	ask(&f);
	assert_int_equal(f.count, 3);
	for (uint64_t i = 0; i < 2; i++) {
		assert_int_equal(f.told[i].described, 1);
		assert_int_equal(f.told[i].parent_turn, 0);
	}
	assert_int_equal(f.told[2].prefix, rdx_word_load(&record->prefix));
	assert_int_equal(f.told[2].described, 0);
	assert_int_equal(f.told[2].local | f.told[2].parent | f.told[2].parent_turn, 0);
	assert_int_equal(f.told[2].tiers, 1);
	close_fixture(&f);
}

/* A block that is its own parent, as whoever knows the key can make one, and one below it. */
static void test_a_circle(void **state)
{
	uint64_t locals[2], prefixes[2], words[2];
	static struct fixture f;
	const uint32_t records[2] = {0, 1};
	struct rdx_publish event = {.head = {.kind = RDX_EVENT_STORED, .count = 2},
				    .hashes = locals,
				    .records = records,
				    .words = words};

	(void)state;
	open_plain(&f);
	event.head.parent = f.rig.key.chain_mask ^ f.rig.key.chain_mask >> 33;
	locals[0] = f.rig.key.premix_mask;
	locals[1] = 2;
	rdx_hash_chain(&f.rig.key, event.head.parent, locals, 2, prefixes);
	assert_int_equal(prefixes[0], event.head.parent);
	for (uint32_t i = 0; i < 2; i++) {
		words[i] = rdx_ledger_word(prefixes[i], 1, f.producer.generations);
		rdx_ledger_describe(&f.producer.owner.ledger.records[i], prefixes[i], locals[i],
				    prefixes[0]);
	}
	rig_publish(&f.producer, &event);
	ask(&f);
	assert_int_equal(f.count, 2);
	for (uint64_t i = 0; i < 2; i++)
		assert_int_equal(f.told[i].described | f.told[i].parent_turn, 0);
	close_fixture(&f);
}

static void test_who_asks_has_enough(void **state)
{
	const uint64_t local[] = {1, 2, 3};
	struct rdx_cursor exact = {.event_id = 99};
	static struct fixture f;

	(void)state;
	open_plain(&f);
	rig_store_run(&f.rig, &f.producer, local, 3);
	f.stop_at = 2;
	assert_int_equal(rdx_reader_each(f.reader, take, &f, &exact), -ECANCELED);
	assert_int_equal(f.count, 2);
	assert_int_equal(exact.event_id, 99);
	close_fixture(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_block_with_its_parent),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_the_producer_goes_on),
#endif
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_a_record_that_does_not_fit),
		cmocka_unit_test(test_a_circle),
		cmocka_unit_test(test_who_asks_has_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
