/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the question who lives (F_OFD_GETLK) fails, as it does where the kernel has no memory
 * for the answer. An error is no death: a worker is GONE only by the answer "free"; until there is an
 * answer, what is known of it ages. A GONE worker whose lock is held again comes back. Who sleeps is told
 * of a death, and need not ask.
 */
#include "shm/lock.h"
#include "tests/indexer_rig.h"
#include "tests/patience.h"
#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#define STALE_NS UINT64_C(200000000)
#define NEVER_NS UINT64_C(1000000000000000)
#define FAILURES 10

static int failing, failed;

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (command != F_OFD_GETLK || !failing)
		return __real_fcntl(fd, command, argument);
	failed++;
	errno = ENOMEM;
	return -1;
}

static void ask_in_vain(struct indexer_rig *x)
{
	failing = 1;
	failed = 0;
	UNTIL (failed >= FAILURES)
		indexer_poll(x);
}

static uint64_t recoveries(const struct indexer_rig *x)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	uint64_t sum = 0;

	assert_int_equal(rdx_indexer_get_stats(x->indexer, &stats), 0);
	for (int way = 0; way < 4; way++)
		sum += stats.recoveries[way];
	return sum;
}

static void test_an_error_is_no_death(void **state)
{
	struct rdx_publisher *publisher;
	struct indexer_rig x;
	uint64_t before;

	(void)state;
	indexer_rig_make(&x);
	x.stale_after_ns = STALE_NS;
	publisher = prompt_publisher(&x, 1, 0);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	until_state(&x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	before = recoveries(&x);
	ask_in_vain(&x);
	/* followed all the time, and not sure of it */
	prompt_store(publisher, 1, 5, 0);
	until_state(&x, 1, 0, RDX_STATE_STALE, publisher, NULL);
	assert_int_equal(prompt_run(x.index, 1, 8, 1, 0), 5);
	failing = 0;
	until_state(&x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	assert_int_equal(prompt_run(x.index, 1, 8, 1, 0), 5);
	assert_int_equal(recoveries(&x), before);

	/* a death is seen by the first answer */
	ask_in_vain(&x);
	rdx_publisher_close(publisher);
	until_state(&x, 1, 0, RDX_STATE_STALE, NULL, NULL);
	failing = 0;
	until_state(&x, 1, 0, RDX_STATE_GONE, NULL, NULL);
	indexer_rig_end(&x);
}

static void test_no_answer_at_first(void **state)
{
	struct rdx_publisher *publisher;
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	publisher = prompt_publisher(&x, 1, 0);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	failing = 1;
	until_cause(&x, 1, 0, -ENOMEM);
	failing = 0;
	until_state(&x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	rdx_publisher_close(publisher);
	indexer_rig_end(&x);
}

/* As a process does that was frozen with its lock lost, and goes on. */
static void test_held_again(void **state)
{
	struct rdx_publisher *publisher;
	struct indexer_rig x;
	int fd;

	(void)state;
	indexer_rig_make(&x);
	publisher = prompt_publisher(&x, 1, 0);
	prompt_store(publisher, 1, 5, 0);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	until_state(&x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	rdx_publisher_close(publisher);
	until_state(&x, 1, 0, RDX_STATE_GONE, NULL, NULL);
	assert_true(prompt_run(x.index, 1, 8, 1, 0) <= 0);
	fd = openat(x.rig.dir_fd, "1/0.seg", O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(rdx_lock_take(fd), 0);
	until_state(&x, 1, 0, RDX_STATE_EXACT, NULL, NULL);
	assert_int_equal(prompt_run(x.index, 1, 8, 1, 0), 5);
	close(fd);
	until_state(&x, 1, 0, RDX_STATE_GONE, NULL, NULL);
	indexer_rig_end(&x);
}

/* Locks are not asked by the clock: the kernel says that the segment was closed, also where its name is lost,
 * and of a worker that came later. */
static void test_told_of_a_death(void **state)
{
	struct rdx_publisher *publisher[3];
	struct indexer_rig x;
	int fd = inotify_init1(IN_CLOEXEC);

	(void)state;
	if (fd < 0)
		skip();
	close(fd);
	indexer_rig_make(&x);
	x.liveness_ns = NEVER_NS;
	publisher[0] = prompt_publisher(&x, 1, 0);
	publisher[1] = prompt_publisher(&x, 1, 1);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	until_state(&x, 1, 0, RDX_STATE_EXACT, publisher[0], NULL);
	until_state(&x, 1, 1, RDX_STATE_EXACT, publisher[1], NULL);
	publisher[2] = prompt_publisher(&x, 2, 0);
	until_state(&x, 2, 0, RDX_STATE_EXACT, publisher[2], NULL);
	assert_int_equal(unlinkat(x.rig.dir_fd, "1/1.seg", 0), 0);
	for (int i = 0; i < 3; i++) {
		rdx_publisher_close(publisher[i]);
		until_state(&x, i == 2 ? 2 : 1, i == 1, RDX_STATE_GONE, NULL, NULL);
	}
	indexer_rig_end(&x);
}

/* A producer in mid-event: without an answer it may still go on. */
static void test_resident_without_an_answer(void **state)
{
	struct rdx_segment_spec spec = rig_spec(1, 0, 64, 64);
	struct rig_producer producer;
	struct rig *rig = *state;
	struct rdx_reader *reader;
	struct rdx_cursor exact;
	uint64_t hashes[64], count;

	assert_int_equal(rig_claim(rig, &producer, &spec), 0);
	assert_int_equal(rdx_reader_open(&reader, rig->dir, 1, 0), 0);
	rdx_ledger_intend(producer.owner.live, producer.tail + 1);
	failing = 1;
	assert_int_equal(rdx_reader_resident(reader, 0, hashes, 64, &count, &exact), -EAGAIN);
	failing = 0;
	rig_release(&producer);
	assert_int_equal(rdx_reader_resident(reader, 0, hashes, 64, &count, &exact), -EOWNERDEAD);
	rdx_reader_close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_error_is_no_death),
		cmocka_unit_test(test_no_answer_at_first),
		cmocka_unit_test(test_held_again),
		cmocka_unit_test(test_told_of_a_death),
		cmocka_unit_test_setup_teardown(test_resident_without_an_answer, rig_setup,
						rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
