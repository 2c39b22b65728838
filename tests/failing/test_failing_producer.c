/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: each call of the system and of the heap fails once in the publisher and in the engine
 * translator.
 */
#include "tests/failing/failing.h"

#include <errno.h>
#include <fcntl.h>
#include <ringdex/rdx_engine.h>
#include <ringdex/rdx_publisher.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 64

/* Done without: the start time (/proc/self/stat), huge pages, populating at once (but not where there
 * is no memory), addresses to grow in, and all of the bell. */
static const struct failing_answer opening[] = {
	{"open", 0, 1},      {"read", 0, 1},  {"madvise", 0, 8}, {"openat", 0, 4},
	{"getrlimit", 0, 1}, {"write", 0, 1}, {"fchmod", 0, 1},  {"linkat", 0, 1},
	{"fstat", 0, 3},     {"pread", 0, 1}, {"mmap", 0, 7},    {NULL, 0, 0},
};

static int open_and_close(struct rig *rig)
{
	struct rdx_publisher_options options =
		failing_publisher(rig->dir, RDX_CLEAR_WORKER, BLOCKS);
	struct rdx_publisher *publisher = NULL;
	int r = rdx_publisher_open(&publisher, &options);

	rdx_publisher_close(publisher);
	return r;
}

static void empty(struct rig *rig)
{
	static const char *const files[] = {"1/0.seg", "1/0.lock", "1/clear", "bell", "key"};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlinkat(rig->dir_fd, files[i], 0);
	unlinkat(rig->dir_fd, "1", AT_REMOVEDIR);
}

static void test_open_first(void **state)
{
	const struct failing failing = {
		.run = open_and_close, .prepare = empty, .answers = opening, .least = 40};

	failing_each(*state, &failing);
}

static ino_t segment_of(const struct rig *rig)
{
	struct stat st;

	assert_int_equal(fstatat(rig->dir_fd, "1/0.seg", &st, 0), 0);
	return st.st_ino;
}

/* Over the segment of a life before, which stays until there is a whole one in its place. */
static int open_again(struct rig *rig)
{
	struct rdx_publisher_options options = failing_publisher(rig->dir, RDX_CLEAR_RANK, BLOCKS);
	struct rdx_publisher *publisher = NULL;
	ino_t before, after;
	int r;

	faults_pause();
	before = segment_of(rig);
	faults_resume();
	r = rdx_publisher_open(&publisher, &options);
	rdx_publisher_close(publisher);
	faults_pause();
	after = segment_of(rig);
	faults_resume();
	return r < 0 && before != after ? -EXDEV : r;
}

static const struct failing_answer opening_again[] = {
	{"open", 0, 1},  {"read", 0, 1},  {"madvise", 0, 8}, {"openat", 0, 2},
	{"fstat", 0, 3}, {"pread", 0, 1}, {"mmap", 0, 7},    {NULL, 0, 0},
};

static void test_open_again(void **state)
{
	const struct failing failing = {.run = open_again, .answers = opening_again, .least = 30};

	assert_int_equal(open_and_close(*state), 0);
	failing_each(*state, &failing);
}

static void cut_clear_file(struct rig *rig)
{
	int fd = openat(rig->dir_fd, "1/clear", O_CREAT | O_WRONLY | O_CLOEXEC, 0640);

	assert_int_equal(ftruncate(fd, 4), 0);
	close(fd);
}

/* Done without besides: to give the lock under which debris went to an owner, to remove it, to unlock it
 * before it is closed. */
static const struct failing_answer opening_damaged[] = {
	{"open", 0, 1},      {"read", 0, 1},    {"madvise", 0, 8}, {"openat", 0, 4},
	{"getrlimit", 0, 1}, {"write", 0, 1},   {"fchmod", 0, 1},  {"linkat", 0, 1},
	{"fstat", 0, 6},     {"fstatat", 0, 1}, {"pread", 0, 1},   {"mmap", 0, 7},
	{"unlinkat", 0, 1},  {"fcntl", 0, 1},   {NULL, 0, 0},
};

