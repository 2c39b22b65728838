/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a worker process is killed (SIGKILL) at every protocol step of a producer, opening
 * included, after a random number of events, while an indexer follows. Its blocks must leave every
 * answer, another worker's must stay, and its next epoch must be indexed exactly: lookups equal to
 * a naive set, the index equal to the ledger.
 */
#include "tests/patience.h"
#include "tests/worker.h"

#include <string.h>

#ifndef RDX_HOOKS
int main(void)
{
	print_message("skipped: built without RDX_HOOKS\n");
	return 77;
}
#else

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS 2
#else
#define ROUNDS 4
#endif
#define WORKER    7
#define BYSTANDER 8
#define CLEAR_IN  60

struct fixture {
	struct rig rig;
	char path[192];
	struct worker_plan *plan;
	struct rdx_indexer *indexer;
	struct rdx_index *index;
	struct rdx_publisher *bystander;
	struct calls bystander_stream;
	uint64_t random;
	uint64_t gone_ns_max, gone_ns_sum, gone_count;
	uint64_t lives, unborn;
	int worker_clears; /* always */
};

static void poll_once(struct fixture *f)
{
	int r = rdx_indexer_poll(f->indexer, 0);

	assert_true(r >= 0);
	if (r == 0)
		assert_true(rdx_indexer_wait(f->indexer, 2000000) >= 0);
}

static int index_is_open(struct fixture *f)
{
	struct rdx_index_key key = {
		.size = sizeof(key), .model = WORKER_MODEL, .flags = RDX_INDEX_ALL_RANKS};

	return f->index || rdx_index_open(&f->index, f->rig.dir, &key) == 0;
}

static uint8_t state_of(struct fixture *f, uint64_t worker_id, uint64_t *ret_event_id)
{
	struct rdx_index_rank info = {.size = sizeof(info), .state = RDX_STATE_GONE};

	if (index_is_open(f))
		assert_true(worker_find(f->index, worker_id, 0, &info) >= 0);
	*ret_event_id = info.last_event_id;
	return info.state;
}

static uint64_t events_of(const struct rdx_publisher *publisher)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_publisher_get_stats(publisher, &stats), 0);
	return stats.events;
}

/* Whatever is asked while the worker is dead, it is in no answer. */
static void assert_no_answer(struct fixture *f, const struct calls *stream)
{
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	uint64_t prefixes[WORKER_DEPTH];

	for (uint32_t chain = 0; chain < WORKER_CHAINS; chain++) {
		int count;

		calls_prefixes(stream, chain, prefixes);
		count = rdx_index_lookup(f->index, prefixes, WORKER_DEPTH, runs, RDX_RANKS_MAX);
		assert_true(count >= 0);
		assert_null(worker_row(runs, count, WORKER, 0));
	}
}

static void assert_bystander(struct fixture *f)
{
	uint64_t event_id;

	for (int i = 0; i < 5; i++)
		assert_int_equal(calls_step(&f->bystander_stream, f->bystander), 0);
	UNTIL (state_of(f, BYSTANDER, &event_id) == RDX_STATE_EXACT &&
	       event_id == events_of(f->bystander))
		poll_once(f);
	assert_int_equal(worker_differences(f->index, &f->bystander_stream, BYSTANDER, 0), 0);
}

/* Follow until the child is dead by its own hand. */
static void until_killed(struct fixture *f, pid_t pid)
{
	int r;

	UNTIL ((r = child_was_killed(pid)) != 0)
		poll_once(f);
	assert_int_equal(r, 1);
}

/* From its death to the moment the index shows it. */
static void until_gone(struct fixture *f)
{
	uint64_t died = rdx_clock_ns(), taken, event_id;

	UNTIL (state_of(f, WORKER, &event_id) == RDX_STATE_GONE)
		poll_once(f);
	taken = rdx_clock_ns() - died;
	f->gone_ns_sum += taken;
	f->gone_ns_max = taken > f->gone_ns_max ? taken : f->gone_ns_max;
	f->gone_count++;
}

static pid_t start(struct fixture *f, uint64_t limit)
{
	static const uint64_t rings[] = {64, 256, 4096};
	pid_t pid;

	f->plan->ring_slots = rings[rig_random(&f->random) % 3];
	f->plan->clear_scope =
		f->worker_clears || rig_random(&f->random) % 2 ? RDX_CLEAR_WORKER : RDX_CLEAR_RANK;
	f->plan->seed = rig_random(&f->random);
	worker_run(f->plan, limit);
	pid = child_start(WORKER_ROLE, f->path);
	assert_true(pid > 0);
	return pid;
}

