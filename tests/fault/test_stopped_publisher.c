/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a process that publishes by rdx_publish_* stops (SIGSTOP) at every protocol step,
 * alive. Readers look at its segment before, while it is stopped (by each way of recovery), and
 * after it goes on: none takes it for damaged, each finds the newest whole event, and what it calls
 * exact is the state after the calls made.
 */
#include "tests/caller.h"
#include "tests/patience.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#ifndef RDX_HOOKS
int main(void)
{
	print_message("skipped: built without RDX_HOOKS\n");
	return 77;
}
#else

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STOPS 2
#else
#define STOPS 6
#endif
#define WORKER    6
#define AFTER_MAX 80 /* events from a stop to the next rest */
#define CURSORS   4

/* Readers: one that was there before, one that came while the producer was stopped and did
 * what it was told to, one that was made to use the ledger, one that came after. */
enum { BEFORE, DURING, BY_LEDGER, AFTER, READERS };

struct fixture {
	struct rig rig;
	char path[192];
	struct caller_plan *plan;
	pid_t pid;
	uint64_t random;
	struct stream rested; /* the state when it last rested */
	struct stream_follower reader[READERS];
	struct rdx_cursor cursor[CURSORS]; /* where BEFORE was since then */
	uint32_t cursors;
	uint64_t recovered[4], exact, half;
};

static void close_reader(struct fixture *f, int which)
{
	for (int way = 0; way < 4; way++)
		f->recovered[way] += f->reader[which].recoveries[way];
	if (f->reader[which].reader)
		stream_follower_free(&f->reader[which]);
}

static void open_reader(struct fixture *f, int which)
{
	close_reader(f, which);
	assert_int_equal(rdx_reader_open(&f->reader[which].reader, f->rig.dir, WORKER, 0), 0);
}

/* What is held after an event, as far as a reader can know it now. */
static void state_of(struct fixture *f, const struct stream_follower *reader, uint64_t event_id,
		     struct stream *ret_stream)
{
	uint32_t stamp = rdx_reader_clear_stamp(reader->reader);

	*ret_stream = f->rested;
	assert_true(event_id >= ret_stream->event_id);
	stream_go_to(ret_stream, event_id);
	if (!rdx_reader_info(reader->reader)->clear_id || stamp == ret_stream->stamp)
		return;
	/* the worker is cleared as soon as its stamp is up, Cleared or not */
	stream_go_to(ret_stream, atomic_load(&f->plan->begun));
	assert_int_equal(ret_stream->stamp, stamp);
	caller_stream(ret_stream, &f->rig.key, f->plan);
}

/* Read to the end: the newest whole event, and what is called exact is. */
static void look(struct fixture *f, struct stream_follower *reader, enum rdx_hook_step step)
{
	static struct stream oracle;
	struct rdx_cursor cursor;

	assert_int_equal(stream_follow(reader), 0);
	rdx_reader_cursor(reader->reader, &cursor);
	assert_true(caller_is_newest(f->plan, step, cursor.event_id));
	if (!stream_is_exact(reader)) {
		assert_true(caller_is_in_mid_event(step));
		f->half++;
		return;
	}
	state_of(f, reader, cursor.event_id, &oracle);
	assert_int_equal(stream_differences(&oracle, &reader->holding), 0);
	f->exact++;
}

/* A reader that slept since `cursor`, and holds what it held then. */
static void look_from(struct fixture *f, const struct rdx_cursor *cursor, enum rdx_hook_step step)
{
	struct stream_follower sleeper = {.reader = NULL};
	static struct stream held;

	assert_int_equal(rdx_reader_open(&sleeper.reader, f->rig.dir, WORKER, 0), 0);
	held = f->rested;
	stream_go_to(&held, cursor->event_id);
	for (uint8_t tier = 0; tier < STREAM_TIERS; tier++)
		for (uint32_t i = 0; i < STREAM_BLOCKS; i++)
			if (held.held[i] >> tier & 1)
				assert_int_equal(
					rdx_holding_add(&sleeper.holding, held.prefix[i], tier), 0);
	assert_int_equal(stream_recover(&sleeper, cursor), 0);
	look(f, &sleeper, step);
	for (int way = 0; way < 4; way++)
		f->recovered[way] += sleeper.recoveries[way];
	stream_follower_free(&sleeper);
}

