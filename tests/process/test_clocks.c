/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: processes of time namespaces whose CLOCK_MONOTONIC is hours ahead of or behind the
 * others': indexer, reader and publisher each in one. And a process that finds its clock changed, as
 * one that was restored does. No rank is EXACT without an indexer, and none STALE beside one.
 */
#include "shm/shared_clock.h"
#include "tests/patience.h"
#include "tests/rig.h"
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>
#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define S       INT64_C(1000000000)
#define AHEAD   (100000 * S)
#define HOUR_NS (3600 * UINT64_C(1000000000)) /* far less than the clocks differ */
#define WORKER  1

/* How far behind: half of what this clock has counted. */
static int64_t behind(void)
{
	return -(int64_t)(rdx_clock_ns() / 2);
}

static int write_offset(int64_t offset_ns)
{
	int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	char text[64];
	int length = snprintf(text, sizeof(text), "monotonic %lld 0\n", (long long)(offset_ns / S));
	int r = fd >= 0 && write(fd, text, (size_t)length) == length ? 0 : -1;

	if (fd >= 0)
		close(fd);
	return r;
}

/* Fork into a time namespace: 0 in the child, its pid, or -1 where that is forbidden. The process
 * between the two ends with it. */
static pid_t fork_into(int64_t offset_ns)
{
	int status, ready[2];
	pid_t between, child;

	assert_int_equal(pipe(ready), 0);
	between = fork();
	assert_true(between >= 0);
	if (between == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWTIME) < 0 || write_offset(offset_ns) < 0)
			_exit(77);
		child = fork();
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (write(ready[1], "", 1) != 1)
				_exit(1);
			return 0;
		}
		waitpid(child, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	close(ready[1]);
	if (read(ready[0], &status, 1) != 1) {
		waitpid(between, &status, 0);
		between = -1;
	}
	close(ready[0]);
	return between;
}