/* Over a damaged clear file: alone, then beside a rank that has it open. */
static void test_open_damaged(void **state)
{
	const struct failing failing = {.run = open_and_close,
					.prepare = cut_clear_file,
					.answers = opening_damaged,
					.least = 40,
					.lock = "1/.debris"};
	struct rig *rig = *state;
	struct rdx_publisher_options options =
		failing_publisher(rig->dir, RDX_CLEAR_WORKER, BLOCKS);
	struct rdx_publisher *sibling;

	assert_int_equal(open_and_close(rig), 0);
	failing_each(rig, &failing);
	options.dp_rank = 1;
	assert_int_equal(rdx_publisher_open(&sibling, &options), 0);
	failing_each(rig, &failing);
	rdx_publisher_close(sibling);
}

/* Longer, or as long as before; all that is held has a place in either. */
static int grow(struct rig *rig)
{
	struct rdx_publisher_options options =
		failing_publisher(rig->dir, RDX_CLEAR_WORKER, BLOCKS);
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	uint64_t names[2 * BLOCKS];
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .local_hashes = names,
				    .count = 2 * BLOCKS,
				    .name_bytes = 8};
	struct rdx_publisher *publisher = NULL;
	int r;

	faults_pause();
	options.remembered_names = BLOCKS + BLOCKS / 2;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	for (uint64_t i = 0; i < 2 * BLOCKS; i++)
		names[i] = i + 1;
	faults_resume();
	assert_int_equal(rdx_publish_stored(publisher, &stored), 0);
	r = rdx_publisher_check(publisher);
	faults_pause();
	assert_int_equal(rdx_publisher_get_stats(publisher, &stats), 0);
	assert_true(r < 0 || stats.growths + stats.outgrown > 0);
	assert_int_equal(stats.name_lost + stats.inexact, 0);
	assert_int_equal(stats.held[0], 2 * BLOCKS);
	rdx_publisher_close(publisher);
	faults_resume();
	return stats.outgrown ? -ENOMEM : r;
}

static void test_grow(void **state)
{
	/* done without: populating at once, a look at the bell */
	static const struct failing_answer growing[] = {{"madvise", 0, 10},
							{"madvise", -ENOMEM, 2},
							{"fstat", 0, 1},
							{"fstatat", 0, 1},
							{NULL, 0, 0}};
	const struct failing failing = {.run = grow, .answers = growing, .least = 10};

	assert_int_equal(open_and_close(*state), 0);
	failing_each(*state, &failing);
}