static void note_cursor(struct fixture *f)
{
	rdx_reader_cursor(f->reader[BEFORE].reader, &f->cursor[f->cursors++ % CURSORS]);
}

static int has_stopped(struct fixture *f)
{
	int status = 0;
	pid_t pid = waitpid(f->pid, &status, WNOHANG | WUNTRACED);

	if (pid == 0)
		return 0;
	assert_int_equal(pid, f->pid);
	assert_true(WIFSTOPPED(status));
	return 1;
}

static void until_stopped(struct fixture *f, enum rdx_hook_step step, uint32_t hits)
{
	child_arm(&f->plan->child, step, hits);
	atomic_store(&f->plan->limit, UINT64_MAX);
	UNTIL (has_stopped(f)) {
		assert_int_equal(stream_follow(&f->reader[BEFORE]), 0);
		note_cursor(f);
	}
}

static void look_while_stopped(struct fixture *f, enum rdx_hook_step step)
{
	look(f, &f->reader[BEFORE], step);
	open_reader(f, DURING);
	assert_int_equal(stream_recover(&f->reader[DURING], NULL), 0);
	look(f, &f->reader[DURING], step);
	open_reader(f, BY_LEDGER);
	assert_int_equal(stream_recover_by_ledger(&f->reader[BY_LEDGER]), 0);
	look(f, &f->reader[BY_LEDGER], step);
	for (uint32_t i = 0; i < CURSORS && i < f->cursors; i++)
		look_from(f, &f->cursor[i], step);
}

/* Go on to a rest, where all readers, old and new, are exact. */
static void go_on(struct fixture *f)
{
	uint64_t limit = atomic_load(&f->plan->begun) + rig_random(&f->random) % AFTER_MAX;

	child_arm(&f->plan->child, RDX_HOOK_NONE, 0);
	atomic_store(&f->plan->limit, limit);
	assert_int_equal(kill(f->pid, SIGCONT), 0);
	UNTIL (atomic_load(&f->plan->completed) >= limit)
		assert_false(has_stopped(f));
	open_reader(f, AFTER);
	assert_int_equal(stream_recover(&f->reader[AFTER], NULL), 0);
	for (int which = 0; which < READERS; which++) {
		look(f, &f->reader[which], RDX_HOOK_NONE);
		assert_true(stream_is_exact(&f->reader[which]));
	}
	stream_go_to(&f->rested, limit);
	f->cursors = 0;
	note_cursor(f);
}

static void start_child(struct fixture *f, uint64_t ring_slots, uint32_t clear_scope)
{
	f->plan->ring_slots = ring_slots;
	f->plan->clear_scope = clear_scope;
	f->plan->seed = rig_random(&f->random);
	f->plan->clear_in = rig_random(&f->random) & 1 ? 4 : 30;
	atomic_store(&f->plan->begun, 0);
	atomic_store(&f->plan->completed, 0);
	caller_stream(&f->rested, &f->rig.key, f->plan);
	f->rested.stamp =
		clear_scope == RDX_CLEAR_WORKER ? caller_clear_stamp(f->plan, f->rig.dir_fd) : 0;
	f->cursors = 0;
	f->pid = child_start(CALLER_ROLE, f->path);
	assert_true(f->pid > 0);
}

static void end_child(struct fixture *f)
{
	child_kill(f->pid);
	for (int which = 0; which < READERS; which++)
		close_reader(f, which);
}

/* It has made some calls, and rests. */
static void until_rested(struct fixture *f, uint64_t limit)
{
	UNTIL (atomic_load(&f->plan->completed) >= limit)
		assert_false(has_stopped(f));
	open_reader(f, BEFORE);
	assert_int_equal(stream_recover(&f->reader[BEFORE], NULL), 0);
	look(f, &f->reader[BEFORE], RDX_HOOK_NONE);
	stream_go_to(&f->rested, limit);
	note_cursor(f);
}

static uint32_t hits_most(enum rdx_hook_step step)
{
	switch (step) {
	case RDX_HOOK_BARRIER_NAMED:
	case RDX_HOOK_CLEAR_BUMPED:
		return 4;
	default:
		return 600;
	}
}

