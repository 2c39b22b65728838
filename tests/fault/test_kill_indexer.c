/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: an indexer process is killed (SIGKILL) at every protocol step of a consumer, while
 * it takes over and while it follows, with workers publishing. An index handle that stays open all
 * the time must never fail, never show a dead indexer's answer as younger than it is, show it STALE
 * in the end, and move to the successor by itself, which must be exact.
 */
#include "tests/patience.h"
#include "tests/worker.h"

#include "shm/namespace.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef RDX_HOOKS
int main(void)
{
	print_message("skipped: built without RDX_HOOKS\n");
	return 77;
}
#else

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ROUNDS 1
#else
#define ROUNDS 2
#endif
#define WORKERS      2
#define REACH_NS     UINT64_C(1000000000) /* a step not met by then is not met, mostly */
#define REACH_LONGER 6                    /* times twice as long, where it was never met */
#define STALE_NS     UINT64_C(250000000)
#define CLEAR_IN     300
#define PACE_US      50
#define LAP_US       20000

struct fixture {
	struct rig rig;
	char worker_path[WORKERS][192];
	struct worker_plan *worker[WORKERS];
	struct calls oracle[WORKERS];
	pid_t worker_pid[WORKERS];
	char indexer_path[192];
	struct indexer_plan *plan;
	pid_t indexer_pid; /* 0: none runs */
	struct rdx_index *index;
	uint64_t random;
	uint64_t died_ns; /* the last indexer was dead by then */
	uint64_t answers, disturbed, stale, kills, unmet, takeovers;
};

static void start_indexer(struct fixture *f)
{
	atomic_store(&f->plan->result, 1);
	f->indexer_pid = child_start(INDEXER_ROLE, f->indexer_path);
	assert_true(f->indexer_pid > 0);
}

/* Ask the held handle, and see that the answer does not claim too much. */
static void ask(struct fixture *f)
{
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	uint64_t before = rdx_clock_ns(), prefix = rig_random(&f->random) | 1;
	int count = rdx_index_lookup(f->index, &prefix, 1, runs, RDX_RANKS_MAX);

	f->answers++;
	if (count == -EAGAIN) { /* the writer died, or is, in the middle of a change */
		f->disturbed++;
		return;
	}
	assert_true(count >= 0);
	for (int i = 0; i < count; i++) {
		if (f->indexer_pid == 0) /* no indexer has seen anything since */
			assert_true(runs[i].age_ns >= before - f->died_ns);
		if (runs[i].age_ns > STALE_NS)
			assert_true(runs[i].state == RDX_STATE_STALE ||
				    runs[i].state == RDX_STATE_RECOVERING);
		if (runs[i].state == RDX_STATE_RECOVERING)
			for (int set = 0; set < RDX_TIER_COUNT; set++)
				assert_int_equal(runs[i].blocks[set], 0);
		f->stale += runs[i].state == RDX_STATE_STALE;
	}
}

/* A handle opened while no indexer runs gets the dead one's index. */
static void open_another(struct fixture *f)
{
	struct rdx_index_key key = {
		.size = sizeof(key), .model = WORKER_MODEL, .flags = RDX_INDEX_ALL_RANKS};
	struct rdx_index *another;

	assert_int_equal(rdx_index_open(&another, f->rig.dir, &key), 0);
	rdx_index_close(another);
}

static void workers_run(struct fixture *f, uint64_t limit)
{
	for (int i = 0; i < WORKERS; i++)
		worker_run(f->worker[i], limit);
}

static void workers_rest(struct fixture *f)
{
	workers_run(f, 0);
	for (int i = 0; i < WORKERS; i++)
		while (!worker_rests(f->worker[i])) {
			assert_int_equal(child_was_killed(f->worker_pid[i]), 0);
			ask(f);
			usleep(100);
		}
}

static int is_exact(struct fixture *f, int i, int at_rest)
{
	struct rdx_index_rank info = {.size = sizeof(info), .state = RDX_STATE_GONE};
	int r = worker_find(f->index, (uint64_t)i + 1, 0, &info);

	assert_true(r >= 0 || r == -EAGAIN);
	return info.state == RDX_STATE_EXACT &&
	       (!at_rest || info.last_event_id == atomic_load(&f->worker[i]->events));
}

static void until_exact(struct fixture *f, int at_rest)
{
	for (int i = 0; i < WORKERS; i++)
		UNTIL (is_exact(f, i, at_rest)) {
			ask(f);
			usleep(200);
			assert_int_equal(child_was_killed(f->indexer_pid), 0);
		}
}

static void assert_equal_to_oracle(struct fixture *f)
{
	for (int i = 0; i < WORKERS; i++) {
		struct calls *oracle = &f->oracle[i];

		while (oracle->done < atomic_load(&f->worker[i]->done))
			assert_int_equal(calls_step(oracle, NULL), 0);
		assert_int_equal(worker_differences(f->index, oracle, (uint64_t)i + 1, 0), 0);
	}
}

