/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: who is in the way of a lock: its owner, a cleaner, or one who should not have been able
 * to open the file; and lock files that others may open.
 */
#include "shm/lock.h"
#include "tests/rig.h"
#include <ringdex/rdx_indexer.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME   "some.lock"
#define NOBODY 65534

static mode_t mode_of(const struct rig *rig)
{
	struct stat st;

	assert_int_equal(fstatat(rig->dir_fd, NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

static int open_once(const struct rig *rig)
{
	int fd = rdx_lock_open(rig->dir_fd, NAME);

	if (fd >= 0)
		rdx_lock_drop(fd);
	return fd < 0 ? fd : 0;
}

static void test_who_is_in_the_way(void **state)
{
	struct flock all = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	struct flock some = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};
	struct rig *rig = *state;
	int fd = rdx_lock_open(rig->dir_fd, NAME), reader;

	assert_true(fd >= 0);
	assert_int_equal(open_once(rig), -EBUSY);
	assert_int_equal(rdx_lock_open_to_clean(rig->dir_fd, NAME, 1), -EBUSY);
	rdx_lock_drop(fd);
	fd = rdx_lock_open_to_clean(rig->dir_fd, NAME, 1);
	assert_true(fd >= 0);
	assert_int_equal(open_once(rig), -EAGAIN);
	assert_int_equal(rdx_lock_open_to_clean(rig->dir_fd, NAME, 1), -EBUSY);
	rdx_lock_drop(fd);
	/* one who opened it while it was open to all; nor is it a cleaner's, whatever it looks like */
	reader = openat(rig->dir_fd, NAME, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fcntl(reader, F_OFD_SETLK, &all), 0);
	assert_int_equal(open_once(rig), -EPERM);
	rdx_lock_drop(reader);
	reader = openat(rig->dir_fd, NAME, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fcntl(reader, F_OFD_SETLK, &some), 0);
	assert_int_equal(open_once(rig), -EPERM);
	rdx_lock_drop(reader);
	assert_int_equal(open_once(rig), 0);
}

static int dir_of_cleaner = -1;

/* A cleaner was there between opening and locking. */
static int take_late(int fd)
{
	assert_int_equal(unlinkat(dir_of_cleaner, NAME, 0), 0);
	return rdx_lock_take(fd);
}

static int make_file(const struct rig *rig)
{
	int fd = openat(rig->dir_fd, NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

/* A lock of a file that has lost its name, or whose name another file has by now, protects nothing. */
static void test_a_name_is_lost(void **state)
{
	struct rig *rig = *state;
	int fd, other;

	dir_of_cleaner = rig->dir_fd;
	fd = make_file(rig);
	assert_int_equal(rdx_lock_named(fd, rig->dir_fd, NAME, take_late), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	fd = make_file(rig);
	assert_int_equal(unlinkat(rig->dir_fd, NAME, 0), 0);
	other = make_file(rig);
	assert_int_equal(rdx_lock_named(fd, rig->dir_fd, NAME, rdx_lock_take), 0);
	assert_int_equal(rdx_lock_named(other, rig->dir_fd, NAME, rdx_lock_take), 1);
	rdx_lock_drop(other);
}

/* A cleaner that does not go on keeps a rank and an indexer out, but it is not taken for another one. */
static void test_a_cleaner_that_stops(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	struct rdx_indexer_options options = {.size = sizeof(options)};
	struct rdx_indexer *indexer = NULL;
	struct rig *rig = *state;
	struct rig_producer producer;
	int fd;

	options.dir = rig->dir;
	assert_int_equal(rig_claim(rig, &producer, &spec), 0);
	rig_release(&producer);
	fd = rdx_lock_open_to_clean(rig->dir_fd, "1/0.lock", 0);
	assert_true(fd >= 0);
	assert_int_equal(rig_claim(rig, &producer, &spec), -EAGAIN);
	rdx_lock_drop(fd);
	assert_int_equal(rig_claim(rig, &producer, &spec), 0);
	rig_release(&producer);
	fd = rdx_lock_open_to_clean(rig->dir_fd, "indexer.lock", 1);
	assert_true(fd >= 0);
	assert_int_equal(rdx_indexer_open(&indexer, &options), -EAGAIN);
	rdx_lock_drop(fd);
	assert_int_equal(rdx_indexer_open(&indexer, &options), 0);
	rdx_indexer_close(indexer);
}

static void test_open_to_others(void **state)
{
	static const mode_t modes[] = {0604, 0640, 0602, 0620, 0601, 0666, 0777};
	struct rig *rig = *state;
	int fd;

	assert_int_equal(open_once(rig), 0);
	assert_int_equal(mode_of(rig), 0600);
	for (uint32_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		assert_int_equal(fchmodat(rig->dir_fd, NAME, modes[i], 0), 0);
		if (i & 1) {
			assert_int_equal(open_once(rig), 0);
		} else {
			fd = rdx_lock_open_to_clean(rig->dir_fd, NAME, 0);
			assert_true(fd >= 0);
			rdx_lock_drop(fd);
		}
		assert_int_equal(mode_of(rig), 0600);
	}
}

static void test_open_to_us(void **state)
{
	struct rig *rig = *state;

	if (geteuid() != 0) {
		print_message("skipped: only root can become another user\n");
		skip();
	}
	assert_int_equal(open_once(rig), 0);
	assert_int_equal(chmod(rig->dir, 01777), 0);
	assert_int_equal(fchmodat(rig->dir_fd, NAME, 0666, 0), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	assert_int_equal(open_once(rig), -EPERM);
	assert_int_equal(rdx_lock_open_to_clean(rig->dir_fd, NAME, 0), -EPERM);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(open_once(rig), 0);
	assert_int_equal(mode_of(rig), 0600);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_who_is_in_the_way),    TEST(test_a_name_is_lost),
		TEST(test_a_cleaner_that_stops), TEST(test_open_to_others),
		TEST(test_open_to_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
