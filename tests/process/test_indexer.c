/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the indexer and the segments of its namespace: they appear, go, and come back
 * changed; they are unreadable, or become so while mapped; they belong to several indexes; their
 * worker is stopped in mid-event; the namespace itself goes. What happens to one worker never
 * affects another.
 */
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include "shm/namespace.h"
#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define STALE_NS UINT64_C(250000000)
#define STALE_US 300000 /* more than what makes a rank STALE */

/* A worker that nothing ever happens to. */
#define GOOD        1
#define GOOD_PROMPT 77
#define GOOD_BLOCKS 20

static struct rdx_publisher *make(struct indexer_rig *x)
{
	struct rdx_publisher *good;

	indexer_rig_make(x);
	x->stale_after_ns = STALE_NS;
	good = prompt_publisher(x, GOOD, 0);
	prompt_store(good, GOOD_PROMPT, GOOD_BLOCKS, 0);
	indexer_rig_open(x, RDX_WAIT_AUTO);
	until_state(x, GOOD, 0, RDX_STATE_EXACT, good, NULL);
	return good;
}

static void end(struct indexer_rig *x, struct rdx_publisher *good)
{
	until_state(x, GOOD, 0, RDX_STATE_EXACT, good, NULL);
	assert_int_equal(prompt_run(x->index, GOOD_PROMPT, GOOD_BLOCKS + 5, GOOD, 0), GOOD_BLOCKS);
	rdx_publisher_close(good);
	indexer_rig_end(x);
}

static void segment_path(const struct indexer_rig *x, uint64_t worker_id, char *ret_path)
{
	snprintf(ret_path, 160, "%s/%llu/0.seg", x->dir, (unsigned long long)worker_id);
}

static void poll_for_us(struct indexer_rig *x, uint64_t us)
{
	uint64_t until = rdx_clock_ns() + us * 1000;

	while (rdx_clock_ns() < until)
		indexer_poll(x);
}

static void test_segments_appear_go_and_come_back(void **state)
{
	struct indexer_rig x;
	struct rdx_publisher *good = make(&x), *publisher;
	struct rdx_index_rank first, second;

	(void)state;
	publisher = prompt_publisher(&x, 2, 0);
	prompt_store(publisher, 1, 30, 0);
	until_state(&x, 2, 0, RDX_STATE_EXACT, publisher, &first);
	assert_int_equal(prompt_run(x.index, 1, 40, 2, 0), 30);

	rdx_publisher_close(publisher);
	until_state(&x, 2, 0, RDX_STATE_GONE, NULL, NULL);
	assert_int_equal(prompt_run(x.index, 1, 40, 2, 0), -1);

	publisher = prompt_publisher(&x, 2, 0);
	prompt_store(publisher, 2, 10, 1);
	until_state(&x, 2, 0, RDX_STATE_EXACT, publisher, &second);
	assert_true(second.epoch != first.epoch);
	assert_int_equal(prompt_run(x.index, 1, 40, 2, 0), 0);
	assert_int_equal(prompt_run(x.index, 2, 40, 2, 0), 10);

	/* so fast that it was never seen gone */
	rdx_publisher_close(publisher);
	publisher = prompt_publisher(&x, 2, 0);
	prompt_store(publisher, 3, 5, 0);
	prompt_store(publisher, 4, 5, 0); /* one event more than before */
	until_state(&x, 2, 0, RDX_STATE_EXACT, publisher, &first);
	assert_int_equal(prompt_run(x.index, 2, 40, 2, 0), 0);
	assert_int_equal(prompt_run(x.index, 3, 40, 2, 0), 5);
	rdx_publisher_close(publisher);
	end(&x, good);
}