static void run_step(struct fixture *f, enum rdx_hook_step step, uint64_t ring_slots)
{
	static const uint64_t limit = 100;

	atomic_store(&f->plan->limit, limit);
	child_arm(&f->plan->child, RDX_HOOK_NONE, 0);
	start_child(f, ring_slots,
		    step == RDX_HOOK_CLEAR_BUMPED || rig_random(&f->random) & 1 ? RDX_CLEAR_WORKER
										: RDX_CLEAR_RANK);
	until_rested(f, limit);
	for (int stop = 0; stop < STOPS; stop++) {
		until_stopped(f, step, 1 + (uint32_t)(rig_random(&f->random) % hits_most(step)));
		look_while_stopped(f, step);
		go_on(f);
	}
	end_child(f);
}

static void open_fixture(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->random = rig_seed();
	rig_make(&f->rig);
	f->plan = child_share(&f->rig, "caller", sizeof(*f->plan), f->path);
	assert_non_null(f->plan);
	f->plan->child.signal = SIGSTOP;
	f->plan->worker_id = WORKER;
}

static void run_steps(const struct child_steps *steps)
{
	static struct fixture f;

	open_fixture(&f);
	for (uint32_t i = 0; i < steps->count; i++) {
		run_step(&f, steps->step[i], 64);
		run_step(&f, steps->step[i], 512);
	}
	print_message("%llu looks exact, %llu at half an event; recovered: %llu went on, "
		      "%llu barrier, %llu ledger\n",
		      (unsigned long long)f.exact, (unsigned long long)f.half,
		      (unsigned long long)f.recovered[RDX_RECOVERED_CONTINUE],
		      (unsigned long long)f.recovered[RDX_RECOVERED_BARRIER],
		      (unsigned long long)f.recovered[RDX_RECOVERED_LEDGER]);
	for (int way = RDX_RECOVERED_CONTINUE; way <= RDX_RECOVERED_LEDGER; way++)
		assert_int_not_equal(f.recovered[way], 0);
	rig_remove(&f.rig);
}

/* Nobody takes half a file for a segment, nor the life before it for the new one. */
static void test_stopped_while_opening(void **state)
{
	static struct fixture f;

	(void)state;
	open_fixture(&f);
	for (uint32_t i = 0; i < 2 * child_steps_opening.count; i++) {
		enum rdx_hook_step step = child_steps_opening.step[i / 2];
		struct rdx_reader *reader;
		int r;

		atomic_store(&f.plan->limit, 100);
		child_arm(&f.plan->child, step, 1);
		start_child(&f, 64, i & 1 ? RDX_CLEAR_WORKER : RDX_CLEAR_RANK);
		UNTIL (has_stopped(&f))
			usleep(50);
		r = rdx_reader_open(&reader, f.rig.dir, WORKER, 0);
		assert_true(r == 0 || (r == -ENOENT && i == 0) ||
			    (r == -ENOENT && step != RDX_HOOK_SEGMENT_RENAMED));
		if (r == 0) {
			assert_int_equal(rdx_reader_alive(reader),
					 step == RDX_HOOK_SEGMENT_RENAMED);
			rdx_reader_close(reader);
		}
		assert_int_equal(kill(f.pid, SIGCONT), 0);
		until_rested(&f, 100);
		end_child(&f);
	}
	rig_remove(&f.rig);
}

static void test_stopped_in_the_ledger(void **state)
{
	(void)state;
	run_steps(&child_steps_ledger);
}

static void test_stopped_in_the_ring(void **state)
{
	(void)state;
	run_steps(&child_steps_ring);
}

static void test_stopped_at_barrier_bell_and_clear(void **state)
{
	(void)state;
	run_steps(&child_steps_after);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stopped_while_opening),
		cmocka_unit_test(test_stopped_in_the_ledger),
		cmocka_unit_test(test_stopped_in_the_ring),
		cmocka_unit_test(test_stopped_at_barrier_bell_and_clear),
	};

	if (argc == 3 && strcmp(argv[1], CALLER_ROLE) == 0)
		return caller_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
