/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: each call of the system and of the heap fails once in the reader, the range query, both
 * ways of waiting and the guard.
 */
#include "consumer/wait/wait.h"
#include "shm/mapping.h"
#include "tests/failing/failing.h"
#include "tests/patience.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>
#include <ringdex/rdx_reader.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct rdx_publisher *publisher;

/* More events than the ring has room for: recovery is by the ledger, and keeps a log. */
static void publish(struct rig *rig, uint32_t clear_scope)
{
	const struct rdx_publisher_options options = failing_publisher(rig->dir, clear_scope, 256);

	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	for (uint64_t name = 1; name <= 200; name++) {
		struct rdx_stored stored = {.size = sizeof(stored),
					    .names = &name,
					    .count = 1,
					    .local_hashes = &name,
					    .name_bytes = 8};

		assert_int_equal(rdx_publish_stored(publisher, &stored), 0);
	}
}

static int snapshot(struct rdx_reader *reader)
{
	uint64_t hashes[64], exact;
	int64_t count;
	uint8_t tier;

	do
		count = rdx_reader_snapshot(reader, hashes, 64, &tier, &exact);
	while (count > 0);
	return (int)count;
}

static int resident(struct rdx_reader *reader)
{
	uint64_t hashes[256], count = 0;
	struct rdx_cursor cursor;
	int r = rdx_reader_resident(reader, 0, hashes, 256, &count, &cursor);

	assert_true(r < 0 || count == 200);
	return r;
}

static int count_described(void *context, const struct rdx_block *block)
{
	*(uint64_t *)context += block->described;
	return 0;
}

static int each(struct rdx_reader *reader)
{
	struct rdx_cursor cursor;
	uint64_t count = 0;
	int r = rdx_reader_each(reader, count_described, &count, &cursor);

	assert_true(r < 0 || count == 200);
	return r;
}

static int ask(struct rdx_reader *reader)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_range range = {.size = sizeof(range)};
	struct rdx_event event = {.size = sizeof(event)};
	int r = rdx_reader_recover(reader, NULL, &recovery);

	if (r == 0)
		r = snapshot(reader);
	while (r == 0 && (r = rdx_reader_next(reader, &event)) == 1)
		r = 0;
	if (r == 0)
		r = rdx_reader_range(reader, recovery.start.epoch, 150, UINT64_MAX, &range);
	if (r == 0)
		r = resident(reader);
	if (r == 0)
		r = each(reader);
	if (r == 0)
		r = rdx_reader_alive(reader);
	return r < 0 ? r : 0;
}

static int read_all(struct rig *rig)
{
	struct rdx_reader *reader = NULL;
	int r = rdx_reader_open(&reader, rig->dir, 1, 0);

	if (r == 0)
		r = ask(reader);
	rdx_reader_close(reader);
	return r;
}

static void test_reader(void **state)
{
	static const struct failing_answer answers[] = {
		{"fstatat", 0, 1}, /* whether the file still has its name */
		{NULL, 0, 0},
	};
	const struct failing failing = {.run = read_all, .answers = answers, .least = 20};

	for (uint32_t scope = RDX_CLEAR_RANK; scope <= RDX_CLEAR_WORKER; scope++) {
		publish(*state, scope);
		failing_each(*state, &failing);
		rdx_publisher_close(publisher);
	}
}

/* These make no call of the system, nor of the heap. */
static void test_reader_quietly(void **state)
{
	const struct rig *rig = *state;
	struct rdx_reader_stats stats = {.size = sizeof(stats)};
	struct rdx_source source = {.size = sizeof(source)};
	struct rdx_cursor cursor;
	struct rdx_reader *reader;

	publish(*state, RDX_CLEAR_RANK);
	assert_int_equal(rdx_reader_open(&reader, rig->dir, 1, 0), 0);
	faults_arm(0, 0);
	assert_int_equal(rdx_reader_cursor(reader, &cursor), 0);
	assert_int_equal(rdx_reader_seek(reader, &cursor), 0);
	assert_int_equal(rdx_reader_get_stats(reader, &stats), 0);
	assert_int_equal(rdx_reader_get_source(reader, &source), 0);
	assert_int_equal(faults_disarm().calls, 0);
	rdx_reader_close(reader);
	rdx_publisher_close(publisher);
}

static uint32_t wait_mode;

/* Sleeps that end by time, by a descriptor, and by another value of the word. */
static int sleep_on(struct rdx_wait *wait, const _Atomic uint32_t *word, int fd)
{
	uint32_t woke = 0;
	int r = rdx_wait_sleep(wait, word, 0, 100000, &woke);

	if (r == 0)
		assert_int_equal(woke, RDX_WOKE_TIMEOUT);
	if (r == 0)
		r = rdx_wait_watch_fd(wait, fd, 0x100);
	if (r == 0)
		r = rdx_wait_sleep(wait, word, 0, 1000000000, &woke);
	if (r == 0)
		assert_int_equal(woke, 0x100);
	if (r == 0)
		r = rdx_wait_sleep(wait, word, 1, 1000000000, &woke);
	if (r == 0)
		assert_int_equal(woke | 0x100, 0x100 | RDX_WOKE_WORD);
	return r;
}

