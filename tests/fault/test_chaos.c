/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: everything at once. Workers, two of them ranks that clear each other, and the
 * indexer are killed (SIGKILL) again and again, at random steps or between them, and started again,
 * while all of them work. When they are at rest the index equals every ledger, and the naive set of
 * the worker that no other rank clears.
 */
#include "tests/patience.h"
#include "tests/worker.h"

#include "shm/hook.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS 4
#else
#define ROUNDS 16
#endif
#define WORKERS  3 /* the first is alone, the others are ranks of one worker */
#define KILLS    6 /* of a round */
#define INDEXER  WORKERS
#define PACE_US  50
#define CLEAR_IN 200

struct fixture {
	struct rig rig;
	struct worker_plan *worker[WORKERS];
	struct indexer_plan *indexer;
	char path[WORKERS + 1][192];
	pid_t pid[WORKERS + 1];
	struct rdx_index *index;
	uint64_t random;
	uint64_t kills, answers;
};

static void start(struct fixture *f, uint32_t i)
{
	if (i < WORKERS)
		f->worker[i]->seed = rig_random(&f->random);
	f->pid[i] = child_start(i < WORKERS ? WORKER_ROLE : INDEXER_ROLE, f->path[i]);
	assert_true(f->pid[i] > 0);
}

static struct child_plan *plan_of(struct fixture *f, uint32_t i)
{
	return i < WORKERS ? &f->worker[i]->child : &f->indexer->child;
}

/* Now, or at the next step of some kind that it comes to while others are killed. */
static void kill_one(struct fixture *f, uint32_t i)
{
	uint32_t step = 1 + (uint32_t)(rig_random(&f->random) % (RDX_HOOK_COUNT - 1));

	child_arm(plan_of(f, i), step, 1 + (uint32_t)(rig_random(&f->random) % 50));
	usleep((useconds_t)(rig_random(&f->random) % 5000));
	child_kill(f->pid[i]);
	child_arm(plan_of(f, i), RDX_HOOK_NONE, 0);
	f->kills++;
}

static void ask(struct fixture *f)
{
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	uint64_t prefix = 1;
	int count = rdx_index_lookup(f->index, &prefix, 1, runs, RDX_RANKS_MAX);

	assert_true(count >= 0 || count == -EAGAIN);
	f->answers++;
}

static int is_exact(struct fixture *f, uint32_t i)
{
	struct rdx_index_rank info = {.size = sizeof(info), .state = RDX_STATE_GONE};
	struct worker_plan *plan = f->worker[i];

	ask(f);
	return worker_rests(plan) &&
	       worker_find(f->index, plan->worker_id, plan->dp_rank, &info) == 1 &&
	       info.state == RDX_STATE_EXACT && info.last_event_id == atomic_load(&plan->events);
}

static void come_to_rest(struct fixture *f)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		worker_run(f->worker[i], 0);
	for (uint32_t i = 0; i < WORKERS; i++)
		UNTIL (is_exact(f, i))
			usleep(500);
	for (uint32_t i = 0; i <= WORKERS; i++)
		assert_int_equal(child_was_killed(f->pid[i]), 0);
}

static int same_as_ledger(struct fixture *f, uint32_t i)
{
	struct rdx_difference difference = {.size = sizeof(difference), .differences = UINT64_MAX};

	return rdx_index_verify(f->index, f->worker[i]->worker_id, f->worker[i]->dp_rank,
				&difference) == 0 &&
	       difference.differences == 0;
}

static void check(struct fixture *f)
{
	static struct calls stream;

	worker_calls_make(&stream, &f->rig.key, f->worker[0]->seed, CLEAR_IN);
	while (stream.done < atomic_load(&f->worker[0]->done))
		assert_int_equal(calls_step(&stream, NULL), 0);
	assert_int_equal(worker_differences(f->index, &stream, 1, 0), 0);
	/* a rank at rest is cleared by the other one without an event: the indexer may yet
	 * have to look */
	for (uint32_t i = 1; i < WORKERS; i++)
		UNTIL (same_as_ledger(f, i))
			usleep(500);
}

static void make(struct fixture *f)
{
	static const uint64_t rings[WORKERS] = {128, 1024, 64};
	struct rdx_index_key key = {
		.size = sizeof(key), .model = WORKER_MODEL, .flags = RDX_INDEX_ALL_RANKS};
	char name[16];

	memset(f, 0, sizeof(*f));
	f->random = rig_seed();
	rig_make(&f->rig);
	for (uint32_t i = 0; i < WORKERS; i++) {
		snprintf(name, sizeof(name), "worker%u", i);
		f->worker[i] = child_share(&f->rig, name, sizeof(*f->worker[i]), f->path[i]);
		assert_non_null(f->worker[i]);
		f->worker[i]->worker_id = i ? 2 : 1;
		f->worker[i]->dp_rank = i / 2;
		f->worker[i]->clear_scope = i ? RDX_CLEAR_WORKER : RDX_CLEAR_RANK;
		f->worker[i]->ring_slots = rings[i];
		f->worker[i]->clear_in = CLEAR_IN;
		f->worker[i]->pace_us = PACE_US;
		worker_run(f->worker[i], UINT64_MAX);
		start(f, i);
	}
	f->indexer = child_share(&f->rig, "indexer", sizeof(*f->indexer), f->path[INDEXER]);
	assert_non_null(f->indexer);
	start(f, INDEXER);
	UNTIL (rdx_index_open(&f->index, f->rig.dir, &key) == 0)
		usleep(1000);
}

static void test_everything_is_killed(void **state)
{
	static struct fixture f;

	(void)state;
	make(&f);
	for (int round = 0; round < ROUNDS; round++) {
		for (uint32_t i = 0; i < WORKERS; i++)
			worker_run(f.worker[i], UINT64_MAX);
		for (int k = 0; k < KILLS; k++) {
			uint32_t one = (uint32_t)(rig_random(&f.random) % (WORKERS + 1));
			uint32_t other = (uint32_t)(rig_random(&f.random) % (WORKERS + 1));

			kill_one(&f, one);
			if (other != one)
				kill_one(&f, other);
			start(&f, one);
			if (other != one)
				start(&f, other);
			usleep((useconds_t)(rig_random(&f.random) % 20000));
			ask(&f);
		}
		come_to_rest(&f);
		check(&f);
	}
	print_message("%d rests exact, %llu killed, %llu answers\n", ROUNDS,
		      (unsigned long long)f.kills, (unsigned long long)f.answers);
	for (uint32_t i = 0; i <= WORKERS; i++)
		child_kill(f.pid[i]);
	rdx_index_close(f.index);
	rig_remove(&f.rig);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_is_killed),
	};

	if (argc == 3 && strcmp(argv[1], WORKER_ROLE) == 0)
		return worker_main(argv[2]);
	if (argc == 3 && strcmp(argv[1], INDEXER_ROLE) == 0)
		return indexer_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
