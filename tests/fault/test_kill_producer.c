/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a producer process is killed (SIGKILL) at every protocol step, after a
 * random number of events, while a reader follows it that was started before, during or
 * after it. What the reader then holds must be what all whole events published amount to,
 * the rank must be seen dead, and the next producer and its reader must be exact again.
 */
#include "shm/bell.h"
#include "shm/clear.h"
#include "tests/stream.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef RDX_HOOKS
int main(void)
{
	print_message("skipped: built without RDX_HOOKS\n");
	return 77;
}
#else

#define ROUNDS      24
#define EVENTS_MAX  (UINT64_C(1) << 20)
#define WORKER      5
#define CLEAR_IN    40

enum reader_start { READER_BEFORE, READER_DURING, READER_AFTER, READER_STARTS };

/* What the child says while it lives. */
struct progress {
	_Atomic uint64_t begun;     /* newest event begun */
	_Atomic uint64_t completed; /* newest event whose append returned */
	_Atomic uint32_t stamp;     /* the worker's clear generation when this life began */
};

struct fixture {
	struct rig rig;
	struct progress *progress;
	struct stream_follower follower;
	uint64_t random;
	uint64_t ring_slots;
	uint64_t seed;       /* of the life under way */
	uint64_t last_seed;  /* of the life before it */
	uint64_t last_epoch;
	uint32_t last_stamp; /* when that life began */
	uint32_t worker_clears;
	uint64_t exact, dropped, recovered[4];
};

static enum rdx_hook_step kill_step;
static uint64_t kill_hits;

static void kill_here(enum rdx_hook_step step)
{
	if (step == kill_step && --kill_hits == 0)
		raise(SIGKILL);
}

static int claim(struct fixture *f, struct rig_producer *producer)
{
	struct rdx_segment_spec spec = stream_spec(WORKER, 0, f->ring_slots);
	int r;

	spec.clear_scope = f->worker_clears;
	r = rig_claim(&f->rig, producer, &spec);
	if (r == 0 && producer->owner.clear.base)
		producer->stamp = rdx_clear_generation(producer->owner.clear.base);
	return r;
}

static void write_events(struct fixture *f, struct rig_producer *producer, struct rdx_bell *bell,
			 uint64_t count)
{
	static struct stream_writer writer;
	static struct stream stream;
	struct stream_op op;

	stream_writer_make(&writer, producer);
	writer.bell = bell;
	stream_make(&stream, &f->rig.key, f->seed, CLEAR_IN);
	while (stream.event_id < count) {
		stream_next(&stream, &op);
		if (bell)
			rdx_bell_arm(bell); /* so that there is somebody to ring for */
		atomic_store(&f->progress->begun, stream.event_id);
		stream_write(&writer, &stream, &op);
		atomic_store(&f->progress->completed, stream.event_id);
	}
}

static void run_child(struct fixture *f)
{
	static struct rig_producer producer;
	struct rdx_mapping bell = {.fd = -1};

	rdx_hook_function = kill_here;
	if (claim(f, &producer) < 0 || rdx_bell_open(&bell, f->rig.dir_fd, 1) < 0)
		_exit(2);
	atomic_store(&f->progress->stamp, producer.stamp);
	write_events(f, &producer, bell.base, EVENTS_MAX);
	_exit(3);
}

static int reopen(struct fixture *f)
{
	int r;

	for (int i = 0; i < 4; i++)
		f->recovered[i] += f->follower.recoveries[i];
	stream_follower_free(&f->follower);
	r = rdx_reader_open(&f->follower.reader, f->rig.dir, WORKER, 0);
	return r < 0 ? r : stream_recover(&f->follower, NULL);
}

/* As a router does: follow, and when nobody holds the rank look for its next life. */
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

