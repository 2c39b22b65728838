/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what one worker may take of an indexer: ranks, columns, bytes, indexes. What is beyond
 * is refused with its cause, another worker is EXACT, and there is room again when some of it ends.
 */
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include "consumer/index/refused_file.h"
#include "consumer/indexer/indexer_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GREEDY 1
#define MODEST 2
#define MOST   3 /* ranks of the greedy worker that are within its limits */

#define GROWN_BLOCKS 1024

static void open_indexer(struct indexer_rig *x, struct rdx_indexer_options limits)
{
	indexer_rig_make(x);
	limits.size = sizeof(limits);
	limits.dir = x->dir;
	limits.initial_blocks = 256;
	limits.stale_after_ns = INDEXER_NEVER_STALE;
	assert_int_equal(rdx_indexer_open(&x->indexer, &limits), 0);
}

static struct rdx_publisher *open_rank(const struct indexer_rig *x, uint32_t rank,
				       const char *model)
{
	struct rdx_publisher_options options = prompt_options(x, GREEDY, rank, 1, 32);
	struct rdx_publisher *publisher;

	if (model)
		options.model = model;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	return publisher;
}

/* What became of a rank when it was first seen; 0: it is followed. */
static int32_t first_cause(struct indexer_rig *x, uint32_t rank)
{
	struct rdx_segment_row row = {.size = sizeof(row)};

	UNTIL (rdx_indexer_segment(x->indexer, rank, &row) == 0)
		indexer_poll(x);
	return row.cause;
}

/* For who looks from outside: the refused rank, or no file. */
static void expect_told(const struct indexer_rig *x, uint32_t refused)
{
	struct rdx_refused_file file = {0};
	int fd = openat(x->rig.dir_fd, RDX_REFUSED_NAME, O_RDONLY | O_CLOEXEC);

	assert_int_equal(fd >= 0, refused);
	if (fd < 0)
		return;
	assert_int_equal(read(fd, &file, sizeof(file)),
			 offsetof(struct rdx_refused_file, row) + sizeof(file.row[0]));
	assert_true(file.magic == RDX_REFUSED_MAGIC);
	assert_int_equal(file.count, 1);
	assert_int_equal(file.row[0].worker_id, GREEDY);
	assert_int_equal(file.row[0].dp_rank, MOST);
	assert_int_equal(file.row[0].cause, -EDQUOT);
	close(fd);
}

/* News in the directory: it is looked through, twice. */
static void walk(struct indexer_rig *x)
{
	uint64_t walks = x->indexer->walks;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(mkdirat(x->rig.dir_fd, "news", 0755), 0);
		UNTIL (x->indexer->walks > walks + (uint64_t)i)
			indexer_poll(x);
		assert_int_equal(unlinkat(x->rig.dir_fd, "news", AT_REMOVEDIR), 0);
	}
}

static ino_t told(const struct indexer_rig *x)
{
	struct stat st;

	assert_int_equal(fstatat(x->rig.dir_fd, RDX_REFUSED_NAME, &st, 0), 0);
	return st.st_ino;
}

/* It is written when it changes, or is gone. */
static void expect_told_once(struct indexer_rig *x)
{
	ino_t inode = told(x);

	walk(x);
	assert_true(told(x) == inode);
	assert_int_equal(unlinkat(x->rig.dir_fd, RDX_REFUSED_NAME, 0), 0);
	walk(x);
	expect_told(x, 1);
}

/* `models`: each rank serves another one. */
static void exceed(struct rdx_indexer_options limits, int models)
{
	struct rdx_publisher *greedy[MOST + 1], *modest;
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	struct indexer_rig x;
	char model[16];

	open_indexer(&x, limits);
	for (uint32_t rank = 0; rank <= MOST; rank++) {
		snprintf(model, sizeof(model), "model-%u", rank);
		greedy[rank] = open_rank(&x, rank, models ? model : NULL);
		assert_int_equal(first_cause(&x, rank), rank < MOST ? 0 : -EDQUOT);
	}
	modest = prompt_publisher(&x, MODEST, 0);
	prompt_store(modest, 1, 30, 0);
	until_state(&x, MODEST, 0, RDX_STATE_EXACT, modest, NULL);
	assert_int_equal(prompt_run(x.index, 1, 40, MODEST, 0), 30);
	assert_int_equal(rdx_indexer_get_stats(x.indexer, &stats), 0);
	assert_int_equal(stats.refused, 1);
	expect_told(&x, 1);
	if (limits.worker_ranks_max) /* it is the same for all */
		expect_told_once(&x);
	assert_int_equal(stats.ranks, MOST + 1);

	rdx_publisher_close(greedy[0]);
	until_cause(&x, GREEDY, MOST, 0);
	until_cause(&x, GREEDY, 0, -ESRCH);
	expect_told(&x, 0);
	for (uint32_t rank = 1; rank <= MOST; rank++)
		rdx_publisher_close(greedy[rank]);
	rdx_publisher_close(modest);
	indexer_rig_end(&x);
}

