/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: cleaners beside producers that come and go: two never hold one rank, no file of a
 * living one goes, and a producer that starts while its rank is cleaned gets it. A cleaner that dies
 * in the middle leaves nothing that another one, or a producer, cannot deal with.
 */
#include "consumer/reader/reader.h"
#include "shm/hook.h"
#include "tests/patience.h"
#include "tests/rig.h"
#include <ringdex/rdx_clean.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKER    1
#define PRODUCERS 3 /* two of them want rank 0, one rank 1 */
#define CLEANERS  2
#define ROUNDS    400
#define REMOVED   40 /* things that cleaners remove at least */
#define REFUSED   4  /* times at most in so many rounds that a cleaner was stopped for a second */

struct shared {
	_Atomic uint32_t holders[2];
	_Atomic uint32_t running; /* producers */
	_Atomic uint64_t removed;
};

static void clean(const struct rig *rig, struct shared *shared)
{
	struct rdx_clean_options options = {.size = sizeof(options), .dir = rig->dir};
	struct rdx_clean_result result = {.size = sizeof(result)};

	if (rdx_clean(&options, &result) != 0 || result.failed)
		_exit(10);
	atomic_fetch_add(&shared->removed, result.removed);
}

/* What the names lead to is what was made. */
static int check_files(const struct rig *rig, const struct rig_producer *producer, uint32_t rank)
{
	struct rdx_reader *reader;
	int r = rdx_reader_open_at(&reader, rig->dir_fd, &rig->key, WORKER, rank);

	if (r < 0)
		return 20; /* its segment, or its clear file, is gone */
	r = rdx_reader_info(reader)->epoch == producer->owner.header->epoch &&
			    rdx_reader_alive(reader) == 1
		    ? 0
		    : 21;
	rdx_reader_close(reader);
	return r;
}

/* 0, 1: it was taken, or what is wrong. */
static int live_once(struct rig *rig, struct shared *shared, uint32_t rank)
{
	struct rdx_segment_spec spec = rig_spec(WORKER, rank, 64, 16);
	struct rig_producer producer;
	int r;

	spec.clear_scope = 1;
	r = rig_claim(rig, &producer, &spec);
	if (r < 0)
		return r == -EBUSY || r == -EAGAIN ? 1 : 30;
	if (atomic_fetch_add(&shared->holders[rank], 1) != 0)
		return 31; /* two at once */
	r = check_files(rig, &producer, rank);
	atomic_fetch_sub(&shared->holders[rank], 1);
	rig_release(&producer);
	return r;
}

/* Enough rounds, and cleaners that were there meanwhile: on a busy machine they come late. */
static int is_over(const struct shared *shared, uint32_t round, const struct patience *patience)
{
	if (round < ROUNDS)
		return 0;
	usleep(100);
	return atomic_load(&shared->removed) > REMOVED || patience_is_over(patience);
}

static void produce(struct rig *rig, struct shared *shared, uint32_t rank)
{
	struct patience patience = patience_begin();
	uint32_t refused = 0, i;
	int r = 0;

	for (i = 0; !is_over(shared, i, &patience); i++) {
		int before = r;

		r = live_once(rig, shared, rank);
		if (r > 1)
			_exit(r);
		refused += r > before; /* once, however long one is stopped */
		if (r == 1)
			sched_yield();
	}
	atomic_fetch_sub(&shared->running, 1);
	/* nobody but a cleaner can have had rank 1 */
	_exit(rank == 1 && refused > REFUSED * (1 + i / ROUNDS) ? 32 : 0);
}

#ifdef RDX_HOOKS
/* Others come while it is in the middle. */
static void nap_at(enum rdx_hook_step step)
{
	if (step == RDX_HOOK_REAP_LOCKED || step == RDX_HOOK_REAP_SEGMENT)
		usleep(50);
}
#endif

static void keep_cleaning(const struct rig *rig, struct shared *shared)
{
#ifdef RDX_HOOKS
	rdx_hook_function = nap_at;
#endif
	while (atomic_load(&shared->running))
		clean(rig, shared);
	_exit(0);
}

static void test_cleaners_beside_producers(void **state)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child[PRODUCERS + CLEANERS];
	struct rig *rig = *state;
	int status, failed = 0;

	assert_true(shared != MAP_FAILED);
	atomic_store(&shared->running, PRODUCERS);
	for (uint32_t i = 0; i < PRODUCERS + CLEANERS; i++) {
		child[i] = fork();
		assert_true(child[i] >= 0);
		if (child[i])
			continue;
		if (i < PRODUCERS)
			produce(rig, shared, i / 2);
		keep_cleaning(rig, shared);
	}
	for (uint32_t i = 0; i < PRODUCERS + CLEANERS; i++) {
		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		if (status) {
			print_error("process %u ended with %d\n", i, WEXITSTATUS(status));
			atomic_store(&shared->running, 0);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
	assert_true(atomic_load(&shared->removed) > REMOVED);
	clean(rig, shared);
	assert_int_equal(faccessat(rig->dir_fd, "1", F_OK, 0), -1);
	munmap(shared, sizeof(*shared));
}

#ifdef RDX_HOOKS
static enum rdx_hook_step fatal;

static void die_at(enum rdx_hook_step step)
{
	if (step == fatal)
		kill(getpid(), SIGKILL);
}

static void test_a_cleaner_dies(void **state)
{
	static const enum rdx_hook_step steps[] = {RDX_HOOK_REAP_LOCKED, RDX_HOOK_REAP_SEGMENT};
	struct shared shared = {.removed = 0};
	struct rig *rig = *state;
	int status;

	for (int i = 0; i < 4; i++) {
		pid_t child;

		assert_int_equal(live_once(rig, &shared, 0), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			fatal = steps[i % 2];
			rdx_hook_function = die_at;
			clean(rig, &shared);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		/* it goes last, or a producer had a new one while the cleaner goes on */
		assert_int_equal(faccessat(rig->dir_fd, "1/0.lock", F_OK, 0), 0);
		/* the next is a producer, or a cleaner */
		if (i < 2)
			assert_int_equal(live_once(rig, &shared, 0), 0);
		clean(rig, &shared);
		assert_int_equal(faccessat(rig->dir_fd, "1", F_OK, 0), -1);
	}
}
#endif

#define TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cleaners_beside_producers),
#ifdef RDX_HOOKS
		TEST(test_a_cleaner_dies),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
