/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a process that publishes by rdx_publish_* is killed (SIGKILL) at every protocol
 * step, after a random number of events, while a reader of its segment follows it that was started
 * before, during or after it. What the reader then holds must be the state after all whole events
 * published, the rank must be seen dead, and the next publisher and its reader must be exact again.
 */
#include "tests/caller.h"
#include "tests/patience.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifndef RDX_HOOKS
int main(void)
{
	print_message("skipped: built without RDX_HOOKS\n");
	return 77;
}
#else

#define ROUNDS       24 /* of each step */
#define ROUNDS_LEAST 9  /* every start of a reader with every ring */
#define ROUNDS_S     1
#define WORKER       5
#define CLEAR_IN     40

enum reader_start { READER_BEFORE, READER_DURING, READER_AFTER, READER_STARTS };

struct fixture {
	struct rig rig;
	char path[192];
	struct caller_plan *plan; /* of the life under way */
	struct stream_follower follower;
	uint64_t random;
	uint32_t stamp;          /* the worker's clear stamp when it began */
	struct caller_plan last; /* of the life before it */
	uint64_t last_epoch;
	uint32_t last_stamp;
	uint64_t exact, dropped, recovered[4];
};

static int reopen(struct fixture *f)
{
	int r;

	for (int i = 0; i < 4; i++)
		f->recovered[i] += f->follower.recoveries[i];
	stream_follower_free(&f->follower);
	r = rdx_reader_open(&f->follower.reader, f->rig.dir, WORKER, 0);
	return r < 0 ? r : stream_recover(&f->follower, NULL);
}

/* As a router does: follow, and when no process holds the rank look for its next epoch. */
static int look(struct fixture *f)
{
	struct rdx_cursor cursor;
	int r = stream_follow(&f->follower);

	if (r == 0 && rdx_reader_alive(f->follower.reader) == 0) {
		rdx_reader_cursor(f->follower.reader, &cursor);
		r = stream_recover(&f->follower, &cursor);
	}
	while (r == -ESTALE || r == -EAGAIN || r == -EOVERFLOW)
		r = reopen(f);
	return r;
}