static void test_a_worker_comes_back_for_another_index(void **state)
{
	struct rdx_index_key other = {
		.size = sizeof(other), .model = "other model", .flags = RDX_INDEX_ALL_RANKS};
	struct rdx_index_key wide = {.size = sizeof(wide),
				     .model = WORKER_MODEL,
				     .block_tokens = 64,
				     .flags = RDX_INDEX_ALL_RANKS};
	struct indexer_rig x;
	struct rdx_publisher *good = make(&x), *publisher;
	struct rdx_publisher_options options = prompt_options(&x, 2, 0, 2, 64);
	struct indexer_rig seen;

	(void)state;
	publisher = prompt_publisher(&x, 2, 0);
	prompt_store(publisher, 1, 30, 0);
	until_state(&x, 2, 0, RDX_STATE_EXACT, publisher, NULL);
	rdx_publisher_close(publisher);

	options.model = other.model;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	prompt_store(publisher, 1, 20, 0);
	until_state(&x, 2, 0, RDX_STATE_GONE, NULL, NULL);
	seen = x;
	UNTIL (rdx_index_open(&seen.index, x.dir, &other) == 0)
		indexer_poll(&x);
	until_state(&seen, 2, 0, RDX_STATE_EXACT, publisher, NULL);
	assert_int_equal(prompt_run(seen.index, 1, 40, 2, 0), 20);
	assert_int_equal(prompt_run(seen.index, GOOD_PROMPT, 40, GOOD, 0), -1);
	assert_int_equal(prompt_run(x.index, 1, 40, 2, 0), -1);
	rdx_publisher_close(publisher);
	until_state(&seen, 2, 0, RDX_STATE_GONE, NULL, NULL);
	rdx_index_close(seen.index);

	options.model = WORKER_MODEL;
	options.block_tokens = wide.block_tokens;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	prompt_store(publisher, 1, 10, 0);
	seen = x;
	UNTIL (rdx_index_open(&seen.index, x.dir, &wide) == 0)
		indexer_poll(&x);
	until_state(&seen, 2, 0, RDX_STATE_EXACT, publisher, NULL);
	assert_int_equal(prompt_run(seen.index, 1, 40, 2, 0), 10);
	assert_int_equal(prompt_run(x.index, 1, 40, 2, 0), -1);
	rdx_index_close(seen.index);
	rdx_publisher_close(publisher);
	end(&x, good);
}

static void test_tenants_side_by_side(void **state)
{
	static const char *const tenants[] = {"a", "b", "c"};
	struct indexer_rig x, seen[3];
	struct rdx_publisher *good = make(&x), *publisher[3];
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct rdx_publisher_options options = prompt_options(&x, 2 + i, 0, 1, 64);

		options.tenant = tenants[i];
		assert_int_equal(rdx_publisher_open(&publisher[i], &options), 0);
		prompt_store(publisher[i], 1, 10 + i, 0);
	}
	for (uint32_t i = 0; i < 3; i++) {
		struct rdx_index_key key = {.size = sizeof(key),
					    .model = WORKER_MODEL,
					    .tenant = tenants[i],
					    .flags = RDX_INDEX_ALL_RANKS};

		seen[i] = x;
		UNTIL (rdx_index_open(&seen[i].index, x.dir, &key) == 0)
			indexer_poll(&x);
		until_state(&seen[i], 2 + i, 0, RDX_STATE_EXACT, publisher[i], NULL);
		for (uint32_t k = 0; k < 3; k++)
			assert_int_equal(prompt_run(seen[i].index, 1, 40, 2 + k, 0),
					 k == i ? (int)(10 + i) : -1);
	}
	assert_int_equal(rdx_indexer_get_stats(x.indexer, &stats), 0);
	assert_int_equal(stats.indexes, 4);
	for (uint32_t i = 0; i < 3; i++) {
		rdx_index_close(seen[i].index);
		rdx_publisher_close(publisher[i]);
	}
	end(&x, good);
}

/* Put a dead worker's file there: a good one with `bytes` changed at `offset`. */
static void put_damaged(const struct indexer_rig *x, uint64_t worker_id, off_t offset,
			const void *bytes, size_t count, off_t length)
{
	struct rdx_publisher *publisher = prompt_publisher(x, worker_id, 0);
	char path[160];
	int fd;

	rdx_publisher_close(publisher);
	segment_path(x, worker_id, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, count, offset), count);
	if (length >= 0)
		assert_int_equal(ftruncate(fd, length), 0);
	close(fd);
}

