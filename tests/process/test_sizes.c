/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structures of callers that were built with an older or a newer header: each call serves
 * them, writes no more than they have, and refuses what it does not know.
 */
#include "tests/indexer_rig.h"

#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BEYOND  32 /* bytes that a newer header has more */
#define PATTERN 0xa5
#define ROWS    2

typedef int (*call)(void *context, void *structure);

/* What the call answers, given `size` of the `known` bytes, and then more. */
static int give(call ask, void *context, const void *input, uint64_t known, uint64_t size,
		uint8_t beyond)
{
	uint8_t bytes[RDX_TEXT_BYTES * 4];

	assert_in_range(known + BEYOND, 8, sizeof(bytes));
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, input, known < size ? known : size);
	memcpy(bytes, &size, sizeof(size));
	if (size > known)
		bytes[size - 1] = beyond;
	return ask(context, bytes);
}

static void expect_input(call ask, void *context, const void *input, uint64_t known)
{
	assert_int_equal(give(ask, context, input, known, known, 0), 0);
	assert_int_equal(give(ask, context, input, known, known + BEYOND, 0), 0);
	assert_int_equal(give(ask, context, input, known, known + BEYOND, 1), -E2BIG);
	assert_int_equal(give(ask, context, input, known, 0, 0), -EINVAL);
	assert_int_equal(give(ask, context, input, known, known - 4, 0), -EINVAL);
}

/* An output whose call answers `answer`: the same bytes, no more than the size, 0 beyond. */
static void expect_output(call ask, void *context, uint64_t known, uint64_t older, int answer)
{
	uint8_t full[2048], other[2048];
	uint64_t sizes[] = {older, known + BEYOND}, bad[] = {0, 4, known - 4, 4104};
	uint64_t size = known;

	assert_in_range(known + BEYOND, 8, sizeof(full));
	memset(full, PATTERN, sizeof(full));
	memcpy(full, &size, sizeof(size));
	assert_int_equal(ask(context, full), answer);
	assert_int_equal(full[known], PATTERN);
	for (int i = 0; i < 2; i++) {
		uint64_t both = sizes[i] < known ? sizes[i] : known;

		memset(other, PATTERN, sizeof(other));
		memcpy(other, &sizes[i], sizeof(size));
		assert_int_equal(ask(context, other), answer);
		assert_memory_equal(other, &sizes[i], sizeof(size));
		assert_memory_equal(other + sizeof(size), full + sizeof(size), both - sizeof(size));
		for (uint64_t at = both; at < sizes[i]; at++)
			assert_int_equal(other[at], 0);
		assert_int_equal(other[sizes[i]], PATTERN);
	}
	for (int i = 0; i < 4; i++) {
		memset(other, PATTERN, sizeof(other));
		memcpy(other, &bad[i], sizeof(size));
		assert_int_equal(ask(context, other), bad[i] > 4096 ? -E2BIG : -EINVAL);
		assert_int_equal(other[sizeof(size)], PATTERN);
	}
}

struct world {
	struct indexer_rig x;
	struct rdx_publisher *publisher;
	struct rdx_reader *reader;
	uint64_t prefix;
};

static int open_publisher(void *context, void *options)
{
	struct rdx_publisher *publisher;
	int r = rdx_publisher_open(&publisher, options);

	(void)context;
	if (r == 0)
		rdx_publisher_close(publisher);
	return r;
}

static int store(void *context, void *stored)
{
	struct world *world = context;

	return rdx_publish_stored(world->publisher, stored);
}

static int drop(void *context, void *removed)
{
	struct world *world = context;

	return rdx_publish_removed(world->publisher, removed);
}

static int set_source(void *context, void *source)
{
	return rdx_publisher_set_source(((struct world *)context)->publisher, source);
}

static int open_indexer(void *context, void *options)
{
	struct rdx_indexer *indexer;
	int r = rdx_indexer_open(&indexer, options);

	(void)context;
	if (r == 0)
		rdx_indexer_close(indexer);
	return r;
}

static int open_index(void *context, void *key)
{
	struct world *world = context;
	struct rdx_index *index;
	int r = rdx_index_open(&index, world->x.dir, key);

	if (r == 0)
		rdx_index_close(index);
	return r;
}

