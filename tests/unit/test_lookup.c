/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: lookups of every length and run, in one and in many words of columns, by prefix
 * hash, local hash and tokens; rows and their states; what a disturbed lookup answers.
 */
#include "tests/index_rig.h"

#include "consumer/writer/writer_state.h"
#include "shm/version.h"

#include <errno.h>
#include <stdlib.h>

#define LONG 100000

struct fixture {
	struct rig rig;
	struct rdx_index_writer *writer;
	struct rdx_index *index;
};

static void make(struct fixture *f, uint64_t blocks)
{
	struct rdx_writer_options options = {.initial_blocks = blocks};

	rig_make(&f->rig);
	assert_int_equal(rig_writer(&f->rig, &options, &f->writer), 0);
	rdx_writer_heartbeat(f->writer, rdx_clock_ns());
	assert_int_equal(rdx_writer_ready(f->writer), 0);
	assert_int_equal(rig_index(&f->rig, &f->index), 0);
}

static void drop(struct fixture *f)
{
	rdx_index_close(f->index);
	rdx_writer_close(f->writer);
	rig_remove(&f->rig);
}

/* A rank that holds prefix[0 .. blocks) in its device tier, when it is shown. */
static int hold(struct fixture *f, uint64_t worker_id, const uint64_t *prefix, uint32_t blocks)
{
	struct rdx_rank_info info = rig_info(worker_id, 0, 1);
	int slot = rdx_writer_rank_add(f->writer, &info);

	assert_true(slot >= 0);
	assert_int_equal(rig_begin(f->writer, slot), 0);
	assert_int_equal(rig_blocks(f->writer, slot, 0, prefix, blocks), 0);
	return slot;
}

static int add(struct fixture *f, uint64_t worker_id, const uint64_t *prefix, uint32_t blocks)
{
	int slot = hold(f, worker_id, prefix, blocks);

	rdx_writer_rank_show(f->writer, slot, 0, 0);
	rig_pulse(f->writer, slot, RDX_STATE_EXACT, 1, worker_id);
	return slot;
}

static uint64_t *make_prefix(uint32_t blocks, uint64_t seed)
{
	uint64_t *prefix = calloc(blocks, sizeof(*prefix));

	assert_non_null(prefix);
	for (uint32_t i = 0; i < blocks; i++)
		prefix[i] = rig_random(&seed) | 1;
	return prefix;
}

static void expect(struct fixture *f, const uint64_t *prefix, uint32_t blocks, uint64_t worker_id,
		   uint32_t run)
{
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};

	for (int force = 0; force < 2; force++) {
		const struct rdx_run *row;
		int rows;

		rdx_index_force_scan(f->index, force);
		rows = rdx_index_lookup(f->index, prefix, blocks, runs, RDX_RANKS_MAX);
		row = rig_row(runs, rows, worker_id, 0);
		assert_non_null(row);
		assert_int_equal(row->scanned, force);
		for (int set = 0; set < RDX_TIER_COUNT; set++)
			assert_int_equal(row->blocks[set], run);
	}
}

static void test_every_run_and_length(void **state)
{
	uint64_t *prefix = make_prefix(256, 5);
	struct fixture f;

	(void)state;
	make(&f, 1000);
	for (uint32_t run = 0; run < 160; run++)
		add(&f, run, prefix, run);
	for (uint32_t blocks = 0; blocks <= 160; blocks++) {
		for (uint32_t run = 0; run < 160; run += 1 + run / 8)
			expect(&f, prefix, blocks, run, run < blocks ? run : blocks);
	}
	free(prefix);
	drop(&f);
}

static void test_long_prefix(void **state)
{
	static const uint32_t runs[] = {0, 1, 2, 17, 4095, 4096, 50001, LONG - 1, LONG};
	uint64_t *prefix = make_prefix(LONG, 6);
	struct fixture f;

	(void)state;
	make(&f, LONG);
	for (uint32_t i = 0; i < sizeof(runs) / sizeof(*runs); i++)
		add(&f, i, prefix, runs[i]);
	for (uint32_t i = 0; i < sizeof(runs) / sizeof(*runs); i++)
		expect(&f, prefix, LONG, i, runs[i]);
	free(prefix);
	drop(&f);
}