/* Follow until the child has ended, then caught up what it left. */
static void follow_child(struct fixture *f, pid_t child, enum reader_start start)
{
	int killed = 0;

	while (!killed) {
		killed = child_was_killed(child);
		assert_true(killed >= 0);
		if (start == READER_DURING && atomic_load(&f->plan->begun) > 0)
			start = READER_BEFORE;
		if (start == READER_BEFORE)
			assert_int_equal(look(f), 0);
	}
	if (start == READER_AFTER)
		assert_int_equal(reopen(f), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(look(f), 0);
}

static void assert_state(struct fixture *f, enum rdx_hook_step step)
{
	const struct rdx_rank_info *info = rdx_reader_info(f->follower.reader);
	int is_last = info->epoch == f->last_epoch;
	static struct stream oracle, empty;
	struct rdx_holding holding;
	struct rdx_cursor cursor;
	int r;

	assert_int_equal(rdx_reader_alive(f->follower.reader), 0);
	rdx_reader_cursor(f->follower.reader, &cursor);
	caller_stream(&empty, &f->rig.key, is_last ? &f->last : f->plan);
	oracle = empty;
	oracle.stamp = is_last ? f->last_stamp : f->stamp;
	if (!is_last)
		assert_true(caller_is_newest(f->plan, step, cursor.event_id));
	stream_go_to(&oracle, cursor.event_id);
	/* the worker is cleared as soon as its stamp is up, Cleared or not */
	if (info->clear_id && rdx_reader_clear_stamp(f->follower.reader) != oracle.stamp)
		oracle = empty;
	else
		assert_int_not_equal(step, RDX_HOOK_CLEAR_BUMPED);

	r = rdx_holding_of(f->follower.reader, 0, &holding, &cursor);
	if (r == 0) {
		assert_int_equal(stream_differences(&oracle, &holding), 0);
		rdx_holding_free(&holding);
	} else {
		assert_int_equal(r, -EOWNERDEAD);
		assert_true(caller_is_in_mid_event(step));
	}
	if (!stream_is_exact(&f->follower)) {
		/* the ledger has half of an event: not waited for, dropped */
		assert_int_equal(r, -EOWNERDEAD);
		f->dropped++;
		return;
	}
	assert_int_equal(stream_differences(&oracle, &f->follower.holding), 0);
	f->exact++;
}

static void assert_no_leftovers(struct fixture *f)
{
	char path[128];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%d", f->rig.dir, WORKER);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		assert_int_not_equal(strncmp(entry->d_name, ".tmp-", 5), 0);
	closedir(dir);
}

/* The next epoch, in this process; it ends in silence, but with whole events. */
static void live_again(struct fixture *f)
{
	uint64_t events = rig_random(&f->random) % 600;
	struct rdx_publisher *publisher;
	static struct stream oracle;

	f->plan->seed = rig_random(&f->random);
	assert_int_equal(caller_open(&publisher, f->plan), 0);
	assert_no_leftovers(f);
	f->last = *f->plan;
	f->last_stamp = caller_clear_stamp(f->plan, f->rig.dir_fd);
	caller_stream(&oracle, &f->rig.key, f->plan);
	while (oracle.event_id < events)
		assert_int_equal(caller_step(&oracle, publisher), 0);
	if (f->follower.reader)
		assert_int_equal(look(f), 0);
	else
		assert_int_equal(reopen(f), 0);
	assert_int_equal(look(f), 0);
	assert_int_equal(rdx_reader_alive(f->follower.reader), 1);
	assert_true(stream_is_exact(&f->follower));
	assert_int_equal(stream_differences(&oracle, &f->follower.holding), 0);
	f->last_epoch = rdx_reader_info(f->follower.reader)->epoch;
	rdx_publisher_close(publisher);
}

/* One that is killed, at the `hits`-th time that the step is met. */
static pid_t start_child(struct fixture *f, enum rdx_hook_step step, uint32_t hits)
{
	f->plan->seed = rig_random(&f->random);
	f->stamp = caller_clear_stamp(f->plan, f->rig.dir_fd);
	atomic_store(&f->plan->begun, 0);
	atomic_store(&f->plan->completed, 0);
	child_arm(&f->plan->child, step, hits);
	return child_start(CALLER_ROLE, f->path);
}

static uint32_t hits_most(enum rdx_hook_step step)
{
	switch (step) {
	case RDX_HOOK_CLAIM_LOCKED:
	case RDX_HOOK_SEGMENT_FILLED:
	case RDX_HOOK_SEGMENT_BUILT:
	case RDX_HOOK_SEGMENT_RENAMED:
		return 1;
	case RDX_HOOK_BARRIER_NAMED:
	case RDX_HOOK_CLEAR_BUMPED:
		return 40;
	default:
		return 3000;
	}
}

static void run_step(struct fixture *f, enum rdx_hook_step step)
{
	static const uint64_t rings[] = {64, 512, 1 << 14};
	struct effort effort = effort_begin(ROUNDS_LEAST, ROUNDS, ROUNDS_S);

	for (int round = 0; effort_goes_on(&effort); round++) {
		enum reader_start start = (enum reader_start)(round % READER_STARTS);
		pid_t child;

		f->plan->ring_slots = rings[round / READER_STARTS % 3];
		f->plan->clear_scope = step == RDX_HOOK_CLEAR_BUMPED || round & 1 ? RDX_CLEAR_WORKER
										  : RDX_CLEAR_RANK;
		live_again(f);
		child = start_child(f, step,
				    1 + (uint32_t)(rig_random(&f->random) % hits_most(step)));
		assert_true(child > 0);
		follow_child(f, child, start);
		assert_state(f, step);
	}
}

static void run_steps(const struct child_steps *steps)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	f.random = rig_seed();
	rig_make(&f.rig);
	f.plan = child_share(&f.rig, "caller", sizeof(*f.plan), f.path);
	assert_non_null(f.plan);
	f.plan->worker_id = WORKER;
	f.plan->clear_in = CLEAR_IN;
	atomic_store(&f.plan->limit, UINT64_MAX);
	for (uint32_t i = 0; i < steps->count; i++)
		run_step(&f, steps->step[i]);
	live_again(&f);
	reopen(&f);
	print_message("%llu exact, %llu dropped with half an event in the ledger; "
		      "recovered: %llu went on, %llu barrier, %llu ledger\n",
		      (unsigned long long)f.exact, (unsigned long long)f.dropped,
		      (unsigned long long)f.recovered[RDX_RECOVERED_CONTINUE],
		      (unsigned long long)f.recovered[RDX_RECOVERED_BARRIER],
		      (unsigned long long)f.recovered[RDX_RECOVERED_LEDGER]);
	stream_follower_free(&f.follower);
	rig_remove(&f.rig);
}

static void test_killed_while_opening(void **state)
{
	(void)state;
	run_steps(&child_steps_opening);
}

static void test_killed_in_the_ledger(void **state)
{
	(void)state;
	run_steps(&child_steps_ledger);
}

static void test_killed_in_the_ring(void **state)
{
	(void)state;
	run_steps(&child_steps_ring);
}

static void test_killed_at_barrier_bell_and_clear(void **state)
{
	(void)state;
	run_steps(&child_steps_after);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_while_opening),
		cmocka_unit_test(test_killed_in_the_ledger),
		cmocka_unit_test(test_killed_in_the_ring),
		cmocka_unit_test(test_killed_at_barrier_bell_and_clear),
	};

	if (argc == 3 && strcmp(argv[1], CALLER_ROLE) == 0)
		return caller_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
