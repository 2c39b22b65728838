/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a limit on the size of files (RLIMIT_FSIZE, ulimit -f) below what is to be made. The
 * kernel would end the process by SIGXFSZ, whose default action stands here: each call answers
 * -EFBIG instead and leaves nothing, for every file that ringdex makes.
 */
#include "consumer/index/index_file.h"
#include "shm/namespace_layout.h"
#include "tests/indexer_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* the least table, see grow.c */
#define LINES 512
#define SETS  1024

/* The soft limit, which can be raised again. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int is_there(const struct indexer_rig *x, const char *name)
{
	struct stat st;

	return fstatat(x->rig.dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Files in a directory of the namespace, temporary ones too, but for locks. */
static int count_files(const struct indexer_rig *x, const char *name)
{
	char path[128];
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", x->dir, name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			 !strstr(entry->d_name, ".lock");
	if (dir)
		closedir(dir);
	return count;
}

/* The worker's files in the order in which they are made, with a limit one byte short of each. */
static void test_publisher(void **state)
{
	struct rdx_publisher *publisher;
	struct rdx_publisher_options options;
	struct indexer_rig x;
	uint64_t bytes;

	(void)state;
	indexer_rig_make(&x);
	options = prompt_options(&x, 1, 0, 1, 64);
	options.clear_scope = RDX_CLEAR_WORKER;
	assert_int_equal(rdx_publisher_segment_size(&options, &bytes), 0);
	assert_int_equal(unlinkat(x.rig.dir_fd, "key", 0), 0);
	limit_files(RDX_KEY_BYTES - 1);
	assert_int_equal(rdx_publisher_open(&publisher, &options), -EFBIG);
	assert_int_equal(count_files(&x, "."), 0);
	limit_files(sizeof(struct rdx_clear) - 1);
	assert_int_equal(rdx_publisher_open(&publisher, &options), -EFBIG);
	assert_true(is_there(&x, "key"));
	assert_int_equal(count_files(&x, "1"), 0);
	limit_files(bytes - 1);
	assert_int_equal(rdx_publisher_open(&publisher, &options), -EFBIG);
	assert_true(is_there(&x, "1/clear"));
	assert_int_equal(count_files(&x, "1"), 1);
	limit_files(bytes);
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	rdx_publisher_close(publisher);
	limit_files(RLIM_INFINITY);
	indexer_rig_end(&x);
}

/* Without a bell everything is polled: no failure. */
static void test_indexer_open(void **state)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	options.dir = x.dir;
	assert_int_equal(unlinkat(x.rig.dir_fd, "key", 0), 0);
	limit_files(RDX_KEY_BYTES - 1);
	assert_int_equal(rdx_indexer_open(&x.indexer, &options), -EFBIG);
	assert_false(is_there(&x, "key"));
	limit_files(sizeof(struct rdx_bell) - 1);
	assert_int_equal(rdx_indexer_open(&x.indexer, &options), 0);
	assert_false(is_there(&x, "bell"));
	limit_files(RLIM_INFINITY);
	indexer_rig_end(&x);
}

/* Neither file of an index can be made: the rank says why, until it can. */
static void test_index(void **state)
{
	const uint64_t table = rdx_index_table_bytes(LINES, LINES + SETS);
	struct rdx_publisher *publisher;
	struct indexer_rig x;

	(void)state;
	assert_true(table > sizeof(struct rdx_index_ctl));
	indexer_rig_make(&x);
	publisher = prompt_publisher(&x, 1, 0);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	limit_files(sizeof(struct rdx_index_ctl) - 1);
	until_cause(&x, 1, 0, -EFBIG);
	assert_int_equal(count_files(&x, "index"), 1); /* that of refusals */
	rdx_indexer_close(x.indexer);
	limit_files(table - 1);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	until_cause(&x, 1, 0, -EFBIG);
	assert_int_equal(count_files(&x, "index"), 1); /* that of refusals */
	limit_files(table);
	until_state(&x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	rdx_publisher_close(publisher);
	limit_files(RLIM_INFINITY);
	indexer_rig_end(&x);
}

/* The table cannot grow: what does not fit is missing, nothing else changes. */
static void test_growth(void **state)
{
	struct rdx_publisher *publisher;
	struct rdx_publisher_options options;
	struct rdx_index_rank info = {.size = sizeof(info)};
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	options = prompt_options(&x, 1, 0, 1, PROMPT_MAX);
	options.ring_slots = 1024;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	limit_files(rdx_index_table_bytes(LINES, LINES + SETS));
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	until_state(&x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	prompt_store(publisher, 1, PROMPT_MAX, 0);
	until_state(&x, 1, 0, RDX_STATE_LACKING, publisher, &info);
	assert_int_equal(info.cause, -ENOSPC);
	assert_int_equal(count_files(&x, "index"), 2);
	limit_files(RLIM_INFINITY);
	until_state(&x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	assert_int_equal(prompt_run(x.index, 1, PROMPT_MAX, 1, 0), PROMPT_MAX);
	rdx_publisher_close(publisher);
	indexer_rig_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_publisher),
		cmocka_unit_test(test_indexer_open),
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