/* An older caller asks for less: the fields that it lacks are 0. */
static void test_inputs(void **state)
{
	uint64_t names[2] = {1, 2};
	struct world world;
	struct rdx_publisher_options options;
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .local_hashes = names,
				    .count = 2,
				    .name_bytes = 8};
	struct rdx_removed removed = {
		.size = sizeof(removed), .names = names, .count = 1, .name_bytes = 8};
	struct rdx_source source = {.size = sizeof(source), .kind = RDX_SOURCE_BRIDGE};
	struct rdx_indexer_options indexing = {.size = sizeof(indexing)};
	struct rdx_index_key key = {
		.size = sizeof(key), .model = WORKER_MODEL, .flags = RDX_INDEX_ALL_RANKS};
	struct rdx_index_rank info;

	(void)state;
	indexer_rig_make(&world.x);
	options = prompt_options(&world.x, 1, 0, 2, 64);
	expect_input(open_publisher, NULL, &options, sizeof(options));
	/* from before there were scopes and modes */
	assert_int_equal(give(open_publisher, NULL, &options, sizeof(options),
			      offsetof(struct rdx_publisher_options, clear_scope), 0),
			 0);
	world.publisher = prompt_publisher(&world.x, 2, 0);
	expect_input(store, &world, &stored, sizeof(stored));
	expect_input(drop, &world, &removed, sizeof(removed));
	expect_input(set_source, &world, &source, sizeof(source));
	indexing.dir = world.x.dir;
	expect_input(open_indexer, NULL, &indexing, sizeof(indexing));
	assert_int_equal(give(open_indexer, NULL, &indexing, sizeof(indexing), 16, 0), 0);
	indexer_rig_open(&world.x, RDX_WAIT_AUTO);
	until_state(&world.x, 2, 0, RDX_STATE_EXACT, world.publisher, &info);
	expect_input(open_index, &world, &key, sizeof(key));
	assert_int_equal(give(open_index, &world, &key, sizeof(key), 16, 0), 0);
	rdx_publisher_close(world.publisher);
	indexer_rig_end(&world.x);
}

static int publisher_stats(void *context, void *ret)
{
	return rdx_publisher_get_stats(((struct world *)context)->publisher, ret);
}

static int indexer_stats(void *context, void *ret)
{
	return rdx_indexer_get_stats(((struct world *)context)->x.indexer, ret);
}

static int recovery_row(void *context, void *ret)
{
	return rdx_indexer_recovery(((struct world *)context)->x.indexer, 0, ret);
}

static int segment_row(void *context, void *ret)
{
	return rdx_indexer_segment(((struct world *)context)->x.indexer, 0, ret);
}

static void see(void *context, uint64_t prefix, uint8_t tiers)
{
	*(uint64_t *)context = tiers ? prefix : 0;
}

static int mark(void *context, void *ret)
{
	struct world *world = context;

	return rdx_index_each(world->x.index, 2, 0, see, &world->prefix, ret);
}

static int difference(void *context, void *ret)
{
	return rdx_index_verify(((struct world *)context)->x.index, 2, 0, ret);
}

static int reader_stats(void *context, void *ret)
{
	return rdx_reader_get_stats(((struct world *)context)->reader, ret);
}

static int source(void *context, void *ret)
{
	return rdx_reader_get_source(((struct world *)context)->reader, ret);
}

static int range(void *context, void *ret)
{
	return rdx_reader_range(((struct world *)context)->reader, 0, 0, UINT64_MAX, ret);
}

static int recovery(void *context, void *ret)
{
	return rdx_reader_recover(((struct world *)context)->reader, NULL, ret);
}

static int next(void *context, void *ret)
{
	struct world *world = context;
	struct rdx_recovery again = {.size = sizeof(again)};

	assert_int_equal(rdx_reader_recover(world->reader, NULL, &again), 0);
	return rdx_reader_next(world->reader, ret);
}

static void open_world(struct world *world)
{
	struct rdx_index_rank info;

	memset(world, 0, sizeof(*world));
	indexer_rig_make(&world->x);
	indexer_rig_open(&world->x, RDX_WAIT_AUTO);
	world->publisher = prompt_publisher(&world->x, 2, 0);
	prompt_store(world->publisher, 1, 3, 0);
	until_state(&world->x, 2, 0, RDX_STATE_EXACT, world->publisher, &info);
	assert_int_equal(rdx_reader_open(&world->reader, world->x.dir, 2, 0), 0);
}

static void close_world(struct world *world)
{
	rdx_reader_close(world->reader);
	rdx_publisher_close(world->publisher);
	indexer_rig_end(&world->x);
}

#define OUTPUT(call, type, last, answer)                                                           \
	expect_output(call, &world, sizeof(struct type), offsetof(struct type, last), answer)