/* Follow until the child has ended, then read up what it left. */
static void follow_child(struct fixture *f, pid_t child, enum reader_start start)
{
	int status = 0, ended = 0, r = 0;

	while (!ended) {
		ended = waitpid(child, &status, WNOHANG) == child;
		if (start == READER_DURING && atomic_load(&f->progress->begun) > 0)
			start = READER_BEFORE;
		if (start == READER_BEFORE)
			r = look(f);
		assert_int_equal(r, 0);
	}
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	if (start == READER_AFTER)
		assert_int_equal(reopen(f), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(look(f), 0);
}

/* Is the newest event that the reader has the newest one that the child published? */
static void assert_whole(struct fixture *f, enum rdx_hook_step step, uint64_t event_id)
{
	uint64_t completed = atomic_load(&f->progress->completed);
	uint64_t begun = atomic_load(&f->progress->begun);

	if (step == RDX_HOOK_SLOT_PUBLISHED) /* of the first slot, or of another */
		assert_true(event_id == completed || event_id == begun);
	else if (step >= RDX_HOOK_EVENT_PUBLISHED && step <= RDX_HOOK_BELL_RUNG)
		assert_int_equal(event_id, begun);
	else
		assert_int_equal(event_id, completed);
}

static int is_in_mid_event(enum rdx_hook_step step)
{
	return step >= RDX_HOOK_LEDGER_INTENT && step <= RDX_HOOK_SLOT_PUBLISHED;
}

static void assert_state(struct fixture *f, enum rdx_hook_step step)
{
	const struct rdx_rank_info *info = rdx_reader_info(f->follower.reader);
	int is_last = info->epoch == f->last_epoch;
	uint64_t seed = is_last ? f->last_seed : f->seed;
	uint32_t stamp = is_last ? f->last_stamp : atomic_load(&f->progress->stamp);
	static struct stream oracle, empty;
	struct rdx_holding holding;
	struct rdx_cursor cursor;
	int r;

	assert_int_equal(rdx_reader_alive(f->follower.reader), 0);
	rdx_reader_cursor(f->follower.reader, &cursor);
	stream_make(&empty, &f->rig.key, seed, CLEAR_IN);
	oracle = empty;
	oracle.worker_clears = 1;
	oracle.stamp = stamp;
	if (!is_last)
		assert_whole(f, step, cursor.event_id);
	stream_go_to(&oracle, cursor.event_id);
	/* the worker is cleared as soon as its generation is up, Cleared or not */
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
		assert_true(is_in_mid_event(step));
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

/* The next life, in this process; it ends without a word, but whole. */
static void live_again(struct fixture *f)
{
	uint64_t events = rig_random(&f->random) % 600;
	struct rig_producer producer;
	static struct stream oracle;

	f->seed = rig_random(&f->random);
	assert_int_equal(claim(f, &producer), 0);
	assert_no_leftovers(f);
	f->last_stamp = producer.stamp;
	write_events(f, &producer, NULL, events);
	if (f->follower.reader) {
		assert_int_equal(look(f), 0);
		assert_int_equal(look(f), 0);
	} else {
		assert_int_equal(reopen(f), 0);
		assert_int_equal(look(f), 0);
	}
	assert_int_equal(rdx_reader_info(f->follower.reader)->epoch,
			 producer.owner.header->epoch);
	assert_int_equal(rdx_reader_alive(f->follower.reader), 1);
	assert_true(stream_is_exact(&f->follower));
	stream_make(&oracle, &f->rig.key, f->seed, CLEAR_IN);
	stream_go_to(&oracle, events);
	assert_int_equal(stream_differences(&oracle, &f->follower.holding), 0);
	f->last_seed = f->seed;
	f->last_epoch = producer.owner.header->epoch;
	rig_release(&producer);
}

static uint64_t hits_most(enum rdx_hook_step step)
{
	switch (step) {
	case RDX_HOOK_CLAIM_LOCKED:
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

	for (int round = 0; round < ROUNDS; round++) {
		enum reader_start start = (enum reader_start)(round % READER_STARTS);
		pid_t child;

		f->ring_slots = rings[round / READER_STARTS % 3];
		f->worker_clears = step == RDX_HOOK_CLEAR_BUMPED || round & 1;
		live_again(f);
		f->seed = rig_random(&f->random);
		atomic_store(&f->progress->begun, 0);
		atomic_store(&f->progress->completed, 0);
		kill_step = step;
		kill_hits = 1 + rig_random(&f->random) % hits_most(step);
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			run_child(f);
		follow_child(f, child, start);
		assert_state(f, step);
	}
}

static void run_steps(const enum rdx_hook_step *steps, uint32_t count)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	f.random = rig_seed();
	rig_make(&f.rig);
	f.progress = mmap(NULL, sizeof(*f.progress), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(f.progress != MAP_FAILED);
	for (uint32_t i = 0; i < count; i++)
		run_step(&f, steps[i]);
	live_again(&f);
	reopen(&f);
	print_message("%llu exact, %llu dropped with half an event in the ledger; "
		      "recovered: %llu went on, %llu barrier, %llu ledger\n",
		      (unsigned long long)f.exact, (unsigned long long)f.dropped,
		      (unsigned long long)f.recovered[RDX_RECOVERED_CONTINUE],
		      (unsigned long long)f.recovered[RDX_RECOVERED_BARRIER],
		      (unsigned long long)f.recovered[RDX_RECOVERED_LEDGER]);
	stream_follower_free(&f.follower);
	munmap(f.progress, sizeof(*f.progress));
	rig_remove(&f.rig);
}

static void test_killed_while_opening(void **state)
{
	static const enum rdx_hook_step steps[] = {
		RDX_HOOK_CLAIM_LOCKED, RDX_HOOK_SEGMENT_BUILT, RDX_HOOK_SEGMENT_RENAMED,
	};

	(void)state;
	run_steps(steps, sizeof(steps) / sizeof(*steps));
}

static void test_killed_in_the_ledger(void **state)
{
	static const enum rdx_hook_step steps[] = {
		RDX_HOOK_LEDGER_INTENT, RDX_HOOK_LEDGER_WORD, RDX_HOOK_LEDGER_WRITTEN,
	};

	(void)state;
	run_steps(steps, sizeof(steps) / sizeof(*steps));
}

static void test_killed_in_the_ring(void **state)
{
	static const enum rdx_hook_step steps[] = {
		RDX_HOOK_SLOT_BUSY, RDX_HOOK_SLOT_HALF, RDX_HOOK_SLOT_WRITTEN,
		RDX_HOOK_SLOT_PUBLISHED, RDX_HOOK_EVENT_PUBLISHED, RDX_HOOK_TAIL_MOVED,
	};

	(void)state;
	run_steps(steps, sizeof(steps) / sizeof(*steps));
}

static void test_killed_at_barrier_bell_and_clear(void **state)
{
	static const enum rdx_hook_step steps[] = {
		RDX_HOOK_BARRIER_NAMED, RDX_HOOK_BELL_CHECK, RDX_HOOK_BELL_RUNG,
		RDX_HOOK_CLEAR_BUMPED,
	};

	(void)state;
	run_steps(steps, sizeof(steps) / sizeof(*steps));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_while_opening),
		cmocka_unit_test(test_killed_in_the_ledger),
		cmocka_unit_test(test_killed_in_the_ring),
		cmocka_unit_test(test_killed_at_barrier_bell_and_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