static void test_unreadable_segments(void **state)
{
	uint64_t garbage[32], version = 99, fingerprint = 12345;
	struct indexer_rig x;
	struct rdx_publisher *good, *publisher;
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	uint64_t random = rig_seed();

	(void)state;
	good = make(&x);
	rdx_indexer_close(x.indexer);
	for (uint32_t i = 0; i < 32; i++)
		garbage[i] = rig_random(&random);
	put_damaged(&x, 2, 0, garbage, sizeof(garbage), -1);
	put_damaged(&x, 3, offsetof(struct rdx_segment_header, format_version), &version, 4, -1);
	put_damaged(&x, 4, offsetof(struct rdx_segment_header, key_fingerprint), &fingerprint,
		    sizeof(fingerprint), -1);
	put_damaged(&x, 5, 0, NULL, 0, 5000);
	put_damaged(&x, 6, 0, NULL, 0, 0);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	until_cause(&x, 2, 0, -EBADMSG);
	until_cause(&x, 3, 0, -EPROTONOSUPPORT);
	until_cause(&x, 4, 0, -EKEYREJECTED);
	until_cause(&x, 5, 0, -EBADMSG);
	until_cause(&x, 6, 0, -EBADMSG);
	until_cause(&x, GOOD, 0, 0);
	assert_int_equal(rdx_indexer_get_stats(x.indexer, &stats), 0);
	assert_int_equal(stats.unreadable, 5);

	/* its next epoch is a good one */
	publisher = prompt_publisher(&x, 3, 0);
	prompt_store(publisher, 1, 30, 0);
	until_state(&x, 3, 0, RDX_STATE_EXACT, publisher, NULL);
	until_cause(&x, 3, 0, 0);
	assert_int_equal(prompt_run(x.index, 1, 40, 3, 0), 30);
	rdx_publisher_close(publisher);
	end(&x, good);
}

static void test_a_segment_is_truncated_while_mapped(void **state)
{
	struct indexer_rig x;
	struct rdx_publisher *good = make(&x), *publisher;
	struct rdx_index_rank info = {.size = sizeof(info)};
	char path[160];

	(void)state;
	assert_int_equal(rdx_guard_install(), 0);
	publisher = prompt_publisher(&x, 2, 0);
	prompt_store(publisher, 1, 30, 0);
	until_state(&x, 2, 0, RDX_STATE_EXACT, publisher, NULL);
	segment_path(&x, 2, path);
	assert_int_equal(truncate(path, 0), 0);
	until_state(&x, 2, 0, RDX_STATE_INEXACT, NULL, &info);
	assert_int_equal(info.cause, -EBADMSG);
	assert_int_equal(prompt_run(x.index, 1, 40, 2, 0), 0);
	/* and that stays so: the indexer is neither dead nor behind */
	poll_for_us(&x, STALE_US);
	until_state(&x, 2, 0, RDX_STATE_INEXACT, NULL, &info);
	assert_int_equal(info.cause, -EBADMSG);
	/* until its process is gone */
	rdx_publisher_close(publisher);
	until_state(&x, 2, 0, RDX_STATE_GONE, NULL, NULL);
	end(&x, good);
}

static void test_a_worker_stopped_in_mid_event(void **state)
{
#ifdef RDX_HOOKS
	static const uint32_t steps[] = {
		RDX_HOOK_LEDGER_WORD,
		RDX_HOOK_SLOT_HALF,
		RDX_HOOK_SLOT_PUBLISHED,
		RDX_HOOK_EVENT_PUBLISHED,
	};
	struct indexer_rig x;
	struct rdx_publisher *good = make(&x);
	struct worker_plan *plan;
	static struct calls stream;
	char path[192];
	pid_t pid;

	(void)state;
	plan = child_share(&x.rig, "stopped", sizeof(*plan), path);
	assert_non_null(plan);
	plan->worker_id = 2;
	plan->ring_slots = 1024;
	plan->seed = rig_seed();
	plan->child.signal = SIGSTOP;
	worker_calls_make(&stream, &x.rig.key, plan->seed, 0);
	worker_run(plan, 0);
	pid = child_start(WORKER_ROLE, path);
	assert_true(pid > 0);
	for (uint32_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct rdx_index_rank info = {.size = sizeof(info)};

		child_arm(&plan->child, steps[i], 50);
		worker_run(plan, stream.done + 400);
		UNTIL (child_has_stopped(pid)) {
			/* most operations of some streams change nothing: go on until it is met */
			if (worker_rests(plan))
				worker_run(plan, atomic_load(&plan->done) + 400);
			indexer_poll(&x);
		}
		poll_for_us(&x, STALE_US);
		/* it is alive, and the indexer has caught up with its ring */
		until_state(&x, 2, 0, RDX_STATE_EXACT, NULL, &info);
		/* a fresh indexer cannot know all of it yet */
		rdx_indexer_close(x.indexer);
		indexer_rig_open(&x, RDX_WAIT_AUTO);
		poll_for_us(&x, STALE_US);
		until_state(&x, GOOD, 0, RDX_STATE_EXACT, good, NULL);
		kill(pid, SIGCONT);
		UNTIL (worker_rests(plan))
			indexer_poll(&x);
		until_state(&x, 2, 0, RDX_STATE_EXACT, NULL, &info);
		UNTIL (info.last_event_id == atomic_load(&plan->events)) {
			indexer_poll(&x);
			until_state(&x, 2, 0, RDX_STATE_EXACT, NULL, &info);
		}
		while (stream.done < atomic_load(&plan->done))
			assert_int_equal(calls_step(&stream, NULL), 0);
		assert_int_equal(worker_differences(x.index, &stream, 2, 0), 0);
	}
	child_kill(pid);
	end(&x, good);
#else
	(void)state;
	skip();
#endif
}

