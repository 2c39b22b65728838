/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: each call of the system and of the heap fails once while an indexer opens, follows two
 * ranks, grows and meets a new epoch, and while an index is looked up. In the end both ranks are EXACT.
 */
#include "tests/failing/failing.h"

#include <errno.h>
#include <fcntl.h>
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANKS  2
#define BLOCKS 200       /* of each: more than a ring has room for */
#define POLLS  13        /* calls fail in, and as many after */
#define TRIES  2000      /* until all is exact */
#define TICK   100000000 /* ns, on the clock of the test: a walk every ten polls */
#define MODEL  "model"

static struct rdx_publisher *publishers[RANKS];
static uint32_t wait_mode;

static void store(struct rdx_publisher *publisher, uint64_t first, uint32_t count)
{
	for (uint64_t name = first; name < first + count; name++) {
		struct rdx_stored stored = {.size = sizeof(stored),
					    .names = &name,
					    .count = 1,
					    .local_hashes = &name,
					    .name_bytes = 8};

		assert_int_equal(rdx_publish_stored(publisher, &stored), 0);
	}
}

/* Rank 1 has a clear of its worker's, and so a clear file. */
static void begin_rank(const struct rig *rig, uint32_t i)
{
	struct rdx_publisher_options options = {.size = sizeof(options)};

	options.dir = rig->dir;
	options.instance = "http://localhost:8000";
	options.model = MODEL;
	options.worker_id = i + 1;
	options.clear_scope = i ? RDX_CLEAR_WORKER : RDX_CLEAR_RANK;
	options.ring_slots = 64;
	options.tier_blocks[0] = 4 * BLOCKS;
	assert_int_equal(rdx_publisher_open(&publishers[i], &options), 0);
	store(publishers[i], 1, BLOCKS);
}

