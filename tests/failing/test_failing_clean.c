/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: each call of the system and of the heap fails once while rdx_clean removes what the
 * dead left, and while a publisher that meets a full file system reaps them. What lives stays, what
 * could not be removed is told with its errno, and the next call removes it.
 */
#include "tests/failing/failing.h"

#include <errno.h>
#include <fcntl.h>
#include <ringdex/rdx_clean.h>
#include <ringdex/rdx_publisher.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCKS     64
#define LIVE       2 /* worker */
#define LONG_AGO_S 1000000
#define DIGITS     "0123456789abcdef0123456789abcdef"

/* What the dead left: nobody has the locks, and nobody writes the files. */
static const char *const left[] = {
	"1/0.seg",
	"1/0.lock",
	"1/clear",
	"1/.tmp-1.seg",
	"2/.tmp-0123456789abcdef",
	".tmp-0123456789abcdef",
	"index/" DIGITS ".ctl",
	"index/" DIGITS ".gen7",
	"index/.tmp-" DIGITS ".gen",
};

#define LEFT (sizeof(left) / sizeof(left[0]))

static struct rdx_publisher *live;

static int exists(const struct rig *rig, const char *name)
{
	return faccessat(rig->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void make_old(const struct rig *rig, const char *name)
{
	const struct timespec then[2] = {{.tv_sec = LONG_AGO_S}, {.tv_sec = LONG_AGO_S}};
	int fd = openat(rig->dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, then), 0);
	close(fd);
}

static struct rdx_publisher *open_publisher(const struct rig *rig, uint64_t worker_id)
{
	struct rdx_publisher_options of = failing_publisher(rig->dir, RDX_CLEAR_WORKER, BLOCKS);
	struct rdx_publisher *publisher;

	of.worker_id = worker_id;
	assert_int_equal(rdx_publisher_open(&publisher, &of), 0);
	return publisher;
}

/* As a worker and an indexer leave it that are killed. */
static void litter(const struct rig *rig)
{
	rdx_publisher_close(open_publisher(rig, 1));
	assert_true(mkdirat(rig->dir_fd, "index", 0755) == 0 || errno == EEXIST);
	for (size_t i = 0; i < LEFT; i++) {
		if (!exists(rig, left[i]))
			make_old(rig, left[i]);
	}
	make_old(rig, "1/0.lock");
	make_old(rig, "indexer.lock");
}

/* What was told of, and the first cause that is not "too young". */
struct told {
	struct rdx_clean_result result;
	int cause;
};

static void note(void *context, const struct rdx_cleaned *what)
{
	struct told *told = context;

	if (what->cause == 0)
		told->result.removed++;
	else if (what->cause == -EAGAIN)
		told->result.kept++;
	else
		told->result.failed++;
	if (what->cause != -EAGAIN && !told->cause)
		told->cause = what->cause;
}

/* 0 or the first -errno that it answers, or tells. */
static int clean(const struct rig *rig, struct rdx_clean_options options)
{
	struct rdx_clean_result result = {.size = sizeof(result)};
	struct told told = {.cause = 0};
	int r;

	options.size = sizeof(options);
	options.dir = rig->dir;
	options.tell = note;
	options.context = &told;
	r = rdx_clean(&options, &result);

	if (r < 0)
		return r;
	assert_int_equal(result.removed, told.result.removed);
	assert_int_equal(result.kept, told.result.kept);
	assert_int_equal(result.failed, told.result.failed);
	return told.cause;
}

static uint32_t count_left(const struct rig *rig)
{
	uint32_t count = 0;

	for (size_t i = 0; i < LEFT; i++)
		count += exists(rig, left[i]);
	return count;
}

/* Of the calls in question. */
static struct rdx_clean_options options;

/* What it left, once it has answered `r`. */
static int judge(const struct rig *rig, int r)
{
	if (options.dry_run) {
		assert_int_equal(count_left(rig), LEFT);
	} else if (options.dead_for_ns) {
		assert_true(exists(rig, "1/0.seg") && exists(rig, "index/" DIGITS ".ctl"));
	} else if (r == 0 && count_left(rig)) {
		return -ENODATA; /* nobody was told why */
	}
	return r;
}

static int clean_once(struct rig *rig)
{
	int r;

	faults_pause();
	litter(rig);
	faults_resume();
	r = clean(rig, options);
	faults_pause();
	r = judge(rig, r);
	assert_int_equal(rdx_publisher_check(live), 0);
	assert_int_equal(clean(rig, (struct rdx_clean_options){.dry_run = 0}), 0);
	assert_int_equal(count_left(rig), 0);
	assert_false(exists(rig, "1"));
	assert_int_equal(rdx_publisher_check(live), 0);
	faults_resume();
	return r;
}

/* Done without: the owner of a lock file that root makes, the size and age of what goes, whether a
 * lock that cannot be opened is held, files that are not there, the lock under which a clear file went. */
static const struct failing_answer answers[] = {
	{"fstat", 0, 20},     {"fstatat", 0, 20},  {"fcntl", 0, 10},
	{"faccessat", 0, 20}, {"futimens", 0, 10}, {"readdir", 0, 20},
	{"openat", 0, 3},     {"unlinkat", 0, 1},  {NULL, 0, 0},
};

static void each(struct rig *rig, struct rdx_clean_options with)
{
	const struct failing failing = {.run = clean_once, .answers = answers, .least = 40};

	options = with;
	live = open_publisher(rig, LIVE);
	failing_each(rig, &failing);
	rdx_publisher_close(live);
}

static void test_clean(void **state)
{
	each(*state, (struct rdx_clean_options){.dry_run = 0});
}

static void test_clean_in_directories(void **state)
{
	each(*state, (struct rdx_clean_options){.keep_directories = 1});
}

/* It tells, and removes and marks nothing. */
static void test_clean_nothing(void **state)
{
	each(*state, (struct rdx_clean_options){.dry_run = 1});
}

/* Of the life before is the mark of the lock files: what cannot be looked at is not taken for as old. */
static void test_clean_the_old(void **state)
{
	each(*state, (struct rdx_clean_options){.dead_for_ns = UINT64_C(3600000000000)});
}

static int is_full(const void *context)
{
	return exists(context, "1/0.seg");
}

/* There is no room until the dead are gone. */
static int open_and_reap(struct rig *rig)
{
	struct rdx_publisher_options of = failing_publisher(rig->dir, RDX_CLEAR_RANK, BLOCKS);
	struct rdx_publisher *publisher = NULL;
	int r;

	of.worker_id = 3;
	of.reap_dead = 1;
	faults_pause();
	rdx_publisher_close(open_publisher(rig, 1));
	faults_fill(is_full, rig);
	faults_resume();
	r = rdx_publisher_open(&publisher, &of);
	rdx_publisher_close(publisher);
	faults_pause();
	if (r < 0) {
		assert_int_equal(rdx_publisher_open(&publisher, &of), 0);
		rdx_publisher_close(publisher);
	}
	faults_fill(NULL, NULL);
	assert_false(exists(rig, "1/0.seg"));
	assert_int_equal(rdx_publisher_check(live), 0);
	faults_resume();
	return r;
}

/* What opening does without, and calls of the reaping: that room was made, or none. */
static const struct failing_answer answers_of_open[] = {
	{"open", 0, 2},           {"read", 0, 2},           {"mmap", 0, 7},
	{"madvise", 0, 9},        {"mkdirat", 0, 1},        {"posix_fallocate", 0, 1},
	{"fstat", 0, 30},         {"fstat", -ENOSPC, 4},    {"fstatat", 0, 30},
	{"fstatat", -ENOSPC, 4},  {"faccessat", 0, 20},     {"futimens", 0, 3},
	{"fcntl", 0, 12},         {"fcntl", -ENOSPC, 3},    {"openat", 0, 20},
	{"openat", -ENOSPC, 5},   {"fdopendir", 0, 3},      {"fdopendir", -ENOSPC, 2},
	{"readdir", 0, 30},       {"readdir", -ENOSPC, 10}, {"unlinkat", 0, 6},
	{"unlinkat", -ENOSPC, 3}, {"pread", 0, 1},          {NULL, 0, 0},
};

static void test_reap(void **state)
{
	const struct failing failing = {
		.run = open_and_reap, .answers = answers_of_open, .least = 60};

	live = open_publisher(*state, LIVE);
	failing_each(*state, &failing);
	rdx_publisher_close(live);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_clean),         TEST(test_clean_in_directories),
		TEST(test_clean_nothing), TEST(test_clean_the_old),
		TEST(test_reap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