/* However the request is given, it is hashed as far as the lookup comes, and once. */
static void test_local_and_tokens(void **state)
{
	enum { BLOCKS = 1000, RUN = 130, NEXT = 128 };
	static uint32_t tokens[16 * BLOCKS + 5];
	uint64_t local[BLOCKS], prefix[BLOCKS];
	struct rdx_run run = {.size = sizeof(run)};
	struct fixture f;

	(void)state;
	make(&f, 100);
	for (uint32_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++)
		tokens[i] = i * 7;
	assert_int_equal(rdx_hash_blocks(1337, tokens, 16 * BLOCKS + 5, 16, local), BLOCKS);
	rdx_hash_chain(rdx_index_hash_key(f.index), 0, local, BLOCKS, prefix);
	add(&f, 1, prefix, RUN);
	for (uint32_t blocks = 0; blocks <= BLOCKS; blocks += blocks < 200 ? 1 : 97) {
		uint32_t expected = blocks < RUN ? blocks : RUN;

		for (int force = 0; force < 2; force++) {
			struct rdx_tokens request = {.size = sizeof(request), .ids = tokens};

			rdx_index_force_scan(f.index, force);
			assert_int_equal(rdx_index_lookup(f.index, prefix, blocks, &run, 1), 1);
			assert_int_equal(run.blocks[0], expected);
			assert_int_equal(rdx_index_lookup_local(f.index, local, blocks, &run, 1),
					 1);
			assert_int_equal(run.blocks[0], expected);
			assert_in_range(f.index->keys.made, expected, RUN + NEXT + NEXT);
			request.count = 16 * blocks + 5;
			assert_int_equal(rdx_index_lookup_tokens(f.index, &request, &run, 1), 1);
			assert_int_equal(run.blocks[0], expected);
			assert_in_range(f.index->keys.made, expected, RUN + NEXT + NEXT);
		}
	}
	drop(&f);
}