/* Only an indexer that fell behind needs a ledger. */
static void let_rings_lap(struct fixture *f)
{
	kill(f->indexer_pid, SIGSTOP);
	usleep(LAP_US);
	kill(f->indexer_pid, SIGCONT);
}

/* Until the indexer dies of its step, or by the test where it does not come to it. */
static void until_dead(struct fixture *f, int lap, uint64_t reach_ns)
{
	uint64_t until = rdx_clock_ns() + reach_ns;
	int r;

	while ((r = child_was_killed(f->indexer_pid)) == 0 && rdx_clock_ns() < until) {
		ask(f);
		usleep(50);
		if (lap)
			let_rings_lap(f);
	}
	assert_true(r >= 0);
	if (r == 0) {
		child_kill(f->indexer_pid);
		f->unmet++;
	}
	f->kills += r == 1;
	f->died_ns = rdx_clock_ns();
	f->indexer_pid = 0;
	child_arm(&f->plan->child, RDX_HOOK_NONE, 0);
}

static void until_stale(struct fixture *f)
{
	uint64_t until = f->died_ns + STALE_NS + STALE_NS / 10;

	while (rdx_clock_ns() < until) {
		ask(f);
		usleep(2000);
	}
}

static int files_in(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int files = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		files += entry->d_name[0] != '.' || entry->d_name[1] == 't';
	closedir(dir);
	return files;
}

/* Old tables and unfinished files do not pile up. */
static void assert_tidy(struct fixture *f)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/index", f->rig.dir);
	UNTIL (files_in(path) == 2)
		usleep(2000); /* a table is being built */
}

static void assert_locked(struct fixture *f)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};
	struct rdx_indexer *second;

	options.dir = f->rig.dir;
	assert_int_equal(rdx_indexer_open(&second, &options), -EBUSY);
}

static uint32_t hits_most(enum rdx_hook_step step)
{
	switch (step) {
	case RDX_HOOK_READ_WORD:
	case RDX_HOOK_READ_COPIED:
	case RDX_HOOK_CELL_KEY:
	case RDX_HOOK_CELL_SET:
		return 4000;
	case RDX_HOOK_COLUMN_OPENED:
	case RDX_HOOK_COLUMN_CLOSED:
		return 100;
	default:
		return 1;
	}
}

static void kill_once(struct fixture *f, enum rdx_hook_step step, int at_start, uint64_t reach_ns)
{
	uint32_t hits = 1 + (uint32_t)(rig_random(&f->random) % hits_most(step));

	workers_run(f, UINT64_MAX);
	if (at_start) {
		child_kill(f->indexer_pid);
		f->indexer_pid = 0;
		f->died_ns = rdx_clock_ns();
		child_arm(&f->plan->child, step, hits);
		start_indexer(f);
	} else {
		child_arm(&f->plan->child, step, hits);
	}
	until_dead(f, step >= RDX_HOOK_SCAN_STARTED && step <= RDX_HOOK_SCAN_DONE, reach_ns);
	open_another(f);
	if (rig_random(&f->random) % 3 == 0)
		until_stale(f);
	if (rig_random(&f->random) % 2)
		workers_rest(f);
	start_indexer(f);
	while (atomic_load(&f->plan->result) == 1) {
		ask(f);
		assert_int_equal(child_was_killed(f->indexer_pid), 0);
	}
	assert_int_equal(atomic_load(&f->plan->result), 0);
	assert_locked(f);
	until_exact(f, 0);
	workers_rest(f);
	until_exact(f, 1);
	assert_equal_to_oracle(f);
	assert_tidy(f);
	f->takeovers++;
}

static void make(struct fixture *f)
{
	struct rdx_index_key key = {
		.size = sizeof(key), .model = WORKER_MODEL, .flags = RDX_INDEX_ALL_RANKS};
	char name[16];

	memset(f, 0, sizeof(*f));
	f->random = rig_seed();
	rig_make(&f->rig);
	for (int i = 0; i < WORKERS; i++) {
		snprintf(name, sizeof(name), "worker%d", i);
		f->worker[i] = child_share(&f->rig, name, sizeof(*f->worker[i]), f->worker_path[i]);
		assert_non_null(f->worker[i]);
		f->worker[i]->worker_id = (uint64_t)i + 1;
		f->worker[i]->ring_slots = i ? 1024 : 128;
		f->worker[i]->seed = rig_random(&f->random);
		f->worker[i]->clear_in = CLEAR_IN;
		f->worker[i]->pace_us = PACE_US;
		worker_calls_make(&f->oracle[i], &f->rig.key, f->worker[i]->seed, CLEAR_IN);
		worker_run(f->worker[i], 2000);
		f->worker_pid[i] = child_start(WORKER_ROLE, f->worker_path[i]);
		assert_true(f->worker_pid[i] > 0);
	}
	f->plan = child_share(&f->rig, "indexer", sizeof(*f->plan), f->indexer_path);
	assert_non_null(f->plan);
	start_indexer(f);
	UNTIL (rdx_index_open(&f->index, f->rig.dir, &key) == 0)
		usleep(1000);
	until_exact(f, 0);
}

