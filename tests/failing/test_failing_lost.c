/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: each call of the system and of the heap fails once while a publisher makes again what
 * lost its name: segment, clear file, bell, key and directory. Whatever failed, publishing goes on,
 * and the next call makes the rest.
 */
#include "tests/failing/failing.h"

#include <errno.h>
#include <fcntl.h>
#include <ringdex/rdx_publisher.h>
#include <ringdex/rdx_reader.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCKS 8

enum lost { LOST_SEGMENT, LOST_WORKER, LOST_BELL, LOST_DIRECTORY };

static enum lost lost;

static void lose(const struct rig *rig)
{
	static const char *const files[] = {"ns/bell", "ns/1/0.seg", "ns/1/clear", "ns/1/0.lock",
					    "ns/key"};
	static const struct {
		size_t first, count;
		int directories;
	} what[] = {
		[LOST_SEGMENT] = {1, 1, 0},
		[LOST_WORKER] = {1, 3, 1},
		[LOST_BELL] = {0, 1, 0},
		[LOST_DIRECTORY] = {0, 5, 2},
	};

	for (size_t i = what[lost].first; i < what[lost].first + what[lost].count; i++)
		assert_int_equal(unlinkat(rig->dir_fd, files[i], 0), 0);
	if (what[lost].directories > 0)
		assert_int_equal(unlinkat(rig->dir_fd, "ns/1", AT_REMOVEDIR), 0);
	if (what[lost].directories > 1)
		assert_int_equal(unlinkat(rig->dir_fd, "ns", AT_REMOVEDIR), 0);
}

static void store(struct rdx_publisher *publisher, uint64_t first)
{
	uint64_t names[BLOCKS];
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .local_hashes = names,
				    .count = BLOCKS,
				    .name_bytes = sizeof(names[0])};

	for (uint32_t i = 0; i < BLOCKS; i++)
		names[i] = first + i;
	assert_int_equal(rdx_publish_stored(publisher, &stored), 0);
}

/* Who comes now finds all of it, and a rank that lives. */
static void assert_is_found(const char *dir, const struct rdx_publisher *publisher, uint64_t count)
{
	struct rdx_reader *reader;
	struct rdx_cursor cursor;
	uint64_t hashes[4 * BLOCKS], found;

	assert_int_equal(rdx_reader_open(&reader, dir, 1, 0), 0);
	assert_int_equal(rdx_reader_alive(reader), 1);
	assert_int_equal(rdx_reader_info(reader)->epoch, rdx_publisher_epoch(publisher));
	assert_int_equal(rdx_reader_resident(reader, 0, hashes, 4 * BLOCKS, &found, &cursor), 0);
	assert_int_equal(found, count);
	rdx_reader_close(reader);
}

static uint32_t name_lost(const struct rdx_publisher *publisher)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_publisher_get_stats(publisher, &stats), 0);
	return stats.name_lost;
}

/* The first calls look whether there are names, and say nothing of one where they fail. */
static int saw_nothing(void)
{
	const char *failed = faults_now().name;

	return failed && (strcmp(failed, "fstat") == 0 || strcmp(failed, "fstatat") == 0);
}

/* After a call that answered `r`. */
static void go_on(const struct rig *rig, struct rdx_publisher *publisher, const char *dir, int r)
{
	int segment = lost != LOST_BELL;

	assert_int_equal(faccessat(rig->dir_fd, "ns/1/.tmp-0.seg", F_OK, 0), -1);
	assert_true(saw_nothing() || name_lost(publisher) == (segment && r < 0));
	store(publisher, 1 + BLOCKS);
	assert_int_equal(rdx_publisher_check(publisher), r < 0 && segment);
	assert_int_equal(name_lost(publisher), 0);
	assert_int_equal(faccessat(rig->dir_fd, "ns/bell", F_OK, 0), 0);
	store(publisher, 1 + 2 * BLOCKS);
	assert_is_found(dir, publisher, 3 * BLOCKS);
	assert_int_equal(rdx_publisher_check(publisher), 0);
	assert_int_equal(rdx_publish_cleared(publisher, RDX_SCOPE_ALL, 0), 0);
	assert_is_found(dir, publisher, 0);
}

static int check(struct rig *rig)
{
	struct rdx_publisher_options options;
	struct rdx_publisher *publisher;
	char dir[HELD_PATH_BYTES];
	int r;

	faults_pause();
	snprintf(dir, sizeof(dir), "%.*s/ns", HELD_PATH_BYTES - 4, rig->dir);
	options = failing_publisher(dir, RDX_CLEAR_WORKER, UINT64_C(4) * BLOCKS);
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	store(publisher, 1);
	lose(rig);
	faults_resume();
	r = rdx_publisher_check(publisher);
	faults_pause();
	go_on(rig, publisher, dir, r);
	rdx_publisher_close(publisher);
	faults_resume();
	return r < 0 ? r : 0;
}

/* Done without: populating and huge pages, and all of the bell, until the next call. */
static const struct failing_answer answers[] = {
	{"fstatat", 0, 2},   {"open", 0, 1},  {"read", 0, 1},   {"madvise", 0, 5}, {"openat", 0, 4},
	{"getrlimit", 0, 1}, {"write", 0, 1}, {"fchmod", 0, 1}, {"linkat", 0, 1},  {"fstat", 0, 5},
	{"pread", 0, 1},     {"mmap", 0, 2},  {NULL, 0, 0},
};

static void each(struct rig *rig, enum lost what, uint32_t least)
{
	const struct failing failing = {.run = check, .answers = answers, .least = least};

	lost = what;
	failing_each(rig, &failing);
}

static void test_segment(void **state)
{
	each(*state, LOST_SEGMENT, 20);
}

static void test_directory_of_a_worker(void **state)
{
	each(*state, LOST_WORKER, 30);
}

static void test_bell(void **state)
{
	each(*state, LOST_BELL, 5);
}

static void test_directory(void **state)
{
	each(*state, LOST_DIRECTORY, 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_segment),
		TEST(test_directory_of_a_worker),
		TEST(test_bell),
		TEST(test_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
