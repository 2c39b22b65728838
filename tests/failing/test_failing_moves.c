/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: each call of the system and of the heap fails once while an indexer goes over to a
 * larger table, to a rank's next epoch and to files made again, and while a handle of its index goes
 * over to a table, a successor's file and another directory. In the end each finds all that the ranks
 * hold, or is told to open again.
 */
#include "tests/failing/failing.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANKS 2
#define FEW   64        /* blocks of a rank */
#define MANY  4000      /* a table is too small for it */
#define ASKED 32        /* blocks of a lookup */
#define TRIES 2000      /* until all is as it should be */
#define TICK  300000000 /* ns, on the clock of the test: each poll looks at all that it looks at */
#define SOON  11000000  /* it looks at the directory watch */
#define MODEL "model"

static const struct rdx_index_key key = {.size = sizeof(key), .model = MODEL};

static char dir[HELD_PATH_BYTES];
static struct rdx_publisher *publishers[RANKS];
static struct rdx_indexer *indexer;
static struct rdx_index *handle;

/* ---- What there is */

/* It holds as many as it declares. */
static void begin_rank(uint32_t i, uint32_t blocks)
{
	struct rdx_publisher_options options = failing_publisher(dir, RDX_CLEAR_RANK, blocks);
	uint64_t names[MANY];
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .local_hashes = names,
				    .count = blocks,
				    .name_bytes = sizeof(names[0])};

	for (uint64_t n = 0; n < blocks; n++)
		names[n] = n + 1;
	options.worker_id = i + 1;
	assert_int_equal(rdx_publisher_open(&publishers[i], &options), 0);
	assert_int_equal(rdx_publish_stored(publishers[i], &stored), 0);
}

static void end_rank(uint32_t i)
{
	rdx_publisher_close(publishers[i]);
	publishers[i] = NULL;
}

static void begin_indexer(void)
{
	const struct rdx_indexer_options options = {.size = sizeof(options),
						    .dir = dir,
						    .initial_blocks = 1,
						    .stale_after_ns = UINT64_C(1) << 60,
						    .wait_mode = RDX_WAIT_EPOLL};

	assert_int_equal(rdx_indexer_open(&indexer, &options), 0);
}

/* Ranks that have a row with all that they hold; -errno of the lookup. */
static int count_whole(struct rdx_index *index)
{
	struct rdx_run runs[RANKS + 1] = {{.size = sizeof(runs[0])}};
	uint64_t local[ASKED];
	int rows, whole = 0;

	for (uint64_t n = 0; n < ASKED; n++)
		local[n] = n + 1;
	rows = rdx_index_lookup_local(index, local, ASKED, runs, RANKS + 1);
	for (int i = 0; i < rows; i++)
		whole += runs[i].blocks[0] == ASKED;
	return rows < 0 ? rows : whole;
}

/* The indexer follows this epoch of the rank. */
static int is_exact(struct rdx_index *index, uint32_t i)
{
	struct rdx_index_rank ranks[RANKS + 1] = {{.size = sizeof(ranks[0])}};
	int count = rdx_index_ranks(index, ranks, RANKS + 1), n = 0;

	while (n < count && ranks[n].worker_id != i + 1)
		n++;
	return n < count && ranks[n].state == RDX_STATE_EXACT &&
	       ranks[n].epoch == rdx_publisher_epoch(publishers[i]);
}

static int all_is_exact(void)
{
	struct rdx_index *index;
	int whole = 0, expected = 0;

	if (rdx_index_open(&index, dir, &key) < 0)
		return 0;
	for (uint32_t i = 0; i < RANKS; i++) {
		expected += publishers[i] != NULL;
		whole += publishers[i] && is_exact(index, i);
	}
	whole = whole == expected && count_whole(index) == expected;
	rdx_index_close(index);
	return whole;
}

static uint64_t grown(void)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_indexer_get_stats(indexer, &stats), 0);
	return stats.generations;
}