/* A life up to a rest, in which the index must equal it; then on to its death. */
static void live(struct fixture *f, enum rdx_hook_step step, uint32_t hits)
{
	uint64_t limit = rig_random(&f->random) % 1500, event_id;
	static struct calls stream;
	pid_t pid = start(f, limit);

	UNTIL (worker_rests(f->plan) && state_of(f, WORKER, &event_id) == RDX_STATE_EXACT &&
	       event_id == atomic_load(&f->plan->events)) {
		poll_once(f);
		assert_int_equal(child_was_killed(pid), 0);
	}
	worker_calls_make(&stream, &f->rig.key, f->plan->seed, CLEAR_IN);
	while (stream.done < limit)
		assert_int_equal(calls_step(&stream, NULL), 0);
	assert_int_equal(worker_differences(f->index, &stream, WORKER, 0), 0);
	f->lives++;

	child_arm(&f->plan->child, step, hits);
	worker_run(f->plan, UINT64_MAX);
	until_killed(f, pid);
	until_gone(f);
	assert_no_answer(f, &stream);
	child_arm(&f->plan->child, RDX_HOOK_NONE, 0);
}

/* A life that ends before it begins, over the file of a dead one. */
static void die_opening(struct fixture *f, enum rdx_hook_step step)
{
	pid_t pid;

	child_arm(&f->plan->child, step, 1);
	pid = start(f, UINT64_MAX);
	until_killed(f, pid);
	until_gone(f);
	child_arm(&f->plan->child, RDX_HOOK_NONE, 0);
	f->unborn++;
}

static uint32_t hits_most(enum rdx_hook_step step)
{
	switch (step) {
	case RDX_HOOK_BELL_CLEARED:
	case RDX_HOOK_BELL_RUNG:
		return 20;
	case RDX_HOOK_BARRIER_NAMED:
	case RDX_HOOK_CLEAR_BUMPED:
		return 40;
	default:
		return 2000;
	}
}

static void run_steps(const struct child_steps *steps, int opening)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};
	struct rdx_publisher_options bystander;
	struct fixture f = {.random = rig_seed()};

	rig_make(&f.rig);
	f.plan = child_share(&f.rig, "worker", sizeof(*f.plan), f.path);
	assert_non_null(f.plan);
	f.plan->worker_id = BYSTANDER;
	f.plan->ring_slots = 1024;
	bystander = worker_options(f.plan);
	assert_int_equal(rdx_publisher_open(&f.bystander, &bystander), 0);
	worker_calls_make(&f.bystander_stream, &f.rig.key, rig_random(&f.random), CLEAR_IN);
	f.plan->worker_id = WORKER;
	f.plan->clear_in = CLEAR_IN;
	options.dir = f.rig.dir;
	options.initial_blocks = 256;
	options.stale_after_ns = INDEXER_NEVER_STALE;
	assert_int_equal(rdx_indexer_open(&f.indexer, &options), 0);

	for (uint32_t i = 0; i < steps->count; i++) {
		f.worker_clears = steps->step[i] == RDX_HOOK_CLEAR_BUMPED;
		for (int round = 0; round < ROUNDS; round++) {
			uint32_t hits =
				1 + (uint32_t)(rig_random(&f.random) % hits_most(steps->step[i]));

			if (opening) {
				die_opening(&f, steps->step[i]);
				live(&f, RDX_HOOK_SLOT_HALF, 10);
			} else {
				live(&f, steps->step[i], hits);
			}
			assert_bystander(&f);
		}
	}
	print_message("%llu lives exact, %llu ended unborn; from death to GONE: %.1f ms on "
		      "average, %.1f at most\n",
		      (unsigned long long)f.lives, (unsigned long long)f.unborn,
		      (double)f.gone_ns_sum / 1e6 / (double)f.gone_count,
		      (double)f.gone_ns_max / 1e6);
	rdx_index_close(f.index);
	rdx_indexer_close(f.indexer);
	rdx_publisher_close(f.bystander);
	rig_remove(&f.rig);
}

static void test_killed_while_opening(void **state)
{
	(void)state;
	run_steps(&child_steps_opening, 1);
}

static void test_killed_in_an_event(void **state)
{
	(void)state;
	run_steps(&child_steps_ledger, 0);
	run_steps(&child_steps_ring, 0);
}

static void test_killed_at_barrier_bell_and_clear(void **state)
{
	(void)state;
	run_steps(&child_steps_after, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_while_opening),
		cmocka_unit_test(test_killed_in_an_event),
		cmocka_unit_test(test_killed_at_barrier_bell_and_clear),
	};

	if (argc == 3 && strcmp(argv[1], WORKER_ROLE) == 0)
		return worker_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