/* The first handle of a process, which is told of forks. */
static void test_open_in_a_process(void **state)
{
	struct rig *rig = *state;
	int status;
	pid_t child = fork();

	if (child == 0) {
		/* and again: it is not taken for told */
		for (int i = 0; i < 2; i++) {
			faults_arm(1, 0);
			status = open_and_close(rig);
			if (strcmp(faults_disarm().name, "pthread_atfork") != 0 ||
			    status != -ENOMEM)
				_exit(1);
		}
		_exit(open_and_close(rig) == 0 ? 0 : 2);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static struct rdx_publisher *publisher;

static void publish_all(struct rdx_publisher *p, uint64_t first)
{
	uint64_t names[8];
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .local_hashes = names,
				    .count = 8,
				    .name_bytes = 8};
	struct rdx_removed removed = {
		.size = sizeof(removed), .names = names, .count = 8, .name_bytes = 8};
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	for (uint32_t i = 0; i < 8; i++)
		names[i] = first + i;
	assert_int_equal(rdx_publish_stored(p, &stored), 0);
	assert_int_equal(rdx_publish_removed(p, &removed), 0);
	assert_int_equal(rdx_publish_unrepresented(p, &removed), 0);
	assert_int_equal(rdx_publish_inexact(p, RDX_INEXACT_LACKING, 0), 0);
	assert_int_equal(rdx_publish_cleared(p, RDX_SCOPE_ALL, 0), 0);
	assert_int_equal(rdx_publisher_get_stats(p, &stats), 0);
}

/* They make no call of the system, nor of the heap: nothing of theirs can fail. */
static void test_publish(void **state)
{
	struct rig *rig = *state;
	struct rdx_publisher_options options =
		failing_publisher(rig->dir, RDX_CLEAR_WORKER, BLOCKS);
	const struct rdx_source source = {.size = sizeof(source), .kind = RDX_SOURCE_BRIDGE};
	uint64_t bytes;

	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	faults_arm(0, 0);
	publish_all(publisher, 100);
	assert_int_equal(rdx_publisher_segment_size(&options, &bytes), 0);
	assert_int_equal(rdx_publisher_set_source(publisher, &source), 0);
	assert_int_equal(faults_disarm().calls, 0);
	rdx_publisher_close(publisher);
}

static int translate(struct rig *rig)
{
	struct rdx_engine_options options = {.size = sizeof(options), .counting_groups = 2};
	uint64_t names[] = {7};
	uint32_t tokens[16] = {1};
	struct rdx_engine_event event = {.size = sizeof(event), .type = "BlockStored"};
	struct rdx_engine *engine = NULL;
	int r = rdx_engine_open(&engine, publisher, &options);

	(void)rig;
	if (r < 0)
		return r;
	event.names = names;
	event.count = 1;
	event.name_bytes = 8;
	event.tokens = tokens;
	event.token_count = 16;
	event.block_tokens = 16;
	event.medium = "GPU";
	r = rdx_engine_publish(engine, &event);
	rdx_engine_close(engine);
	return r;
}

/* Nor do these, once the translator is open. */
static void test_translate_quietly(void **state)
{
	struct rig *rig = *state;
	struct rdx_publisher_options options = failing_publisher(rig->dir, RDX_CLEAR_RANK, BLOCKS);
	struct rdx_engine_options engine_options = {.size = sizeof(engine_options)};
	struct rdx_engine_event event = {.size = sizeof(event), .type = "AllBlocksCleared"};
	struct rdx_engine_identity identity = {.size = sizeof(identity)};
	struct rdx_engine_stats stats = {.size = sizeof(stats)};
	const uint32_t ids[] = {1, 2};
	const struct rdx_tokens tokens = {
		.size = sizeof(tokens), .ids = ids, .count = 2, .block_tokens = 1};
	struct rdx_engine *engine;
	uint64_t local[2];

	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	assert_int_equal(rdx_engine_open(&engine, publisher, &engine_options), 0);
	faults_arm(0, 0);
	assert_int_equal(rdx_engine_publish(engine, &event), 0);
	assert_int_equal(rdx_engine_sequence(engine, 1, 0), 0);
	assert_int_equal(rdx_engine_sequence(engine, 0, 0), 0);
	assert_int_equal(rdx_engine_unreadable(engine, 0), 0);
	assert_int_equal(rdx_engine_keys(&event, NULL, 0, &identity), 0);
	assert_int_equal(rdx_engine_joins(&engine_options, &event, NULL), 0);
	assert_int_equal(rdx_engine_field(engine, "type"), RDX_ENGINE_FIELD_DECODE);
	assert_int_equal(rdx_engine_get_stats(engine, &stats), 0);
	assert_int_equal(rdx_hash_tokens(&tokens, local), 2);
	assert_int_equal(faults_disarm().calls, 0);
	rdx_engine_close(engine);
	rdx_publisher_close(publisher);
}

static void test_translate(void **state)
{
	const struct failing failing = {.run = translate, .least = 4};
	struct rig *rig = *state;
	struct rdx_publisher_options options = failing_publisher(rig->dir, RDX_CLEAR_RANK, BLOCKS);

	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	failing_each(rig, &failing);
	rdx_publisher_close(publisher);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open_in_a_process), /* first: none of this process was open before */
		TEST(test_open_first),
		TEST(test_open_again),
		TEST(test_open_damaged),
		TEST(test_publish),
		TEST(test_translate),
		TEST(test_translate_quietly),
		TEST(test_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
