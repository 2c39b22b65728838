/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: what a producer says of its source is what readers see, where the format says, as long as the
 * handle lives, in whatever file; and after it.
 */
#include "shm/clock.h"
#include "tests/publisher_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <ringdex/rdx_reader.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOURCE_AT  4736 /* docs/format.md */
#define LINE_WORDS 8

static const struct rdx_source example = {
	.size = sizeof(example),
	.next_sequence = 101,
	.gaps_lost = 2,
	.gaps_filled = 3,
	.replayed = 44,
	.lag_ns = 5000,
	.heard_ns = 6,
	.kind = RDX_SOURCE_BRIDGE,
	.is_away = 1,
};

static struct rdx_source seen_by(const struct rdx_reader *reader)
{
	struct rdx_source source = {.size = sizeof(source)};

	assert_int_equal(rdx_reader_get_source(reader, &source), 0);
	return source;
}

/* By who comes now. */
static struct rdx_source seen(const struct publisher_rig *f)
{
	struct rdx_source source;
	struct rdx_reader *reader;

	assert_int_equal(rdx_reader_open(&reader, f->rig.dir, 7, 1), 0);
	source = seen_by(reader);
	rdx_reader_close(reader);
	return source;
}

static void say(struct publisher_rig *f, const struct rdx_source *source)
{
	assert_int_equal(rdx_publisher_set_source(f->p, source), 0);
}

/* All but when it was said. */
static void expect(struct rdx_source source, const struct rdx_source *said)
{
	source.said_ns = said->said_ns;
	assert_memory_equal(&source, said, sizeof(source));
}

static const struct rdx_source nothing = {.size = sizeof(nothing)};

static void test_said_and_seen(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_source source = example, other = example;
	struct rdx_reader *reader;
	uint64_t before;

	publisher_open(f);
	assert_int_equal(rdx_reader_open(&reader, f->rig.dir, 7, 1), 0);
	source = seen_by(reader);
	assert_memory_equal(&source, &nothing, sizeof(source));
	before = rdx_clock_ns();
	say(f, &example);
	source = seen_by(reader);
	expect(source, &example);
	assert_in_range(source.said_ns, before, rdx_clock_ns());
	/* it is no event, and events are none of its */
	assert_int_equal(publisher_stats(f->p).events, 0);
	publisher_store(f, 0, 1, 3);
	expect(seen_by(reader), &example);
	other.is_away = 0;
	other.next_sequence = UINT64_MAX;
	other.lag_ns = 0;
	other.said_ns = 1; /* whatever the caller says */
	say(f, &other);
	source = seen_by(reader);
	expect(source, &other);
	assert_true(source.said_ns >= before);
	/* and it may be taken back */
	other.kind = RDX_SOURCE_NONE;
	say(f, &other);
	source = seen_by(reader);
	assert_memory_equal(&source, &nothing, sizeof(source));
	rdx_reader_close(reader);
}

static void test_refused(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_source bad = example;

	publisher_open(f);
	say(f, &example);
	bad.next_sequence = 7;
	bad.kind = RDX_SOURCE_BRIDGE + 1;
	assert_int_equal(rdx_publisher_set_source(f->p, &bad), -EINVAL);
	bad.kind = RDX_SOURCE_BRIDGE;
	bad.is_away = 2;
	assert_int_equal(rdx_publisher_set_source(f->p, &bad), -EINVAL);
	bad.is_away = 0;
	bad.size = sizeof(bad) - 4;
	assert_int_equal(rdx_publisher_set_source(f->p, &bad), -EINVAL);
	bad.size = 1 << 20;
	assert_int_equal(rdx_publisher_set_source(f->p, &bad), -E2BIG);
	expect(seen(f), &example);
}

