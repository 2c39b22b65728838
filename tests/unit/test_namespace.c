/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: whose directories are trusted: one in which others may replace files is refused by who
 * reads, one that another user made by who makes files in it too.
 */
#include "shm/namespace.h"
#include "tests/indexer_rig.h"
#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define STRANGER 54321

/* What each opener says of the namespace as it is. */
static void expect_claims(struct indexer_rig *x, int publisher_error, int indexer_error)
{
	struct rdx_publisher_options options = prompt_options(x, 1, 0, 1, 64);
	struct rdx_indexer_options indexing = {.size = sizeof(indexing), .dir = x->dir};
	struct rdx_publisher *publisher = NULL;
	struct rdx_indexer *indexer = NULL;

	assert_int_equal(rdx_publisher_open(&publisher, &options), publisher_error);
	assert_int_equal(rdx_indexer_open(&indexer, &indexing), indexer_error);
	rdx_publisher_close(publisher);
	rdx_indexer_close(indexer);
}

static int reader_error(const struct indexer_rig *x)
{
	struct rdx_reader *reader = NULL;
	int r = rdx_reader_open(&reader, x->dir, 1, 0);

	rdx_reader_close(reader);
	return r;
}

static int index_error(const struct indexer_rig *x)
{
	const struct rdx_index_key key = {.size = sizeof(key), .model = WORKER_MODEL};
	struct rdx_index *index = NULL;
	int r = rdx_index_open(&index, x->dir, &key);

	rdx_index_close(index);
	return r;
}

/* Where a group or all may write, only with the sticky bit. */
static void test_modes(void **state)
{
	static const struct {
		mode_t mode;
		int error;
	} modes[] = {{0700, 0},  {0755, 0},  {02755, 0},     {02775, -EPERM}, {0777, -EPERM},
		     {03775, 0}, {01777, 0}, {0720, -EPERM}, {0702, -EPERM}};
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		assert_int_equal(chmod(x.rig.dir, modes[i].mode), 0);
		expect_claims(&x, modes[i].error, modes[i].error);
		assert_int_equal(reader_error(&x), modes[i].error);
		assert_int_equal(index_error(&x), modes[i].error ? modes[i].error : -ESRCH);
	}
	assert_int_equal(chmod(x.rig.dir, 0700), 0);
	rig_remove(&x.rig);
}

static void test_modes_of_folders(void **state)
{
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	expect_claims(&x, 0, 0);
	assert_int_equal(fchmodat(x.rig.dir_fd, "1", 0777, 0), 0);
	expect_claims(&x, -EPERM, 0);
	assert_int_equal(reader_error(&x), -EPERM);
	assert_int_equal(fchmodat(x.rig.dir_fd, "1", 01777, 0), 0);
	assert_int_equal(fchmodat(x.rig.dir_fd, "index", 0775, 0), 0);
	expect_claims(&x, 0, -EPERM);
	assert_int_equal(reader_error(&x), 0);
	rig_remove(&x.rig);
}

/* Who came first made it: who makes files there does not, who reads may. */
static void test_a_strangers_directory(void **state)
{
	struct indexer_rig x;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped: only root can give a directory away\n");
		skip();
	}
	indexer_rig_make(&x);
	expect_claims(&x, 0, 0);
	assert_int_equal(fchownat(x.rig.dir_fd, "1", STRANGER, STRANGER, 0), 0);
	expect_claims(&x, -EPERM, 0);
	assert_int_equal(reader_error(&x), 0);
	assert_int_equal(fchownat(x.rig.dir_fd, "1", 0, 0, 0), 0);
	assert_int_equal(fchownat(x.rig.dir_fd, "index", STRANGER, STRANGER, 0), 0);
	expect_claims(&x, 0, -EPERM);
	assert_int_equal(fchownat(x.rig.dir_fd, "index", 0, 0, 0), 0);
	assert_int_equal(chown(x.rig.dir, STRANGER, STRANGER), 0);
	expect_claims(&x, -EPERM, -EPERM);
	assert_int_equal(reader_error(&x), 0);
	assert_int_equal(chown(x.rig.dir, 0, 0), 0);
	rig_remove(&x.rig);
}

/* A link in the place of a worker's directory leads to files of whoever made it. */
static void test_a_link_is_no_directory(void **state)
{
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	assert_int_equal(mkdirat(x.rig.dir_fd, "2", 0755), 0);
	assert_int_equal(symlinkat("2", x.rig.dir_fd, "1"), 0);
	expect_claims(&x, -ENOTDIR, 0);
	rig_remove(&x.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_modes_of_folders),
		cmocka_unit_test(test_a_strangers_directory),
		cmocka_unit_test(test_a_link_is_no_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