static void end(struct fixture *f)
{
	print_message("%llu killed at their step, %llu did not come to it, %llu takeovers exact; "
		      "%llu answers, %llu of them -EAGAIN, %llu STALE rows\n",
		      (unsigned long long)f->kills, (unsigned long long)f->unmet,
		      (unsigned long long)f->takeovers, (unsigned long long)f->answers,
		      (unsigned long long)f->disturbed, (unsigned long long)f->stale);
	child_kill(f->indexer_pid);
	for (int i = 0; i < WORKERS; i++)
		child_kill(f->worker_pid[i]);
	rdx_index_close(f->index);
	rig_remove(&f->rig);
}

static void run_steps(const enum rdx_hook_step *steps, uint32_t count)
{
	static struct fixture f;

	make(&f);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t kills = f.kills;

		for (int round = 0; round < ROUNDS; round++)
			/* a new index gets its name at the start only */
			for (int at_start = steps[i] == RDX_HOOK_INDEX_RENAMED; at_start <= 1;
			     at_start++)
				kill_once(&f, steps[i], at_start, REACH_NS);
		for (int more = 1; f.kills == kills && more <= REACH_LONGER; more++)
			kill_once(&f, steps[i], 1, REACH_NS << more);
		assert_true(f.kills > kills); /* the step was met */
	}
	end(&f);
}

static void test_killed_reading(void **state)
{
	static const enum rdx_hook_step steps[] = {
		RDX_HOOK_READ_WORD,  RDX_HOOK_READ_COPIED, RDX_HOOK_SCAN_STARTED,
		RDX_HOOK_SCAN_CHUNK, RDX_HOOK_SCAN_DONE,
	};

	(void)state;
	run_steps(steps, sizeof(steps) / sizeof(*steps));
}

static void test_killed_changing_cells(void **state)
{
	static const enum rdx_hook_step steps[] = {
		RDX_HOOK_CELL_KEY,
		RDX_HOOK_CELL_SET,
	};

	(void)state;
	run_steps(steps, sizeof(steps) / sizeof(*steps));
}

static void test_killed_changing_columns(void **state)
{
	static const enum rdx_hook_step steps[] = {
		RDX_HOOK_COLUMN_OPENED,
		RDX_HOOK_COLUMN_CLOSED,
	};

	(void)state;
	run_steps(steps, sizeof(steps) / sizeof(*steps));
}

static void test_killed_naming_tables(void **state)
{
	static const enum rdx_hook_step steps[] = {
		RDX_HOOK_GENERATION_BUILT,
		RDX_HOOK_GENERATION_NAMED,
		RDX_HOOK_INDEX_RENAMED,
	};

	(void)state;
	run_steps(steps, sizeof(steps) / sizeof(*steps));
}

/* How many rows are STALE, and the least age of all; -errno. */
static int count_stale(struct fixture *f, uint64_t *ret_age_ns)
{
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	int count = rdx_index_lookup(f->index, NULL, 0, runs, RDX_RANKS_MAX), stale = 0;

	*ret_age_ns = UINT64_MAX;
	for (int i = 0; i < count; i++) {
		stale += runs[i].state == RDX_STATE_STALE;
		*ret_age_ns = runs[i].age_ns < *ret_age_ns ? runs[i].age_ns : *ret_age_ns;
	}
	return count < 0 ? count : stale;
}

/* Not in the midst of a change: nobody would be answered before it goes on. */
static void stop_indexer(struct fixture *f)
{
	uint64_t age;
	int r = -EAGAIN;

	UNTIL (r != -EAGAIN) {
		kill(f->indexer_pid, SIGCONT);
		usleep(1000);
		kill(f->indexer_pid, SIGSTOP);
		UNTIL (child_has_stopped(f->indexer_pid))
			usleep(100);
		r = count_stale(f, &age);
	}
}

/* It is alive and holds its lock, but is stopped. */
static void test_a_stopped_indexer_is_stale(void **state)
{
	static struct fixture f;
	uint64_t age, older;

	(void)state;
	make(&f);
	workers_rest(&f);
	until_exact(&f, 1);
	stop_indexer(&f);
	UNTIL (count_stale(&f, &age) == WORKERS)
		usleep(1000);
	assert_true(age > STALE_NS);
	workers_run(&f, UINT64_MAX);
	usleep(LAP_US);
	workers_rest(&f);
	assert_int_equal(count_stale(&f, &older), WORKERS);
	assert_true(older > age);
	assert_locked(&f);
	kill(f.indexer_pid, SIGCONT);
	until_exact(&f, 1);
	assert_equal_to_oracle(&f);
	end(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_reading),
		cmocka_unit_test(test_killed_changing_cells),
		cmocka_unit_test(test_killed_changing_columns),
		cmocka_unit_test(test_killed_naming_tables),
		cmocka_unit_test(test_a_stopped_indexer_is_stale),
	};

	if (argc == 3 && strcmp(argv[1], WORKER_ROLE) == 0)
		return worker_main(argv[2]);
	if (argc == 3 && strcmp(argv[1], INDEXER_ROLE) == 0)
		return indexer_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