static void test_the_namespace_is_removed(void **state)
{
	struct indexer_rig x;
	struct rdx_publisher *good = make(&x);
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	uint64_t prefix = 1;
	int r = 0;

	(void)state;
	held_remove(x.dir);
	UNTIL (r < 0) {
		r = rdx_indexer_poll(x.indexer, 0);
		if (r == 0)
			assert_true(rdx_indexer_wait(x.indexer, 2000000) >= 0);
	}
	assert_int_equal(r, -ENOENT);
	/* it reports that at each walk, and nothing else is harmed */
	for (int i = 0; i < 100; i++) {
		r = rdx_indexer_poll(x.indexer, 0);
		assert_true(r >= 0 || r == -ENOENT);
	}
	prompt_store(good, 5, 10, 0);
	rdx_indexer_close(x.indexer);
	x.indexer = NULL;
	usleep(STALE_US);
	assert_int_equal(rdx_index_lookup(x.index, &prefix, 1, runs, RDX_RANKS_MAX), 1);
	assert_int_equal(runs[0].state, RDX_STATE_STALE);
	rdx_publisher_close(good);
	indexer_rig_end(&x);
}

/* A walk that could not be made is made later; the indexer goes on with what it has. */
static void test_no_descriptor_is_left(void **state)
{
	struct indexer_rig x;
	struct rdx_publisher *good = make(&x), *publisher;
	struct rlimit limit, none;

	(void)state;
	publisher = prompt_publisher(&x, 2, 0);
	prompt_store(publisher, 1, 30, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	prompt_store(good, 8, 7, 0);
	poll_for_us(&x, STALE_US);
	until_state(&x, GOOD, 0, RDX_STATE_EXACT, good, NULL);
	assert_int_equal(prompt_run(x.index, 8, 40, GOOD, 0), 7);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	until_state(&x, 2, 0, RDX_STATE_EXACT, publisher, NULL);
	assert_int_equal(prompt_run(x.index, 1, 40, 2, 0), 30);
	rdx_publisher_close(publisher);
	end(&x, good);
}

/* What is gone with its file is forgotten, and its counts are not. */
static void test_ranks_whose_files_are_removed_are_forgotten(void **state)
{
	struct indexer_rig x;
	struct rdx_publisher *good = make(&x);
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	struct rdx_segment_row row = {.size = sizeof(row)};
	uint64_t before;
	char path[160];

	(void)state;
	assert_int_equal(rdx_indexer_get_stats(x.indexer, &stats), 0);
	before = stats.blocks_stored;
	for (uint64_t worker_id = 10; worker_id < 20; worker_id++) {
		struct rdx_publisher *publisher = prompt_publisher(&x, worker_id, 0);

		prompt_store(publisher, 1, 10, 0);
		until_state(&x, worker_id, 0, RDX_STATE_EXACT, publisher, NULL);
		rdx_publisher_close(publisher);
		until_state(&x, worker_id, 0, RDX_STATE_GONE, NULL, NULL);
		snprintf(path, sizeof(path), "%s/%llu", x.dir, (unsigned long long)worker_id);
		held_remove(path);
	}
	put_damaged(&x, 20, 0, NULL, 0, 100);
	until_cause(&x, 20, 0, -EBADMSG);
	snprintf(path, sizeof(path), "%s/20", x.dir);
	held_remove(path);
	UNTIL (rdx_indexer_segment(x.indexer, 1, &row) == -ENOENT)
		indexer_poll(&x);
	assert_int_equal(rdx_indexer_segment(x.indexer, 0, &row), 0);
	assert_int_equal(row.worker_id, GOOD);
	assert_int_equal(rdx_indexer_get_stats(x.indexer, &stats), 0);
	assert_int_equal(stats.blocks_stored - before, 100);
	assert_int_equal(stats.unreadable, 0);
	assert_int_equal(stats.ranks, 1);
	end(&x, good);
}

/* File systems on disks give a new file the number of one just removed. */
static void test_a_new_file_with_an_old_number(void **state)
{
	char disk[HELD_PATH_BYTES], path[160];
	struct rdx_publisher *publisher;
	struct indexer_rig x;
	struct stat old, new;

	(void)state;
	indexer_rig_make(&x);
	assert_int_equal(held_make(HELD_ON_DISK, disk), 0);
	x.dir = disk;
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	publisher = prompt_publisher(&x, 2, 0);
	prompt_store(publisher, 1, 30, 0);
	until_state(&x, 2, 0, RDX_STATE_EXACT, publisher, NULL);
	segment_path(&x, 2, path);
	assert_int_equal(stat(path, &old), 0);
	rdx_publisher_close(publisher);
	until_state(&x, 2, 0, RDX_STATE_GONE, NULL, NULL);

	/* cleaned up, and back before anybody looks */
	assert_int_equal(unlink(path), 0);
	publisher = prompt_publisher(&x, 2, 0);
	assert_int_equal(stat(path, &new), 0);
	print_message("the new file has %s number\n",
		      old.st_ino == new.st_ino ? "the old" : "another");
	prompt_store(publisher, 2, 20, 0);
	prompt_store(publisher, 3, 20, 0);
	until_state(&x, 2, 0, RDX_STATE_EXACT, publisher, NULL);
	assert_int_equal(prompt_run(x.index, 2, 40, 2, 0), 20);
	rdx_publisher_close(publisher);
	rdx_index_close(x.index);
	rdx_indexer_close(x.indexer);
	held_remove(disk);
	rig_remove(&x.rig);
}

#ifdef RDX_HOOKS
static void take_long(enum rdx_hook_step step)
{
	if (step == RDX_HOOK_READ_WORD)
		usleep(1000); /* more than a poll has for events */
}

/* The time of a poll is over before it has asked every rank: it does not say that there is nothing to
 * do. The polls begin with another rank each time, so in some rounds the idle one comes first. */
static void test_polls_that_run_out_of_time(void **state)
{
	struct indexer_rig x;
	struct rdx_publisher *good = make(&x), *publisher = prompt_publisher(&x, 2, 0);

	(void)state;
	until_state(&x, 2, 0, RDX_STATE_EXACT, publisher, NULL);
	rdx_hook_function = take_long;
	for (uint32_t prompt = 1; prompt <= 12; prompt++) {
		prompt_store(publisher, prompt, 5, 0);
		while (prompt_run(x.index, prompt, 5, 2, 0) != 5)
			assert_true(rdx_indexer_poll(x.indexer, 0) > 0);
	}
	rdx_hook_function = NULL;
	rdx_publisher_close(publisher);
	end(&x, good);
}
#endif

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments_appear_go_and_come_back),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_polls_that_run_out_of_time),
#endif
		cmocka_unit_test(test_a_worker_comes_back_for_another_index),
		cmocka_unit_test(test_tenants_side_by_side),
		cmocka_unit_test(test_unreadable_segments),
		cmocka_unit_test(test_a_segment_is_truncated_while_mapped),
		cmocka_unit_test(test_a_worker_stopped_in_mid_event),
		cmocka_unit_test(test_a_new_file_with_an_old_number),
		cmocka_unit_test(test_no_descriptor_is_left),
		cmocka_unit_test(test_the_namespace_is_removed),
		cmocka_unit_test(test_ranks_whose_files_are_removed_are_forgotten),
	};

	if (argc == 3 && strcmp(argv[1], WORKER_ROLE) == 0)
		return worker_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