static void test_outputs(void **state)
{
	const struct rdx_source said = {.size = sizeof(said), .kind = RDX_SOURCE_BRIDGE};
	struct world world;

	(void)state;
	open_world(&world);
	OUTPUT(publisher_stats, rdx_publisher_stats, names, 0);
	OUTPUT(indexer_stats, rdx_indexer_stats, wakes, 0);
	OUTPUT(recovery_row, rdx_recovery_row, duration_ns, 0);
	OUTPUT(segment_row, rdx_segment_row, dp_rank, 0);
	OUTPUT(mark, rdx_index_mark, event_id, 0);
	OUTPUT(difference, rdx_difference, first_hash, 0);
	OUTPUT(range, rdx_range, last_event_id, 0);
	OUTPUT(recovery, rdx_recovery, slots_skipped, 0);
	OUTPUT(next, rdx_event, hashes, 1);
	OUTPUT(reader_stats, rdx_reader_stats, ledger_records, 0);
	assert_int_equal(rdx_publisher_set_source(world.publisher, &said), 0);
	OUTPUT(source, rdx_source, said_ns, 0);
	assert_int_equal(rdx_reader_info(world.reader)->size, sizeof(struct rdx_rank_info));
	close_world(&world);
}

/* Rows lie as far from each other as the first one's size says. */
static void test_rows(void **state)
{
	uint64_t sizes[] = {offsetof(struct rdx_run, event_age_ns), sizeof(struct rdx_run),
			    sizeof(struct rdx_run) + BEYOND};
	struct rdx_publisher *second;
	struct rdx_index_rank info;
	struct world world;
	uint8_t rows[ROWS * 1024];

	(void)state;
	open_world(&world);
	second = prompt_publisher(&world.x, 3, 1);
	prompt_store(second, 1, 3, 0);
	until_state(&world.x, 3, 1, RDX_STATE_EXACT, second, &info);
	for (int i = 0; i < 3; i++) {
		uint64_t ids = 0;

		memset(rows, PATTERN, sizeof(rows));
		memcpy(rows, &sizes[i], sizeof(sizes[i]));
		assert_int_equal(rdx_index_lookup(world.x.index, NULL, 0, (void *)rows, ROWS),
				 ROWS);
		for (int row = 0; row < ROWS; row++) {
			const struct rdx_run *run = (const void *)(rows + (uint64_t)row * sizes[i]);

			assert_int_equal(run->size, sizes[i]);
			ids += run->worker_id;
		}
		assert_int_equal(ids, 5);
		assert_int_equal(rows[ROWS * sizes[i]], PATTERN);
	}
	sizes[0] = offsetof(struct rdx_index_rank, events);
	memset(rows, PATTERN, sizeof(rows));
	memcpy(rows, &sizes[0], sizeof(sizes[0]));
	assert_int_equal(rdx_index_ranks(world.x.index, (void *)rows, ROWS), ROWS);
	assert_int_equal(((const struct rdx_index_rank *)rows)->size, sizes[0]);
	assert_int_equal(rows[ROWS * sizes[0]], PATTERN);
	rdx_publisher_close(second);
	close_world(&world);
}

/* A row says where its rank is, which life that was, and when it last said something. */
static void test_a_row_says_the_instance(void **state)
{
	struct rdx_run run = {.size = sizeof(run)};
	struct rdx_publisher_options options;
	struct rdx_index_rank info;
	const char *before;
	struct world world;
	uint64_t epoch;

	(void)state;
	open_world(&world);
	assert_int_equal(rdx_index_lookup(world.x.index, NULL, 0, &run, 1), 1);
	assert_string_equal(run.instance, "http://localhost:8000");
	assert_int_equal(run.epoch, rdx_publisher_epoch(world.publisher));
	assert_true(run.event_age_ns != UINT64_MAX);
	assert_memory_equal(rdx_publisher_hash_key(world.publisher),
			    rdx_index_hash_key(world.x.index), sizeof(struct rdx_hash_key));

	/* the worker leaves: what the row pointed to is still the instance of that epoch */
	before = run.instance;
	epoch = run.epoch;
	rdx_publisher_close(world.publisher);
	until_state(&world.x, 2, 0, RDX_STATE_GONE, NULL, &info);
	assert_string_equal(before, "http://localhost:8000");
	options = prompt_options(&world.x, 2, 0, 2, 64);
	options.instance = "http://another:1";
	assert_int_equal(rdx_publisher_open(&world.publisher, &options), 0);
	until_state(&world.x, 2, 0, RDX_STATE_EXACT, world.publisher, &info);
	assert_int_equal(rdx_index_lookup(world.x.index, NULL, 0, &run, 1), 1);
	assert_string_equal(run.instance, "http://another:1");
	assert_true(run.epoch != epoch);
	assert_true(run.event_age_ns == UINT64_MAX);
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inputs),
		cmocka_unit_test(test_outputs),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_a_row_says_the_instance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