static void test_ranks(void **state)
{
	(void)state;
	exceed((struct rdx_indexer_options){.worker_ranks_max = MOST}, 0);
}

static void test_columns(void **state)
{
	(void)state;
	exceed((struct rdx_indexer_options){.worker_columns_max = 2 * MOST + 1}, 0);
}

static void test_bytes(void **state)
{
	struct rdx_publisher_options options;
	uint64_t bytes;
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	options = prompt_options(&x, GREEDY, 0, 1, 32);
	assert_int_equal(rdx_publisher_segment_size(&options, &bytes), 0);
	indexer_rig_end(&x);
	exceed((struct rdx_indexer_options){.worker_bytes_max = MOST * bytes}, 0);
}

/* A rank that becomes longer while it is followed takes no more than it may, and nothing of its sibling. */
static void test_bytes_grown(void **state)
{
	struct rdx_indexer_options limits = {0};
	struct rdx_publisher_options options;
	struct rdx_publisher *grown, *sibling;
	uint64_t bytes, small_bytes;
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	options = prompt_options(&x, GREEDY, 0, 1, 32);
	options.remembered_names = 32;
	assert_int_equal(rdx_publisher_segment_size(&options, &small_bytes), 0);
	options.remembered_names = GROWN_BLOCKS;
	assert_int_equal(rdx_publisher_segment_size(&options, &bytes), 0);
	indexer_rig_end(&x);

	/* a sibling, and one that has grown to some of the blocks, but not to all */
	limits.worker_bytes_max = small_bytes + bytes;
	open_indexer(&x, limits);
	options = prompt_options(&x, GREEDY, 0, 1, 32);
	options.remembered_names = 32;
	assert_int_equal(rdx_publisher_open(&grown, &options), 0);
	options.dp_rank = 1;
	assert_int_equal(rdx_publisher_open(&sibling, &options), 0);
	prompt_store(sibling, 2, 30, 0);
	prompt_store(grown, 1, GROWN_BLOCKS / 2, 0);
	until_state(&x, GREEDY, 0, RDX_STATE_EXACT, grown, NULL);
	until_state(&x, GREEDY, 1, RDX_STATE_EXACT, sibling, NULL);
	assert_int_equal(first_cause(&x, 0), 0);

	prompt_store(grown, 1, 2 * GROWN_BLOCKS, 0);
	until_cause(&x, GREEDY, 0, -EDQUOT);
	assert_int_equal(prompt_run(x.index, 1, 4, GREEDY, 0), 0);
	until_state(&x, GREEDY, 1, RDX_STATE_EXACT, sibling, NULL);
	assert_int_equal(prompt_run(x.index, 2, 40, GREEDY, 1), 30);

	/* within the limit again, and as the engine says of itself: it was exact all the time */
	rdx_publisher_close(grown);
	rdx_publisher_close(sibling);
	options.dp_rank = 0;
	assert_int_equal(rdx_publisher_open(&grown, &options), 0);
	prompt_store(grown, 1, GROWN_BLOCKS, 0);
	until_state(&x, GREEDY, 0, RDX_STATE_EXACT, grown, NULL);
	rdx_publisher_close(grown);
	indexer_rig_end(&x);
}

/* An index that no rank feeds any more makes room, too. */
static void test_indexes(void **state)
{
	(void)state;
	exceed((struct rdx_indexer_options){.worker_indexes_max = MOST}, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranks),   cmocka_unit_test(test_columns),
		cmocka_unit_test(test_bytes),   cmocka_unit_test(test_bytes_grown),
		cmocka_unit_test(test_indexes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
