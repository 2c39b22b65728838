/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: rdx_clean and the reaping below it: what is dead goes, by lock first; what lives, or is
 * not ours, stays; how long something has been dead; what is told.
 */
#include "consumer/index/refused_file.h"
#include "shm/namespace.h"
#include "shm/reap.h"
#include "tests/patience.h"
#include "tests/rig.h"
#include <ringdex/rdx_clean.h>
#include <ringdex/rdx_indexer.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY     65534
#define TEMPORARY  ".tmp-0123456789abcdef"
#define LONG_AGO_S 1000000

static int exists(const struct rig *rig, const char *name)
{
	return faccessat(rig->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void make(const struct rig *rig, const char *name)
{
	int fd = openat(rig->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void make_old(const struct rig *rig, const char *name)
{
	const struct timespec then[2] = {{.tv_sec = LONG_AGO_S}, {.tv_sec = LONG_AGO_S}};

	make(rig, name);
	assert_int_equal(utimensat(rig->dir_fd, name, then, 0), 0);
}

static struct rdx_clean_result clean_with(const struct rig *rig, struct rdx_clean_options options)
{
	struct rdx_clean_result result = {.size = sizeof(result)};

	options.size = sizeof(options);
	options.dir = rig->dir;
	assert_int_equal(rdx_clean(&options, &result), 0);
	return result;
}

static struct rdx_clean_result clean(const struct rig *rig)
{
	return clean_with(rig, (struct rdx_clean_options){.dir = NULL});
}

/* Ranks that lived. */
static void live_and_die(struct rig *rig, uint64_t worker, uint32_t rank, uint32_t clear_scope)
{
	struct rdx_segment_spec spec = rig_spec(worker, rank, 64, 64);
	struct rig_producer producer;

	spec.clear_scope = clear_scope;
	assert_int_equal(rig_claim(rig, &producer, &spec), 0);
	rig_release(&producer);
}

static void count_kind(void *context, const struct rdx_cleaned *what)
{
	uint32_t *counts = context;

	assert_int_equal(what->size, sizeof(*what));
	assert_int_equal(what->cause, 0);
	counts[what->kind]++;
}

static void test_the_dead_go_and_the_living_stay(void **state)
{
	struct rdx_segment_spec spec = rig_spec(2, 0, 64, 64);
	struct rig_producer alive;
	struct rdx_clean_result result;
	uint32_t counts[8] = {0};
	struct rig *rig = *state;

	live_and_die(rig, 1, 0, 0);
	live_and_die(rig, 1, 1, 1); /* with a clear file */
	live_and_die(rig, 2, 1, 0);
	assert_int_equal(rig_claim(rig, &alive, &spec), 0);
	make(rig, "2/.tmp-7.seg");
	make_old(rig, "1/" TEMPORARY);
	make_old(rig, TEMPORARY);
	result = clean_with(rig, (struct rdx_clean_options){.tell = count_kind, .context = counts});
	assert_int_equal(counts[RDX_CLEANED_RANK], 4); /* 2:7 had a temporary file only */
	assert_int_equal(counts[RDX_CLEANED_WORKER], 1);
	assert_int_equal(counts[RDX_CLEANED_TEMPORARY], 2);
	assert_int_equal(result.removed, 7);
	assert_true(result.bytes >= 3 * spec.ledger_records * 32);
	assert_false(exists(rig, "1"));
	assert_false(exists(rig, TEMPORARY));
	assert_false(exists(rig, "2/1.seg") || exists(rig, "2/1.lock") || exists(rig, "2/7.lock"));
	assert_true(exists(rig, "2/0.seg") && exists(rig, "2/0.lock") && exists(rig, "key"));
	assert_int_equal(rdx_segment_held(rig->dir_fd, 2, 0), 1);
	assert_int_equal(clean(rig).removed, 0);
	rig_release(&alive);
	assert_int_equal(clean(rig).removed, 2);
	assert_false(exists(rig, "2"));
}

static void test_a_live_segment_without_its_lock_file(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	struct rig_producer alive, other;
	struct rig *rig = *state;

	assert_int_equal(rig_claim(rig, &alive, &spec), 0);
	assert_int_equal(unlinkat(rig->dir_fd, "1/0.lock", 0), 0);
	assert_int_equal(clean(rig).removed, 0);
	assert_true(exists(rig, "1/0.seg"));
	assert_int_equal(rig_claim(rig, &other, &spec), -EBUSY);
	rig_release(&alive);
	assert_int_equal(clean(rig).removed, 2);
}

static void test_what_is_not_ours_stays(void **state)
{
	static const char *const names[] = {"1/mine",   "1/0.segment",           "1/.tmp-x",
					    "1/01.seg", ".tmp-0123456789abcdeg", "index.ctl"};
	struct rig *rig = *state;

	live_and_die(rig, 1, 0, 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		make_old(rig, names[i]);
	assert_int_equal(clean(rig).failed, 0);
	assert_false(exists(rig, "1/0.seg") || exists(rig, "1/0.lock") || exists(rig, "1/clear"));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_true(exists(rig, names[i]));
}

/* A segment refers to its worker's clear file, living or dead. */
static void test_a_clear_file_stays_while_a_rank_does(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	struct rig_producer alive;
	struct rig *rig = *state;

	spec.clear_scope = 1;
	assert_int_equal(rig_claim(rig, &alive, &spec), 0);
	live_and_die(rig, 1, 1, 1);
	assert_int_equal(clean(rig).removed, 1);
	assert_true(exists(rig, "1/clear"));
	/* even where nothing of its ranks is left to see */
	assert_int_equal(unlinkat(rig->dir_fd, "1/0.seg", 0), 0);
	assert_int_equal(unlinkat(rig->dir_fd, "1/0.lock", 0), 0);
	clean(rig);
	assert_true(exists(rig, "1/clear"));
	rig_release(&alive);
	live_and_die(rig, 1, 1, 1);
	assert_int_equal(
		clean_with(rig, (struct rdx_clean_options){.dead_for_ns = UINT64_MAX}).kept, 1);
	assert_true(exists(rig, "1/clear"));
	clean(rig);
	assert_false(exists(rig, "1"));
}

static void test_dead_for(void **state)
{
	const struct rdx_clean_options patient = {.dead_for_ns = 1};
	const struct rdx_clean_options dry = {.dead_for_ns = 1, .dry_run = 1};
	struct rig *rig = *state;

	live_and_die(rig, 1, 0, 0);
	usleep(20000); /* longer than what the file system's clock counts in */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(clean_with(rig, dry).kept, 1); /* it marks nothing */
		usleep(1000);
	}
	assert_int_equal(clean_with(rig, patient).kept, 1);
	usleep(20000);
	assert_int_equal(clean_with(rig, dry).removed, 2);
	assert_true(exists(rig, "1/0.seg"));
	/* another life: the mark is not of it */
	live_and_die(rig, 1, 0, 0);
	assert_int_equal(clean_with(rig, patient).kept, 1);
	assert_true(exists(rig, "1/0.seg"));
	UNTIL (clean_with(rig, patient).kept == 0)
		usleep(1000);
	assert_false(exists(rig, "1"));
}

static void test_directories_that_are_mounted(void **state)
{
	struct rig *rig = *state;

	live_and_die(rig, 1, 0, 0);
	assert_int_equal(mkdirat(rig->dir_fd, "2", 0755), 0);
	assert_int_equal(clean_with(rig, (struct rdx_clean_options){.keep_directories = 1}).removed,
			 1);
	assert_true(exists(rig, "1") && exists(rig, "2"));
	assert_int_equal(clean(rig).removed, 2);
	assert_false(exists(rig, "1") || exists(rig, "2"));
}

static void test_indexes_that_nobody_maintains(void **state)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	struct rdx_indexer *indexer;
	struct rig_producer alive;
	struct rig *rig = *state;

	options.dir = rig->dir;
	assert_int_equal(rig_claim(rig, &alive, &spec), 0);
	assert_int_equal(rdx_indexer_open(&indexer, &options), 0);
	UNTIL (rdx_indexer_get_stats(indexer, &stats) == 0 && stats.indexes && stats.table_bytes)
		assert_true(rdx_indexer_poll(indexer, 0) >= 0);
	assert_int_equal(clean(rig).removed, 0);
	rdx_indexer_close(indexer);
	/* of one that was killed */
	assert_int_equal(close(openat(rig->dir_fd, RDX_REFUSED_NAME, O_WRONLY | O_CREAT, 0600)), 0);
	assert_true(clean(rig).removed >= 2);
	assert_int_equal(faccessat(rig->dir_fd, RDX_REFUSED_NAME, F_OK, 0), -1);
	assert_int_equal(rdx_indexer_open(&indexer, &options), 0);
	rdx_indexer_close(indexer);
	rig_release(&alive);
}

static void count_cause(void *context, const struct rdx_reaped *what)
{
	uint32_t *counts = context;

	if (what->cause == -EACCES)
		counts[what->bytes != 0]++;
}

/* In a child: another user, who may read. 0, or what is wrong. */
static int reap_as_nobody(const struct rig *rig)
{
	uint32_t counts[2] = {0};
	const struct rdx_reap reap = {
		.dir_fd = rig->dir_fd, .tell = count_cause, .context = counts};

	if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		return 77;
	if (rdx_reap_workers(&reap) != 0)
		return 1;
	/* the directory that cannot be read, and the rank */
	return counts[0] == 1 && counts[1] == 1 ? 0 : 2;
}

static void test_another_users_dead(void **state)
{
	const struct rdx_reap own = {.dir_fd = ((struct rig *)*state)->dir_fd, .own_only = 1};
	struct rig_producer producer;
	struct rig *rig = *state;
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	int status;
	pid_t child;

	spec.file_mode = 0644;
	umask(022); /* the rank's directory is for others to read, too */
	assert_int_equal(chmod(rig->dir, 0755), 0);
	assert_int_equal(mkdirat(rig->dir_fd, "2", 0700), 0);
	assert_int_equal(rig_claim(rig, &producer, &spec), 0);
	rig_release(&producer);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(reap_as_nobody(rig));
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(exists(rig, "1/0.seg"));
	assert_int_equal(fchownat(rig->dir_fd, "1/0.seg", NOBODY, NOBODY, 0), 0);
	assert_int_equal(rdx_reap_workers(&own), 0);
	assert_true(exists(rig, "1/0.seg"));
	assert_int_equal(fchownat(rig->dir_fd, "1/0.seg", 0, 0, 0), 0);
	assert_int_equal(rdx_reap_workers(&own), 0);
	assert_false(exists(rig, "1/0.seg"));
}

static void test_wrong_options(void **state)
{
	struct rdx_clean_options options = {.size = sizeof(options)};
	struct rdx_clean_result result = {.size = sizeof(result)};
	struct rig *rig = *state;

	options.dir = rig->dir;
	options.dry_run = 2;
	assert_int_equal(rdx_clean(&options, &result), -EINVAL);
	options.dry_run = 0;
	options.keep_directories = 2;
	assert_int_equal(rdx_clean(&options, &result), -EINVAL);
	options.keep_directories = 0;
	options.dir = "/dev/shm/no/such";
	assert_int_equal(rdx_clean(&options, &result), -ENOENT);
	result.size = 0;
	assert_int_equal(rdx_clean(&options, &result), -EINVAL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_dead_go_and_the_living_stay),
		TEST(test_a_live_segment_without_its_lock_file),
		TEST(test_what_is_not_ours_stays),
		TEST(test_a_clear_file_stays_while_a_rank_does),
		TEST(test_dead_for),
		TEST(test_directories_that_are_mounted),
		TEST(test_indexes_that_nobody_maintains),
		TEST(test_another_users_dead),
		TEST(test_wrong_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