static void say_forbidden(void)
{
	print_message("no time namespace can be made here\n");
	skip();
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Until it is killed. */
static void maintain(const struct rig *rig)
{
	struct rdx_indexer_options options = {.size = sizeof(options), .dir = rig->dir};
	struct rdx_indexer *indexer;

	int r;

	do /* one before may not have ended yet */
		r = rdx_indexer_open(&indexer, &options);
	while (r == -EBUSY && usleep(1000) == 0);
	if (r < 0)
		_exit(1);
	while (rdx_indexer_poll(indexer, 0) >= 0)
		rdx_indexer_wait(indexer, S / 1000);
	_exit(2);
}

static int open_publisher(const struct rig *rig, struct rdx_publisher **ret_publisher)
{
	struct rdx_publisher_options options = {.size = sizeof(options), .dir = rig->dir};

	options.instance = options.model = "m";
	options.worker_id = WORKER;
	options.ring_slots = 64;
	options.tier_blocks[0] = 64;
	return rdx_publisher_open(ret_publisher, &options);
}

static int store_one(struct rdx_publisher *publisher, uint64_t name)
{
	const struct rdx_stored stored = {.size = sizeof(stored),
					  .time_ns = rdx_clock_ns(),
					  .names = &name,
					  .local_hashes = &name,
					  .count = 1,
					  .name_bytes = 8};

	return rdx_publish_stored(publisher, &stored);
}

static int open_index(const struct rig *rig, struct rdx_index **ret_index)
{
	struct rdx_index_key key = {
		.size = sizeof(key), .model = "m", .flags = RDX_INDEX_ALL_RANKS};

	return rdx_index_open(ret_index, rig->dir, &key);
}

/* The worker's row. `state` 255: there is none yet. */
static struct rdx_run look(struct rdx_index *index)
{
	struct rdx_run run = {.size = sizeof(run)};
	uint64_t local = 1;

	if (rdx_index_lookup_local(index, &local, 1, &run, 1) != 1)
		run.state = 255;
	return run;
}

/* The same of a worker that has one. An indexer that stands still in the midst of a change keeps readers
 * waiting: they ask again. */
static struct rdx_run look_again(struct rdx_index *index)
{
	struct rdx_run run;

	UNTIL ((run = look(index)).state != 255)
		usleep(1000);
	return run;
}

/* The same of the list of ranks, which has the worker's row alone. */
static struct rdx_index_rank look_at_rank(struct rdx_index *index)
{
	struct rdx_index_rank rank = {.size = sizeof(rank)};
	int r;

	UNTIL ((r = rdx_index_ranks(index, &rank, 1)) != -EAGAIN)
		usleep(1000);
	assert_int_equal(r, 1);
	return rank;
}

/* EXACT beside an indexer, by lookups and by the list of ranks, with ages that are true. */
static int sees_it_exact(struct rdx_index *index)
{
	struct rdx_index_rank rank = {.size = sizeof(rank)};
	struct rdx_run run = look(index);

	return run.state == RDX_STATE_EXACT && run.age_ns < HOUR_NS && run.event_age_ns < HOUR_NS &&
	       rdx_index_ranks(index, &rank, 1) == 1 && rank.state == RDX_STATE_EXACT &&
	       rank.age_ns < HOUR_NS && rank.event_age_ns < HOUR_NS;
}

static void open_until_exact(const struct rig *rig, struct rdx_index **ret_index)
{
	UNTIL (open_index(rig, ret_index) == 0)
		usleep(1000);
	UNTIL (sees_it_exact(*ret_index))
		usleep(1000);
}

static void indexer_elsewhere(void **state)
{
	const int64_t offsets[] = {AHEAD, behind()};
	struct rig *rig = *state;

	for (int i = 0; i < 2; i++) {
		struct rdx_publisher *publisher;
		struct rdx_index *index;
		struct rdx_run run;
		pid_t indexer = fork_into(offsets[i]);

		if (indexer == 0)
			maintain(rig);
		if (indexer < 0)
			say_forbidden();
		assert_int_equal(open_publisher(rig, &publisher), 0);
		assert_int_equal(store_one(publisher, 1), 0);
		open_until_exact(rig, &index);
		end(indexer);
		UNTIL ((run = look(index)).state == RDX_STATE_STALE)
			usleep(1000);
		assert_true(run.age_ns < HOUR_NS);
		rdx_index_close(index);
		rdx_publisher_close(publisher);
	}
}

/* The worker's first event has a time of this process's clock: 0, or what is wrong. */
static int read_event(const struct rig *rig)
{
	struct rdx_event event = {.size = sizeof(event)};
	struct rdx_reader *reader;
	int r = rdx_reader_open(&reader, rig->dir, WORKER, 0);
	uint64_t now;

	if (r < 0)
		return 11;
	r = rdx_reader_next(reader, &event);
	now = rdx_clock_ns();
	rdx_reader_close(reader);
	if (r != 1)
		return 12;
	return event.time_ns <= now && now - event.time_ns < HOUR_NS ? 0 : 13;
}

/* In a child: 0, or what is wrong. */
static int read_elsewhere(const struct rig *rig)
{
	struct rdx_index *index;
	struct patience patience = patience_begin();

	if (open_index(rig, &index) < 0)
		return 1;
	while (!sees_it_exact(index)) {
		if (patience_is_over(&patience))
			return 2;
		usleep(1000);
	}
	rdx_index_close(index);
	return read_event(rig);
}

/* An indexer, a worker and a router, all by the same clock. */
struct company {
	pid_t indexer;
	struct rdx_publisher *publisher;
	struct rdx_index *index;
};

static void company_begin(struct company *ret_company, const struct rig *rig)
{
	ret_company->indexer = fork();
	assert_true(ret_company->indexer >= 0);
	if (ret_company->indexer == 0)
		maintain(rig);
	assert_int_equal(open_publisher(rig, &ret_company->publisher), 0);
	assert_int_equal(store_one(ret_company->publisher, 1), 0);
	open_until_exact(rig, &ret_company->index);
}

static void company_end(const struct company *company)
{
	rdx_index_close(company->index);
	rdx_publisher_close(company->publisher);
	end(company->indexer);
}

static void reader_elsewhere(void **state)
{
	const int64_t offsets[] = {AHEAD, behind()};
	struct rig *rig = *state;
	struct company company;
	int status = 0;

	company_begin(&company, rig);
	for (int i = 0; i < 2; i++) {
		pid_t reader = fork_into(offsets[i]);

		if (reader == 0)
			_exit(read_elsewhere(rig));
		if (reader < 0)
			break;
		assert_int_equal(waitpid(reader, &status, 0), reader);
		assert_int_equal(WEXITSTATUS(status), 0);
		status = -1;
	}
	company_end(&company);
	if (status != -1)
		say_forbidden();
}

static int publish_elsewhere(const struct rig *rig)
{
	struct rdx_publisher *publisher;

	return open_publisher(rig, &publisher) < 0 || store_one(publisher, 1) < 0;
}

static void publisher_elsewhere(void **state)
{
	const int64_t offsets[] = {AHEAD, behind()};
	struct rig *rig = *state;
	int status;

	for (int i = 0; i < 2; i++) {
		pid_t publisher = fork_into(offsets[i]);

		if (publisher == 0)
			_exit(publish_elsewhere(rig));
		if (publisher < 0)
			say_forbidden();
		assert_int_equal(waitpid(publisher, &status, 0), publisher);
		assert_int_equal(status, 0);
		assert_int_equal(read_event(rig), 0);
	}
}

/* What is known of the clock is of another life of this process: it learns. */
static void a_clock_that_changed(void **state)
{
	const int64_t offsets[] = {AHEAD, behind()};
	struct company company;

	company_begin(&company, *state);
	for (int i = 0; i < 2; i++) {
		struct rdx_run run;

		rdx_shared_clock_offset_ns = offsets[i];
		run = look(company.index);
		assert_true(run.state != RDX_STATE_EXACT || run.age_ns < HOUR_NS);
		UNTIL (sees_it_exact(company.index))
			usleep(1000);
		assert_true(rdx_shared_clock_offset_ns != offsets[i]);
	}
	company_end(&company);
}

/* An indexer whose clock is an hour ahead, and the kernel does not say so. */
static void maintain_ahead(const struct rig *rig)
{
	struct rdx_indexer_options options = {.size = sizeof(options), .dir = rig->dir};
	struct rdx_indexer *indexer;

	if (rdx_indexer_open(&indexer, &options) < 0)
		_exit(1);
	do
		rdx_shared_clock_offset_ns = -(int64_t)HOUR_NS;
	while (rdx_indexer_poll(indexer, 0) >= 0 && rdx_indexer_wait(indexer, S / 1000) >= 0);
	_exit(2);
}

static void a_pulse_from_the_future(void **state)
{
	struct rig *rig = *state;
	struct rdx_publisher *publisher;
	struct rdx_index *index;
	struct rdx_run run;
	pid_t indexer = fork();

	assert_true(indexer >= 0);
	if (indexer == 0)
		maintain_ahead(rig);
	assert_int_equal(open_publisher(rig, &publisher), 0);
	assert_int_equal(store_one(publisher, 1), 0);
	UNTIL (open_index(rig, &index) == 0)
		usleep(1000);
	UNTIL ((run = look(index)).state == RDX_STATE_STALE)
		usleep(1000);
	for (int i = 0; i < 100; i++) {
		run = look_again(index);
		assert_int_equal(run.state, RDX_STATE_STALE);
		assert_true(run.age_ns == UINT64_MAX);
		assert_int_equal(look_at_rank(index).state, RDX_STATE_STALE);
	}
	rdx_index_close(index);
	rdx_publisher_close(publisher);
	end(indexer);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_clock_that_changed), TEST(a_pulse_from_the_future), TEST(indexer_elsewhere),
		TEST(reader_elsewhere),     TEST(publisher_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
