/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the indexer at its limits: ranks for which the table needs more columns, then more
 * than there are, then more than an index knows; and a file system that is full when the table has
 * to grow. Ranks that do not fit are reported, all others are exact, and those that did not fit are
 * exact again once there is room.
 */
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define RANKS_FIRST  40 /* with four tiers: more than 64 columns' worth */
#define RANKS_FULL   64 /* all 512 columns: a pair for each tier */
#define RANKS_MORE   70
#define RANKS_MANY   (RDX_RANKS_MAX + 4)
#define RANKS_EACH   20 /* of a worker */
#define FILES_A_RANK 5  /* open at once, publisher and indexer in one process */

static uint64_t worker_of(uint32_t rank)
{
	return 1 + rank / RANKS_EACH;
}

static struct rdx_publisher *open_rank(const struct indexer_rig *x, uint32_t rank, int tiers)
{
	struct rdx_publisher_options options = prompt_options(x, worker_of(rank), rank, tiers, 32);
	struct rdx_publisher *publisher;

	options.remembered_names = 8;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	return publisher;
}

/* Every rank's answer to a prompt that all share is its own length of it. */
static void assert_exact(struct indexer_rig *x, struct rdx_publisher **publisher, uint32_t from,
			 uint32_t to)
{
	struct rdx_difference difference = {.size = sizeof(difference)};

	for (uint32_t rank = from; rank < to; rank++) {
		until_state(x, worker_of(rank), rank, RDX_STATE_EXACT, publisher[rank], NULL);
		assert_int_equal(prompt_run(x->index, 1, 32, worker_of(rank), rank),
				 1 + (int)(rank % 31));
		if (rank % 8)
			continue;
		assert_int_equal(rdx_index_verify(x->index, worker_of(rank), rank, &difference), 0);
		assert_int_equal(difference.differences, 0);
	}
}

static void open_ranks(struct indexer_rig *x, struct rdx_publisher **publisher, uint32_t from,
		       uint32_t to, int tiers)
{
	for (uint32_t rank = from; rank < to; rank++) {
		publisher[rank] = open_rank(x, rank, tiers);
		prompt_store(publisher[rank], 1, 1 + rank % 31, (uint8_t)(rank % (uint32_t)tiers));
	}
}

/* Both sides of every rank are in this process: more files than many a soft limit. */
static void need_files(rlim_t files)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_cur >= files)
		return;
	if (limit.rlim_max < files) {
		print_message("skipped: at most %llu files may be open, %llu are needed "
			      "(ulimit -Hn)\n",
			      (unsigned long long)limit.rlim_max, (unsigned long long)files);
		skip();
	}
	limit.rlim_cur = files;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static uint64_t refused(const struct indexer_rig *x)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_indexer_get_stats(x->indexer, &stats), 0);
	assert_int_equal(stats.unreadable, 0); /* each is counted once */
	return stats.refused;
}

static void test_columns_grow_and_end(void **state)
{
	struct rdx_publisher *publisher[RANKS_MORE];
	struct rdx_index_rank info = {.size = sizeof(info)};
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	open_ranks(&x, publisher, 0, RANKS_FIRST, 4);
	assert_exact(&x, publisher, 0, RANKS_FIRST);
	open_ranks(&x, publisher, RANKS_FIRST, RANKS_FULL, 4);
	assert_exact(&x, publisher, 0, RANKS_FULL);

	open_ranks(&x, publisher, RANKS_FULL, RANKS_MORE, 4);
	for (uint32_t rank = RANKS_FULL; rank < RANKS_MORE; rank++) {
		until_cause(&x, worker_of(rank), rank, -ENOSPC);
		until_state(&x, worker_of(rank), rank, RDX_STATE_INEXACT, NULL, &info);
		assert_int_equal(info.cause, -ENOSPC);
		assert_int_equal(prompt_run(x.index, 1, 32, worker_of(rank), rank), 0);
	}
	assert_int_equal(refused(&x), RANKS_MORE - RANKS_FULL);
	assert_exact(&x, publisher, 0, RANKS_FULL);

	/* homes of ranks that go are for ranks that wait */
	for (uint32_t rank = 0; rank < RANKS_MORE - RANKS_FULL; rank++)
		rdx_publisher_close(publisher[rank]);
	assert_exact(&x, publisher, RANKS_MORE - RANKS_FULL, RANKS_MORE);
	assert_int_equal(refused(&x), 0);
	for (uint32_t rank = RANKS_MORE - RANKS_FULL; rank < RANKS_MORE; rank++)
		rdx_publisher_close(publisher[rank]);
	indexer_rig_end(&x);
}