/* Blocks with images, and of pairs: found by what they are of, and by nothing else. */
static void test_tokens_with_keys(void **state)
{
	enum { BLOCKS = 200 };
	static uint32_t ids[16 * BLOCKS + 1];
	static struct rdx_block_key keys[BLOCKS];
	struct rdx_tokens request = {.size = sizeof(request), .ids = ids, .keys = keys};
	struct rdx_run run = {.size = sizeof(run)};
	uint64_t local[BLOCKS], prefix[BLOCKS];
	struct fixture f;

	(void)state;
	make(&f, 2 * BLOCKS);
	for (uint32_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		ids[i] = i;
	for (uint32_t i = 0; i < BLOCKS; i++)
		keys[i] = (struct rdx_block_key){.key = i % 3, .block = i};
	request.count = 16 * BLOCKS + 1;
	request.key_count = BLOCKS;
	request.block_tokens = 16;
	request.overlap = 1;
	assert_int_equal(rdx_hash_tokens(&request, local), BLOCKS);
	rdx_hash_chain(rdx_index_hash_key(f.index), 0, local, BLOCKS, prefix);
	add(&f, 1, prefix, BLOCKS);
	request.block_tokens = 0; /* the index's */
	assert_int_equal(rdx_index_lookup_tokens(f.index, &request, &run, 1), 1);
	assert_int_equal(run.blocks[0], BLOCKS);
	keys[150].key = 9;
	assert_int_equal(rdx_index_lookup_tokens(f.index, &request, &run, 1), 1);
	assert_int_equal(run.blocks[0], 150);
	request.overlap = 0;
	assert_int_equal(rdx_index_lookup_tokens(f.index, &request, &run, 1), 1);
	assert_int_equal(run.blocks[0], 0);
	request.block_tokens = 15;
	assert_int_equal(rdx_index_lookup_tokens(f.index, &request, &run, 1), -EINVAL);
	drop(&f);
}

static struct rdx_run one_row(struct fixture *f, const uint64_t *prefix, uint32_t blocks)
{
	struct rdx_run run = {.size = sizeof(run)};

	assert_int_equal(rdx_index_lookup(f->index, prefix, blocks, &run, 1), 1);
	return run;
}

static void test_states(void **state)
{
	uint64_t *prefix = make_prefix(10, 8);
	struct rdx_writer_pulse pulse = {.epoch = 9, .event_id = 77, .seen_ns = rdx_clock_ns()};
	struct rdx_index_rank info = {.size = sizeof(info)};
	struct rdx_rank_info again = rig_info(5, 0, 1);
	struct rdx_run run = {.size = sizeof(run)};
	struct fixture f;
	int slot;

	(void)state;
	make(&f, 100);
	slot = add(&f, 5, prefix, 10);
	f.index->lookup.stale_after_ns = UINT64_MAX; /* however slow the machine */
	pulse.state = RDX_STATE_INEXACT;
	pulse.cause = -ENOSPC;
	rdx_writer_rank_pulse(f.writer, slot, &pulse);
	run = one_row(&f, prefix, 10);
	assert_int_equal(run.state, RDX_STATE_INEXACT);
	assert_int_equal(run.blocks[3], 10);
	assert_int_equal(run.epoch, 9);
	assert_int_equal(run.last_event_id, 77);
	assert_true(run.age_ns < rdx_clock_ns() - pulse.seen_ns + 1);
	assert_int_equal(rdx_index_ranks(f.index, &info, 1), 1);
	assert_int_equal(info.cause, -ENOSPC);
	assert_int_equal(info.blocks[0], 10);
	assert_string_equal(info.instance, "http://localhost:8000");
	f.index->lookup.stale_after_ns = 250000000;
	pulse.seen_ns -= 300000000; /* old: the indexer is dead or behind */
	rdx_writer_rank_pulse(f.writer, slot, &pulse);
	run = one_row(&f, prefix, 10);
	assert_int_equal(run.state, RDX_STATE_STALE);
	assert_true(run.age_ns >= 300000000);
	assert_int_equal(run.blocks[0], 10);
	pulse.state = RDX_STATE_LACKING; /* ages too */
	rdx_writer_rank_pulse(f.writer, slot, &pulse);
	assert_int_equal(one_row(&f, prefix, 10).state, RDX_STATE_STALE);
	f.index->lookup.stale_after_ns = UINT64_MAX;
	run = one_row(&f, prefix, 10);
	assert_int_equal(run.state, RDX_STATE_LACKING);
	assert_int_equal(run.blocks[0], 10);
	pulse.state = RDX_STATE_INEXACT;
	rdx_writer_rank_hide(f.writer, slot); /* dropped: shown with its cause, no blocks */
	pulse.seen_ns = rdx_clock_ns();
	rdx_writer_rank_pulse(f.writer, slot, &pulse);
	run = one_row(&f, prefix, 10);
	assert_int_equal(run.state, RDX_STATE_INEXACT);
	assert_int_equal(run.blocks[3], 0);
	assert_int_equal(rdx_writer_rank_add(f.writer, &again), slot);
	assert_int_equal(one_row(&f, prefix, 10).state, RDX_STATE_RECOVERING);
	pulse.state = RDX_STATE_EXACT; /* hidden is never exact */
	rdx_writer_rank_pulse(f.writer, slot, &pulse);
	assert_int_equal(one_row(&f, prefix, 10).state, RDX_STATE_RECOVERING);
	pulse.state = RDX_STATE_GONE;
	rdx_writer_rank_pulse(f.writer, slot, &pulse);
	assert_int_equal(rdx_index_lookup(f.index, prefix, 10, &run, 1), 0);
	assert_int_equal(rdx_index_ranks(f.index, &info, 1), 1);
	assert_int_equal(info.state, RDX_STATE_GONE);
	free(prefix);
	drop(&f);
}

static void test_outputs_untouched(void **state)
{
	struct rdx_run runs[2], untouched[2];
	struct rdx_index_rank info = {.size = sizeof(info)};
	uint64_t *prefix = make_prefix(10, 9);
	struct fixture f;

	(void)state;
	make(&f, 100);
	add(&f, 1, prefix, 10);
	add(&f, 2, prefix, 5);
	memset(runs, 0x5a, sizeof(runs));
	runs[0].size = sizeof(runs[0]);
	memcpy(untouched, runs, sizeof(runs));
	assert_int_equal(rdx_index_lookup(f.index, prefix, 10, runs, 1), -ENOSPC);
	assert_memory_equal(runs, untouched, sizeof(runs));
	assert_int_equal(rdx_index_ranks(f.index, &info, 1), -ENOSPC);
	/* a writer that stopped in the middle of a change */
	rdx_version_open(f.writer->live);
	assert_int_equal(rdx_index_lookup(f.index, prefix, 10, runs, 2), -EAGAIN);
	assert_memory_equal(runs, untouched, sizeof(runs));
	rdx_version_close(f.writer->live);
	assert_int_equal(rdx_index_lookup(f.index, prefix, 10, runs, 2), 2);
	free(prefix);
	drop(&f);
}

/* Holes in the device tier do not matter to runs over more tiers. */
static void test_holes(void **state)
{
	struct rdx_rank_info info = rig_info(1, 0, 2);
	uint64_t *prefix = make_prefix(100, 10);
	struct rdx_event removed = {.size = sizeof(removed),
				    .event_id = 1,
				    .kind = RDX_EVENT_REMOVED,
				    .count = 1,
				    .hashes = prefix + 40,
				    .orphans = 1};
	struct rdx_run run = {.size = sizeof(run)};
	struct fixture f;
	int slot;

	(void)state;
	make(&f, 200);
	slot = rdx_writer_rank_add(f.writer, &info);
	assert_int_equal(rig_begin(f.writer, slot), 0);
	assert_int_equal(rig_blocks(f.writer, slot, 0, prefix, 90), 0);
	assert_int_equal(rig_blocks(f.writer, slot, 1, prefix, 60), 0);
	rdx_writer_rank_show(f.writer, slot, 0, 0);
	rig_pulse(f.writer, slot, RDX_STATE_EXACT, 1, 0);
	run = one_row(&f, prefix, 100);
	assert_int_equal(run.scanned, 0);
	assert_int_equal(run.blocks[0], 90);
	assert_int_equal(rig_event(f.writer, slot, &removed, NULL), 0);
	run = one_row(&f, prefix, 100);
	assert_int_equal(run.scanned, 1);
	assert_int_equal(run.blocks[0], 40);
	assert_int_equal(run.blocks[1], 90);
	assert_int_equal(run.blocks[3], 90);
	free(prefix);
	drop(&f);
}

/* Whoever asks for it gets a row of every rank, else there are those of holders. */
static void test_which_rows(void **state)
{
	struct rdx_index_key key = {.size = sizeof(key), .model = RIG_MODEL};
	struct rdx_writer_pulse pulse = {.state = RDX_STATE_RECOVERING, .seen_ns = rdx_clock_ns()};
	struct rdx_run runs[3] = {{.size = sizeof(runs[0])}};
	uint64_t *prefix = make_prefix(10, 11);
	struct rdx_index *holders;
	struct fixture f;
	int slot;

	(void)state;
	make(&f, 100);
	add(&f, 1, prefix, 3);
	add(&f, 2, prefix, 5);
	slot = hold(&f, 3, prefix + 1, 9); /* all but the first */
	rdx_writer_rank_show(f.writer, slot, 1, 0);
	rig_pulse(f.writer, slot, RDX_STATE_EXACT, 1, 1);
	key.flags = 2;
	assert_int_equal(rdx_index_open(&holders, f.rig.dir, &key), -EINVAL);
	key.flags = 0;
	assert_int_equal(rdx_index_open(&holders, f.rig.dir, &key), 0);
	for (int force = 0; force < 2; force++) {
		rdx_index_force_scan(holders, force);
		rdx_index_force_scan(f.index, force);
		assert_int_equal(rdx_index_lookup(holders, prefix, 10, runs, 2), 2);
		assert_int_equal(rig_row(runs, 2, 1, 0)->blocks[0], 3);
		assert_int_equal(rig_row(runs, 2, 2, 0)->blocks[0], 5);
		assert_int_equal(rdx_index_lookup(holders, prefix, 10, runs, 1), -ENOSPC);
		assert_int_equal(rdx_index_lookup(holders, prefix + 9, 1, runs, 1), 1);
		assert_int_equal(runs[0].worker_id, 3);
		assert_int_equal(rdx_index_lookup(holders, prefix, 0, NULL, 0), 0);
		assert_int_equal(rdx_index_lookup(f.index, prefix, 10, runs, 3), 3);
		assert_int_equal(rig_row(runs, 3, 3, 0)->blocks[0], 0);
		assert_int_equal(rdx_index_lookup(f.index, prefix, 0, runs, 3), 3);
	}
	rdx_writer_rank_pulse(f.writer, slot, &pulse); /* what is rebuilt holds nothing */
	assert_int_equal(rdx_index_lookup(holders, prefix + 9, 1, runs, 1), 0);
	assert_int_equal(rdx_index_lookup(f.index, prefix, 10, runs, 3), 3);
	rdx_index_close(holders);
	free(prefix);
	drop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_run_and_length),
		cmocka_unit_test(test_long_prefix),
		cmocka_unit_test(test_local_and_tokens),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_tokens_with_keys),
		cmocka_unit_test(test_outputs_untouched),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_which_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