static void poll_until_exact(void)
{
	int exact = 0;

	for (int i = 0; i < TRIES && !exact; i++) {
		assert_true(rdx_indexer_poll(indexer, 0) >= 0);
		faults_pass(TICK);
		exact = all_is_exact();
	}
	assert_true(exact);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void remove_directory(void)
{
	assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void begin(const struct rig *rig)
{
	snprintf(dir, sizeof(dir), "%.*s/ns", HELD_PATH_BYTES - 4, rig->dir);
	begin_rank(0, FEW);
	begin_indexer();
	poll_until_exact();
	assert_int_equal(rdx_index_open(&handle, dir, &key), 0);
	assert_int_equal(count_whole(handle), 1);
}

static void end(void)
{
	rdx_index_close(handle);
	rdx_indexer_close(indexer);
	for (uint32_t i = 0; i < RANKS; i++)
		end_rank(i);
	remove_directory();
}

/* ---- What happens */

static void table_is_too_small(const struct rig *rig)
{
	(void)rig;
	begin_rank(1, MANY);
}

static void worker_restarts(const struct rig *rig)
{
	(void)rig;
	end_rank(0);
	begin_rank(0, FEW);
}

/* The engine goes on, and makes its segment again. */
static void segment_is_removed(const struct rig *rig)
{
	assert_int_equal(unlinkat(rig->dir_fd, "ns/1/0.seg", 0), 0);
	assert_int_equal(rdx_publisher_check(publishers[0]), 1);
}

static void bell_is_removed(const struct rig *rig)
{
	assert_int_equal(unlinkat(rig->dir_fd, "ns/bell", 0), 0);
	assert_int_equal(rdx_publisher_check(publishers[0]), 0);
}

static void lock_is_removed(const struct rig *rig)
{
	assert_int_equal(unlinkat(rig->dir_fd, "ns/indexer.lock", 0), 0);
}

/* ---- The indexer */

static struct {
	void (*happens)(const struct rig *rig);
	int calls; /* that are made meanwhile: all is done in these, unless one of theirs fails */
	uint64_t tick;
	int answer; /* of a lookup, in the end */
} event;

static int poll_on(struct rig *rig)
{
	int r, error = 0;

	faults_pause();
	begin(rig);
	event.happens(rig);
	faults_resume();
	for (int i = 0; i < event.calls; i++) {
		faults_pass(event.tick);
		r = rdx_indexer_poll(indexer, 0);
		error = r < 0 && !error ? r : error;
	}
	faults_pause();
	assert_true(faults_now().name || (all_is_exact() && !grown() == !publishers[1]));
	poll_until_exact();
	end();
	faults_resume();
	return error;
}

static void each(struct rig *rig, void (*happens)(const struct rig *rig), int calls, uint64_t tick)
{
	const struct failing failing = {.run = poll_on, .least = 10, .goes_on = 1, .is_whole = 1};

	event.happens = happens;
	event.calls = calls;
	event.tick = tick;
	failing_each(rig, &failing);
}

static void test_a_table(void **state)
{
	each(*state, table_is_too_small, 12, SOON);
}

static void test_an_epoch(void **state)
{
	each(*state, worker_restarts, 8, SOON);
}

static void test_a_segment(void **state)
{
	each(*state, segment_is_removed, 8, SOON);
}

static void test_a_bell(void **state)
{
	each(*state, bell_is_removed, 2, TICK);
}

static void test_a_lock(void **state)
{
	each(*state, lock_is_removed, 2, TICK);
}

/* ---- A handle of the index */

/* While nobody looked. */
static void table_was_too_small(const struct rig *rig)
{
	table_is_too_small(rig);
	for (int i = 0; i < TRIES && !grown(); i++)
		assert_true(rdx_indexer_poll(indexer, 0) >= 0);
	assert_true(grown() > 0);
}

static void indexer_restarts(const struct rig *rig)
{
	(void)rig;
	rdx_indexer_close(indexer);
	begin_indexer();
	poll_until_exact();
}

/* The engine goes on, and makes it again with its key. */
static void directory_is_removed(const struct rig *rig)
{
	remove_directory();
	assert_int_equal(rdx_publisher_check(publishers[0]), 1);
	indexer_restarts(rig);
}

static void all_is_removed(const struct rig *rig)
{
	remove_directory();
	worker_restarts(rig);
	indexer_restarts(rig);
}

static int look_up(void)
{
	int r = count_whole(handle);

	assert_true(r <= RANKS);
	return r;
}

/* With the answer that it must come to. */
static void look_until(int answer)
{
	int r = 0;

	for (int i = 0; i < TRIES && r != answer; i++) {
		assert_true(rdx_indexer_poll(indexer, 0) >= 0);
		faults_pass(TICK);
		r = look_up();
	}
	assert_int_equal(r, answer);
}

static int look_on(struct rig *rig)
{
	int r = 0, error = 0;

	faults_pause();
	begin(rig);
	event.happens(rig);
	for (int i = 0; i < event.calls; i++) {
		assert_true(rdx_indexer_poll(indexer, 0) >= 0);
		faults_pass(event.tick);
		faults_resume();
		r = look_up();
		faults_pause();
		error = r < 0 && !error ? r : error;
	}
	assert_true(faults_now().name || r == event.answer);
	look_until(event.answer);
	end();
	faults_resume();
	return error == event.answer ? 0 : error;
}

/* A lookup does without populating; it answers from what it has mapped where what comes next cannot be,
 * until there is nothing else: -errno. */
static void each_lookup(struct rig *rig, void (*happens)(const struct rig *rig), int calls,
			uint64_t tick, int answer)
{
	static const struct failing_answer answers[] = {
		{"madvise", 0, 20},
		{NULL, 0, 0},
	};
	const struct failing failing = {.run = look_on,
					.answers = answers,
					.least = 5,
					.is_whole = 1,
					.goes_on = happens != table_was_too_small};

	event.happens = happens;
	event.calls = calls;
	event.tick = tick;
	event.answer = answer;
	failing_each(rig, &failing);
}

static void test_a_handle_and_a_table(void **state)
{
	each_lookup(*state, table_is_too_small, 16, SOON, RANKS);
}

static void test_a_handle_and_tables(void **state)
{
	each_lookup(*state, table_was_too_small, 2, SOON, RANKS);
}

static void test_a_handle_and_a_successor(void **state)
{
	each_lookup(*state, indexer_restarts, 4, SOON, 1);
}

static void test_a_handle_and_a_directory(void **state)
{
	each_lookup(*state, directory_is_removed, 2, TICK, 1);
}

/* Prefix hashes that callers chained by the old key are void. */
static void test_a_handle_and_a_key(void **state)
{
	each_lookup(*state, all_is_removed, 2, TICK, -EIDRM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_table),
		TEST(test_an_epoch),
		TEST(test_a_segment),
		TEST(test_a_bell),
		TEST(test_a_lock),
		TEST(test_a_handle_and_a_table),
		TEST(test_a_handle_and_tables),
		TEST(test_a_handle_and_a_successor),
		TEST(test_a_handle_and_a_directory),
		TEST(test_a_handle_and_a_key),
	};

	faults_stop_clock();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