static int segment_fd(const struct publisher_rig *f, int flags)
{
	int fd = openat(f->rig.dir_fd, "7/1.seg", flags | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The words of the format, by which others read and write it. */
static void test_words(void **state)
{
	struct publisher_rig *f = *state;
	uint64_t words[LINE_WORDS], any[LINE_WORDS];
	struct rdx_source source;
	int fd;

	publisher_open(f);
	say(f, &example);
	fd = segment_fd(f, O_RDWR);
	assert_int_equal(pread(fd, words, sizeof(words), SOURCE_AT), sizeof(words));
	assert_true(words[0] == (UINT64_C(1) << 32 | RDX_SOURCE_BRIDGE));
	assert_true(words[1] == 101 && words[2] == 2 && words[3] == 3 && words[4] == 44);
	assert_true(words[5] == 5000 && words[6] == 6 && words[7] == seen(f).said_ns);
	/* a newer or a hostile producer: all that it says is shown, and no more */
	memset(any, 0xff, sizeof(any));
	assert_int_equal(pwrite(fd, any, sizeof(any), SOURCE_AT), sizeof(any));
	source = seen(f);
	assert_true(source.kind == UINT32_MAX && source.is_away == 1);
	assert_true(source.next_sequence == UINT64_MAX && source.said_ns == UINT64_MAX);
	assert_null(rdx_source_text(source.kind));
	/* an old one */
	memset(any, 0, sizeof(any));
	assert_int_equal(pwrite(fd, any, sizeof(any), SOURCE_AT), sizeof(any));
	source = seen(f);
	assert_memory_equal(&source, &nothing, sizeof(source));
	close(fd);
}

static void test_a_cut_file(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_source source = example;
	struct rdx_reader *reader;
	int fd;

	publisher_open(f);
	say(f, &example);
	assert_int_equal(rdx_guard_install(), 0);
	assert_int_equal(rdx_reader_open(&reader, f->rig.dir, 7, 1), 0);
	rdx_publisher_close(f->p);
	f->p = NULL;
	fd = segment_fd(f, O_RDWR);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	assert_int_equal(rdx_reader_get_source(reader, &source), -EBADMSG);
	assert_memory_equal(&source, &example, sizeof(source));
	rdx_reader_close(reader);
}

static void remove_named(const struct publisher_rig *f, const char *name)
{
	assert_int_equal(unlinkat(f->rig.dir_fd, name, 0), 0);
}

/* The messages go on, whatever becomes of the file: also where the rank begins empty. */
static void test_made_again(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_publisher_options options = f->options;
	struct rdx_publisher *other;
	uint64_t said_ns;

	publisher_open(f);
	publisher_store(f, 0, 1, 3);
	say(f, &example);
	said_ns = seen(f).said_ns;
	remove_named(f, "7/1.seg");
	assert_int_equal(rdx_publisher_check(f->p), RDX_CHECK_RENEWED);
	expect(seen(f), &example);
	remove_named(f, "7/1.seg");
	remove_named(f, "key");
	options.worker_id = 8;
	assert_int_equal(rdx_publisher_open(&other, &options), 0);
	assert_int_equal(rdx_publisher_check(f->p), RDX_CHECK_EMPTIED);
	expect(seen(f), &example);
	assert_true(seen(f).said_ns == said_ns);
	rdx_publisher_close(other);
}

static void test_grown(void **state)
{
	struct publisher_rig *f = *state;
	uint64_t epoch;

	f->options.names_max = 0;
	publisher_open(f);
	epoch = rdx_publisher_epoch(f->p);
	say(f, &example);
	publisher_store(f, 0, 1, 8 * PUBLISHER_BLOCKS);
	assert_true(publisher_stats(f->p).growths > 0);
	assert_true(rdx_publisher_epoch(f->p) == epoch);
	expect(seen(f), &example);
}

/* A dead rank's file says how it fared at the end; the next handle begins without. */
static void test_after_its_end(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_source source;

	publisher_open(f);
	say(f, &example);
	rdx_publisher_close(f->p);
	expect(seen(f), &example);
	publisher_open(f);
	source = seen(f);
	assert_memory_equal(&source, &nothing, sizeof(source));
}

static void test_in_a_forked_child(void **state)
{
	struct publisher_rig *f = *state;
	struct rdx_source other = example;
	int status;
	pid_t pid;

	publisher_open(f);
	say(f, &example);
	other.replayed = 99;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(rdx_publisher_set_source(f->p, &other) == -EOWNERDEAD ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	expect(seen(f), &example);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PUBLISHER_TEST(test_said_and_seen), PUBLISHER_TEST(test_refused),
		PUBLISHER_TEST(test_words),         PUBLISHER_TEST(test_a_cut_file),
		PUBLISHER_TEST(test_made_again),    PUBLISHER_TEST(test_grown),
		PUBLISHER_TEST(test_after_its_end), PUBLISHER_TEST(test_in_a_forked_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