static void test_more_ranks_than_an_index_knows(void **state)
{
	static struct rdx_publisher *publisher[RANKS_MANY];
	struct rdx_segment_row row = {.size = sizeof(row)};
	struct indexer_rig x;
	uint32_t named = 0;

	(void)state;
	need_files(RANKS_MANY * FILES_A_RANK + 64);
	indexer_rig_make(&x);
	open_ranks(&x, publisher, 0, RANKS_MANY, 1);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	UNTIL (refused(&x) == RANKS_MANY - RDX_RANKS_MAX)
		indexer_poll(&x);
	for (uint32_t i = 0; rdx_indexer_segment(x.indexer, i, &row) == 0; i++) {
		if (row.cause == 0) {
			until_state(&x, row.worker_id, row.dp_rank, RDX_STATE_EXACT,
				    publisher[row.dp_rank], NULL);
			assert_int_equal(prompt_run(x.index, 1, 32, row.worker_id, row.dp_rank),
					 1 + (int)(row.dp_rank % 31));
			continue;
		}
		assert_int_equal(row.cause, -ENOSPC);
		named++;
	}
	assert_int_equal(named, RANKS_MANY - RDX_RANKS_MAX);
	for (uint32_t rank = 0; rank < RANKS_MANY; rank++)
		rdx_publisher_close(publisher[rank]);
	indexer_rig_end(&x);
}

#define SMALL_BLOCKS 4000

/* Room for an index with its first table, not for one of SMALL_BLOCKS. */
#define ROOM_BYTES (360 << 10)

/* Leave only a little room on the file system. */
static void fill(const char *path)
{
	static const char zeroes[4096];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	off_t bytes = 0;

	assert_true(fd >= 0);
	while (write(fd, zeroes, sizeof(zeroes)) > 0)
		bytes += (off_t)sizeof(zeroes);
	assert_true(bytes > ROOM_BYTES);
	assert_int_equal(ftruncate(fd, bytes - ROOM_BYTES), 0);
	close(fd);
}

static void store_many(struct rdx_publisher *publisher)
{
	prompt_store(publisher, 2, SMALL_BLOCKS, 0);
}

/* A table for what the ranks declare cannot be made: `crowd` does not fit, `modest` does. */
static void run_out_of_space(struct indexer_rig *x)
{
	struct rdx_publisher_options options = prompt_options(x, 2, 0, 1, SMALL_BLOCKS);
	struct rdx_publisher *modest = prompt_publisher(x, 1, 0), *crowd;
	struct rdx_difference difference = {.size = sizeof(difference)};
	struct rdx_index_rank info = {.size = sizeof(info)};
	char filler[128];

	options.ring_slots = 1024;
	assert_int_equal(rdx_publisher_open(&crowd, &options), 0);
	prompt_store(modest, 1, 30, 0);
	snprintf(filler, sizeof(filler), "%s/filler", x->dir);
	fill(filler);
	indexer_rig_open(x, RDX_WAIT_AUTO);
	until_state(x, 1, 0, RDX_STATE_EXACT, modest, NULL);
	until_state(x, 2, 0, RDX_STATE_EXACT, crowd, NULL);

	store_many(crowd);
	until_state(x, 2, 0, RDX_STATE_LACKING, crowd, &info);
	assert_int_equal(info.cause, -ENOSPC);
	assert_int_equal(prompt_run(x->index, 1, 40, 1, 0), 30);
	assert_int_equal(rdx_index_verify(x->index, 1, 0, &difference), 0);
	assert_int_equal(difference.differences, 0);
	assert_in_range(prompt_run(x->index, 2, SMALL_BLOCKS, 2, 0), 1, SMALL_BLOCKS - 1);

	/* nothing is missing of what is cleared */
	assert_int_equal(rdx_publish_cleared(crowd, RDX_SCOPE_ALL, 0), 0);
	until_state(x, 2, 0, RDX_STATE_EXACT, crowd, &info);
	assert_int_equal(info.cause, 0);

	store_many(crowd);
	until_state(x, 2, 0, RDX_STATE_LACKING, crowd, &info);
	assert_int_equal(unlink(filler), 0);
	until_state(x, 2, 0, RDX_STATE_EXACT, crowd, &info);
	assert_int_equal(prompt_run(x->index, 2, SMALL_BLOCKS, 2, 0), SMALL_BLOCKS);
	assert_int_equal(prompt_run(x->index, 1, 40, 1, 0), 30);
	assert_int_equal(rdx_index_verify(x->index, 2, 0, &difference), 0);
	assert_int_equal(difference.differences, 0);
	rdx_publisher_close(modest);
	rdx_publisher_close(crowd);
}

static void test_the_file_system_is_full(void **state)
{
	struct indexer_rig x;
	char small[96];

	(void)state;
	indexer_rig_make(&x);
	snprintf(small, sizeof(small), "%s/small", x.dir);
	assert_int_equal(mkdir(small, 0700), 0);
	if (mount("tmpfs", small, "tmpfs", 0, "size=2m,mode=700") < 0) {
		rig_remove(&x.rig);
		print_message("skipped: not allowed to mount\n");
		skip();
	}
	x.dir = small;
	run_out_of_space(&x);
	rdx_index_close(x.index);
	rdx_indexer_close(x.indexer);
	umount2(small, MNT_DETACH);
	rig_remove(&x.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_grow_and_end),
		cmocka_unit_test(test_more_ranks_than_an_index_knows),
		cmocka_unit_test(test_the_file_system_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