/* No segment, in a directory of its own. */
static void spoil(const struct rig *rig)
{
	assert_int_equal(mkdirat(rig->dir_fd, "9", 0755), 0);
	close(openat(rig->dir_fd, "9/0.seg", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int begin_ranks(void **state)
{
	int r = rig_setup(state);

	for (uint32_t i = 0; i < RANKS; i++)
		begin_rank(*state, i);
	spoil(*state);
	return r;
}

static int end_ranks(void **state)
{
	for (uint32_t i = 0; i < RANKS; i++)
		rdx_publisher_close(publishers[i]);
	return rig_teardown(state);
}

static int open_indexer(const struct rig *rig, struct rdx_indexer **ret_indexer)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};

	options.dir = rig->dir;
	options.initial_blocks = 1;
	options.stale_after_ns = UINT64_C(1) << 60;
	options.wait_mode = wait_mode;
	return rdx_indexer_open(ret_indexer, &options);
}

static int open_and_close(struct rig *rig)
{
	struct rdx_indexer *indexer = NULL;
	int r = open_indexer(rig, &indexer);

	rdx_indexer_close(indexer);
	return r;
}

/* Done without: the bell, the directory's watch, and io_uring. */
static const struct failing_answer opening[] = {
	{"calloc", 0, 1},
	{"openat", 0, 3},
	{"fstat", 0, 3},
	{"pread", 0, 1},
	{"mmap", 0, 1},
	{"madvise", 0, 1},
	{"fdopendir", 0, 1},
	{"readdir", 0, 12},
	{"inotify_init1", 0, 1},
	{"inotify_add_watch", 0, 4},
	{"io_uring_queue_init_params", 0, 1},
	{"io_uring_submit_and_wait", 0, 1},
	{"io_uring_ring_dontfork", 0, 1},
	{NULL, 0, 0},
};

static void test_open(void **state)
{
	const struct failing failing = {.run = open_and_close, .answers = opening, .least = 15};

	wait_mode = RDX_WAIT_AUTO;
	failing_each(*state, &failing);
	wait_mode = RDX_WAIT_EPOLL;
	failing_each(*state, &failing);
}

/* Segments that it knows of; those that are no segments, too. */
static uint32_t count_rows(const struct rdx_indexer *indexer)
{
	struct rdx_segment_row row = {.size = sizeof(row)};
	uint32_t rows = 0;

	while (rdx_indexer_segment(indexer, rows, &row) == 0)
		rows++;
	return rows;
}

/* A few rounds. The first error. What was seen once, and is there, is not forgotten because a look
 * failed. */
static int go_on(struct rdx_indexer *indexer, uint32_t polls)
{
	int r = 0, error = 0;

	for (uint32_t i = 0; i < polls; i++) {
		uint32_t rows = count_rows(indexer);

		r = rdx_indexer_poll(indexer, 0);
		error = r < 0 && !error ? r : error;
		r = rdx_indexer_wait(indexer, 0);
		error = r < 0 && !error ? r : error;
		/* who may not look into a directory any more takes it for none */
		if (faults_now().error != EACCES)
			assert_true(count_rows(indexer) >= rows);
		faults_pass(TICK);
	}
	return error;
}

static int is_exact(struct rdx_index *index, uint64_t worker_id)
{
	struct rdx_index_rank ranks[RANKS + 1] = {{.size = sizeof(ranks[0])}};
	struct rdx_difference difference = {.size = sizeof(difference)};
	int i = 0, count = rdx_index_ranks(index, ranks, RANKS + 1);

	while (i < count && ranks[i].worker_id != worker_id)
		i++;
	return i < count && ranks[i].state == RDX_STATE_EXACT &&
	       rdx_index_verify(index, worker_id, 0, &difference) == 0 &&
	       difference.differences == 0 && difference.compared >= BLOCKS;
}

/* Nothing fails any more: all is exact in the end. */
static int until_exact(const struct rig *rig, struct rdx_indexer *indexer)
{
	struct rdx_index_key key = {.size = sizeof(key), .model = MODEL};
	struct rdx_index *index = NULL;
	uint32_t exact = 0;

	faults_pause();
	for (uint32_t i = 0; i < TRIES && exact < RANKS; i++) {
		go_on(indexer, 1);
		faults_pass(TICK);
		if (!index && rdx_index_open(&index, rig->dir, &key) < 0)
			continue;
		for (exact = 0; exact < RANKS && is_exact(index, exact + 1); exact++)
			;
	}
	rdx_index_close(index);
	faults_resume();
	return exact == RANKS ? 0 : -ETIME;
}

/* Following from nothing. */
static int follow(struct rig *rig)
{
	struct rdx_indexer *indexer = NULL;
	int r, error;

	faults_pause();
	r = open_indexer(rig, &indexer);
	faults_resume();
	if (r < 0)
		return r;
	error = go_on(indexer, POLLS);
	r = until_exact(rig, indexer);
	rdx_indexer_close(indexer);
	return r < 0 ? r : error;
}

/* A poll says no more of what fails than that there is no memory, or no directory. */
static void test_follow(void **state)
{
	const struct failing failing = {.run = follow, .least = 60, .goes_on = 1};

	wait_mode = RDX_WAIT_EPOLL;
	failing_each(*state, &failing);
	wait_mode = RDX_WAIT_AUTO;
	failing_each(*state, &failing);
}

static void visit(void *context, uint64_t prefix, uint8_t tiers)
{
	*(uint64_t *)context += prefix != 0 && tiers;
}

static int look_up(struct rdx_index *index)
{
	struct rdx_run runs[RANKS + 1] = {{.size = sizeof(runs[0])}};
	struct rdx_index_rank ranks[RANKS + 1] = {{.size = sizeof(ranks[0])}};
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	struct rdx_difference difference = {.size = sizeof(difference)};
	const uint32_t ids[16] = {1};
	const struct rdx_tokens tokens = {.size = sizeof(tokens), .ids = ids, .count = 16};
	const uint64_t local[] = {1};
	uint64_t prefix, visited = 0;
	int r = rdx_index_lookup_local(index, local, 1, runs, RANKS + 1);

	assert_true(r < 0 || r == RANKS);
	rdx_hash_chain(rdx_index_hash_key(index), 0, local, 1, &prefix);
	if (r >= 0)
		r = rdx_index_lookup(index, &prefix, 1, runs, RANKS + 1);
	assert_true(r < 0 || r == RANKS);
	if (r >= 0)
		r = rdx_index_ranks(index, ranks, RANKS + 1);
	assert_true(r < 0 || r == RANKS);
	if (r >= 0) /* these blocks nobody has */
		r = rdx_index_lookup_tokens(index, &tokens, runs, RANKS + 1);
	if (r >= 0)
		r = rdx_index_each(index, 1, 0, visit, &visited, &mark);
	if (r == 0)
		r = rdx_index_verify(index, 2, 0, &difference);
	assert_true(r < 0 || (visited == BLOCKS && difference.differences == 0));
	return r;
}

static int look_all_up(struct rig *rig)
{
	struct rdx_index_key key = {.size = sizeof(key), .model = MODEL};
	struct rdx_index *index = NULL;
	int r = rdx_index_open(&index, rig->dir, &key);

	if (r == 0)
		r = look_up(index);
	rdx_index_close(index);
	return r;
}

/* These make no call of the system, nor of the heap. */
static void ask_quietly(const struct rdx_indexer *indexer)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	struct rdx_recovery_row recovery = {.size = sizeof(recovery)};
	struct rdx_segment_row segment = {.size = sizeof(segment)};

	faults_arm(0, 0);
	assert_int_equal(rdx_indexer_get_stats(indexer, &stats), 0);
	assert_int_equal(rdx_indexer_recovery(indexer, 0, &recovery), 0);
	assert_int_equal(rdx_indexer_segment(indexer, 0, &segment), 0);
	assert_int_equal(faults_disarm().calls, 0);
}

static void test_index(void **state)
{
	static const struct failing_answer answers[] = {
		{"madvise", 0, 10}, /* huge pages, populating */
		/* a successor, which a slow machine looks for more than once: the heartbeat is old */
		{"open", 0, 100},
		{"openat", 0, 100},
		{"read", 0, 100},
		{"stat", 0, 100},
		{"fstat", 0, 100},
		{"pread", 0, 100},
		{"mmap", 0, 100},
		{NULL, 0, 0},
	};
	const struct failing failing = {.run = look_all_up, .answers = answers, .least = 20};
	struct rdx_indexer *indexer = NULL;

	wait_mode = RDX_WAIT_EPOLL;
	assert_int_equal(open_indexer(*state, &indexer), 0);
	assert_int_equal(until_exact(*state, indexer), 0);
	failing_each(*state, &failing);
	ask_quietly(indexer);
	rdx_indexer_close(indexer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_ranks, end_ranks)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open),
		TEST(test_follow),
		TEST(test_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
