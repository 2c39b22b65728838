/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: reader processes are killed (SIGKILL) at every step of reading and of recovery. The
 * producer goes on undisturbed, no process takes the reader's death for the producer's, and the
 * next reader is exact.
 */
#include "consumer/reader/recovery.h"
#include "tests/patience.h"
#include "tests/stream.h"

#include <errno.h>
#include <signal.h>
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

#define ROUNDS   24
#define WORKER   5
#define CLEAR_IN 300

struct progress {
	_Atomic uint64_t looks; /* of the reader in the child: it is at work */
};

struct fixture {
	struct rig rig;
	struct rig_producer producer;
	struct stream_writer writer;
	struct stream stream;
	struct progress *progress;
	uint64_t random;
	uint64_t seed;
};

static enum rdx_hook_step kill_step;
static uint64_t kill_hits;

static void kill_here(enum rdx_hook_step step)
{
	if (step == kill_step && --kill_hits == 0)
		raise(SIGKILL);
}

/* Recover from nothing again and again, follow a while in between, until killed. */
static void run_reader(struct fixture *f)
{
	rdx_hook_function = kill_here;
	for (;;) {
		struct stream_follower follower = {.reader = NULL};
		struct rdx_recovery recovery = {.size = sizeof(recovery)};
		struct rdx_holding holding;
		struct rdx_cursor exact_at;
		int r = rdx_reader_open(&follower.reader, f->rig.dir, WORKER, 0);

		if (r < 0)
			_exit(2);
		r = stream_recover(&follower, NULL);
		for (int i = 0; i < 20 && r == 0; i++)
			r = stream_follow(&follower);
		if (r < 0 && r != -EAGAIN && r != -EOVERFLOW)
			_exit(3);
		r = rdx_recovery_from_ledger(follower.reader, &recovery);
		if (r == 0 && rdx_holding_of(follower.reader, 0, &holding, &exact_at) == 0)
			rdx_holding_free(&holding);
		stream_follower_free(&follower);
		atomic_fetch_add(&f->progress->looks, 1);
	}
}

static void publish(struct fixture *f)
{
	struct stream_op op;

	stream_next(&f->stream, &op);
	stream_write(&f->writer, &f->stream, &op);
}

/* A fresh reader and one that was there all the time agree with the oracle. */
static void assert_exact(struct fixture *f, struct stream_follower *witness)
{
	struct stream_follower fresh = {.reader = NULL};

	assert_int_equal(stream_follow(witness), 0);
	assert_int_equal(rdx_reader_alive(witness->reader), 1);
	assert_int_equal(stream_differences(&f->stream, &witness->holding), 0);
	assert_int_equal(rdx_reader_open(&fresh.reader, f->rig.dir, WORKER, 0), 0);
	assert_int_equal(stream_recover(&fresh, NULL), 0);
	assert_int_equal(stream_follow(&fresh), 0);
	assert_true(stream_is_exact(&fresh));
	assert_int_equal(stream_differences(&f->stream, &fresh.holding), 0);
	stream_follower_free(&fresh);
}

static void run_round(struct fixture *f, struct stream_follower *witness, enum rdx_hook_step step)
{
	int status = 0;
	pid_t child;

	kill_step = step;
	kill_hits = 1 + rig_random(&f->random) %
				(step == RDX_HOOK_READ_WORD || step == RDX_HOOK_READ_COPIED ? 3000
											    : 20);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		/* the claim is the parent's: what a fork handler does in the publisher */
		rdx_segment_disown(&f->producer.owner);
		run_reader(f);
	}
	UNTIL (waitpid(child, &status, WNOHANG) == child)
		for (int i = 0; i < 20; i++)
			publish(f);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_exact(f, witness);
}

static void run_steps(const enum rdx_hook_step *steps, uint32_t count)
{
	static struct fixture f;
	struct rdx_segment_spec spec = stream_spec(WORKER, 0, 256);
	struct stream_follower witness = {.reader = NULL};

	memset(&f, 0, sizeof(f));
	f.random = f.seed = rig_seed();
	rig_make(&f.rig);
	f.progress = mmap(NULL, sizeof(*f.progress), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(f.progress != MAP_FAILED);
	assert_int_equal(rig_claim(&f.rig, &f.producer, &spec), 0);
	stream_writer_make(&f.writer, &f.producer);
	stream_make(&f.stream, &f.rig.key, f.seed, CLEAR_IN);
	assert_int_equal(rdx_reader_open(&witness.reader, f.rig.dir, WORKER, 0), 0);
	assert_int_equal(stream_recover(&witness, NULL), 0);
	for (int i = 0; i < 1000; i++)
		publish(&f);
	for (uint32_t i = 0; i < count; i++)
		for (int round = 0; round < ROUNDS; round++)
			run_round(&f, &witness, steps[i]);
	print_message("%llu events, %llu whole looks of readers between their deaths\n",
		      (unsigned long long)f.stream.event_id,
		      (unsigned long long)atomic_load(&f.progress->looks));
	stream_follower_free(&witness);
	rig_release(&f.producer);
	munmap(f.progress, sizeof(*f.progress));
	rig_remove(&f.rig);
}

static void test_reader_killed_while_reading(void **state)
{
	static const enum rdx_hook_step steps[] = {RDX_HOOK_READ_WORD, RDX_HOOK_READ_COPIED};

	(void)state;
	run_steps(steps, 2);
}

static void test_reader_killed_while_recovering(void **state)
{
	static const enum rdx_hook_step steps[] = {
		RDX_HOOK_SCAN_STARTED,
		RDX_HOOK_SCAN_CHUNK,
		RDX_HOOK_SCAN_DONE,
	};

	(void)state;
	run_steps(steps, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reader_killed_while_reading),
		cmocka_unit_test(test_reader_killed_while_recovering),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