static int wait_for_all(struct rig *rig)
{
	static _Atomic uint32_t word;
	struct rdx_wait *wait = NULL;
	int fd, r;

	(void)rig;
	faults_pause();
	fd = eventfd(1, EFD_CLOEXEC);
	faults_resume();
	assert_true(fd >= 0);
	r = rdx_wait_open(&wait, wait_mode);
	if (r == 0)
		r = sleep_on(wait, &word, fd);
	rdx_wait_close(wait);
	close(fd);
	return r;
}

static int has_uring(void)
{
	struct rdx_wait *wait = NULL;
	int r = rdx_wait_open(&wait, RDX_WAIT_URING);

	rdx_wait_close(wait);
	return r == 0;
}

static void test_wait_epoll(void **state)
{
	static const struct failing_answer answers[] = {
		{"epoll_pwait2", 0, 5}, /* interrupted; -ENOSYS: epoll_wait */
		{"eventfd_read", 0, 1},
		{"syscall", 0, 10},
		{NULL, 0, 0},
	};
	const struct failing failing = {.run = wait_for_all, .answers = answers, .least = 8};

	wait_mode = RDX_WAIT_EPOLL;
	failing_each(*state, &failing);
}

static void test_wait_uring(void **state)
{
	static const struct failing_answer answers[] = {
		{"io_uring_ring_dontfork", 0, 1},
		{NULL, 0, 0},
	};
	const struct failing failing = {.run = wait_for_all, .answers = answers, .least = 8};

	wait_mode = RDX_WAIT_URING;
	if (!has_uring()) {
		print_message("skipped: no io_uring here\n");
		skip();
	}
	failing_each(*state, &failing);
}

/* Whatever is wrong with io_uring at its opening, epoll is taken. */
static void test_wait_either(void **state)
{
	static const struct failing_answer answers[] = {
		{"calloc", 0, 1},
		{"io_uring_queue_init_params", 0, 1},
		{"io_uring_submit_and_wait", 0, 1},
		{"io_uring_ring_dontfork", 0, 1},
		{"epoll_pwait2", 0, 5},
		{"eventfd_read", 0, 1},
		{"syscall", 0, 10},
		{NULL, 0, 0},
	};
	const struct failing failing = {.run = wait_for_all, .answers = answers, .least = 8};

	wait_mode = RDX_WAIT_AUTO;
	failing_each(*state, &failing);
}

/* ---- The thread that waits on the word for epoll */

#define RINGS 3

struct ringer {
	_Atomic uint32_t word;
	_Atomic uint32_t asked; /* rings that are wanted */
};

static void *ring_when_asked(void *argument)
{
	struct ringer *ringer = argument;

	for (uint32_t ring = 1; ring <= RINGS; ring++) {
		for (int i = 0; atomic_load(&ringer->asked) < ring; i++)
			patience_nap(i);
		usleep(500); /* it sleeps by now, mostly */
		atomic_fetch_add(&ringer->word, 1);
		syscall(SYS_futex, &ringer->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	}
	return NULL;
}

/* Woken by each ring. A word that is said not to be there ends a sleep: the next one waits again. */
static void sleep_until_rung(struct rdx_wait *wait, struct ringer *ringer)
{
	for (uint32_t ring = 1; ring <= RINGS; ring++) {
		uint32_t woke = 0;
		int r;

		atomic_store(&ringer->asked, ring);
		do
			r = rdx_wait_sleep(wait, &ringer->word, ring - 1, (int64_t)patience_ns(),
					   &woke);
		while (r == -EFAULT);
		assert_int_equal(r, 0);
		assert_int_equal(woke, RDX_WOKE_WORD);
	}
}

/* What failed in the thread, NULL: it made fewer calls. */
static const char *fail_in_thread(uint32_t call, uint32_t way)
{
	struct ringer ringer = {.word = 0};
	struct rdx_wait *wait;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, ring_when_asked, &ringer), 0);
	assert_int_equal(rdx_wait_open(&wait, RDX_WAIT_EPOLL), 0);
	faults_arm_thread(call, way);
	sleep_until_rung(wait, &ringer);
	rdx_wait_close(wait);
	pthread_join(thread, NULL);
	return faults_of_thread().name;
}

/* What it makes of its calls depends on who is faster: until each kind has failed. */
static void test_wait_thread(void **state)
{
	int64_t heap = faults_heap();
	int waits = 0, reports = 0;
	uint32_t call = 0;

	(void)state;
	UNTIL (call >= 24 && waits > 1 && reports > 0) {
		const char *name = fail_in_thread(call / 2 % 12 + 1, call % 2);

		waits += name && strcmp(name, "syscall") == 0;
		reports += name && strcmp(name, "eventfd_write") == 0;
		call++;
	}
	assert_int_equal(faults_heap(), heap);
}

static int install(struct rig *rig)
{
	(void)rig;
	return rdx_guard_install();
}

/* First: installed once, it stays. */
static void test_guard(void **state)
{
	(void)state;
	for (uint32_t call = 1; call <= 2; call++) {
		faults_arm(call, 0);
		assert_int_equal(install(NULL), -EINVAL);
		assert_string_equal(faults_disarm().name, "sigaction");
	}
	assert_int_equal(install(NULL), 0);
	assert_int_equal(install(NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_guard),       TEST(test_reader),     TEST(test_reader_quietly),
		TEST(test_wait_epoll),  TEST(test_wait_uring), TEST(test_wait_either),
		TEST(test_wait_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
