/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: an indexer whose ranks publish nothing sleeps: after each way of recovery, after
 * clears, laps, growth and sweeps every wait runs into its timeout, no poll finds work, and the
 * process uses less than a hundredth of a processor. Counted in waits; times are only compared with
 * each other.
 */
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include <ringdex/rdx_reader.h>
#include <time.h>

#define RING_SLOTS 64
#define LAPS       200  /* events of one slot: the ring wraps */
#define BLOCKS     4000 /* more than the first table holds */
#define WAITS      2    /* in a row, each until the next heartbeat */
#define TRIES      20 /* on a busy machine what a wait uses is not in the caches, and that counts */
#define EVENT_WORK 4  /* of a poll's answer, at least, for each event */
#define POLL_NS    400000 /* of a poll: then it asks no further rank */
#define SLEEPS_MAX 40     /* likewise, where each poll after a sleep finds work */
#define ROUNDS_MAX 200000 /* until there is no work left: a loop without sleep is soon there */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CPU_PART 20
#else
#define CPU_PART 100 /* of the time that passes */
#endif

static uint64_t cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static struct rdx_indexer_stats stats_of(const struct indexer_rig *x)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_indexer_get_stats(x->indexer, &stats), 0);
	return stats;
}

/* Go on until a poll and the wait after it find nothing to do, and the wait is no nap. */
static void settle(struct indexer_rig *x)
{
	uint32_t sleeps = 0;

	for (uint32_t round = 0; round < ROUNDS_MAX && sleeps < SLEEPS_MAX; round++) {
		int done = rdx_indexer_poll(x->indexer, 0);
		uint64_t naps = stats_of(x).naps;
		int woken = rdx_indexer_wait(x->indexer, -1);

		assert_true(done >= 0 && woken >= 0);
		if (done == 0 && woken == 0 && stats_of(x).naps == naps)
			return;
		sleeps += !woken && stats_of(x).naps == naps;
	}
	fail_msg("it never sleeps");
}

/* A poll and a wait to its end. 0: there was something to do, as there may be: the poll was interrupted for
 * so long that its time was over before it had asked every rank, or the last reader of the table before had
 * left that. */
static int finds_nothing(struct indexer_rig *x)
{
	uint64_t begun = rdx_clock_ns();
	int done = rdx_indexer_poll(x->indexer, 0), woken;

	if (done > 0 && done < EVENT_WORK && rdx_clock_ns() - begun > POLL_NS)
		return 0;
	assert_int_equal(done, 0);
	woken = rdx_indexer_wait(x->indexer, -1);
	assert_true(woken >= 0);
	return !woken;
}

enum { BUSY, DEAR, CHEAP };

/* Did some waits cost next to nothing? */
static int try_waits(struct indexer_rig *x, const char *when)
{
	struct rdx_indexer_stats before = stats_of(x), after;
	uint64_t begun = rdx_clock_ns(), cpu = cpu_ns();

	for (int i = 0; i < WAITS; i++)
		if (!finds_nothing(x))
			return BUSY;
	cpu = cpu_ns() - cpu;
	begun = rdx_clock_ns() - begun;
	after = stats_of(x);
	assert_memory_equal(&before, &after, sizeof(before));
	print_message("%s: %llu us of %llu ms\n", when, (unsigned long long)cpu / 1000,
		      (unsigned long long)begun / 1000000);
	return cpu < begun / CPU_PART ? CHEAP : DEAR;
}

/* A tick of the clock that falls upon a short run counts as a whole one: that happens once,
 * not always. */
static void expect_idle(struct indexer_rig *x, const char *when)
{
	int cost = BUSY, dear = 0;

	UNTIL (cost == CHEAP) {
		settle(x);
		cost = try_waits(x, when);
		dear += cost == DEAR;
		assert_true(dear < TRIES);
	}
}

static struct rdx_publisher *open_rank(const struct indexer_rig *x, uint32_t dp_rank,
				       uint32_t clear_scope)
{
	struct rdx_publisher_options options = prompt_options(x, 1, dp_rank, 2, BLOCKS);
	struct rdx_publisher *publisher = NULL;

	options.ring_slots = RING_SLOTS;
	options.clear_scope = clear_scope;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	return publisher;
}

/* Events of one block each, of prompts from `first` on. */
static void store_each(struct rdx_publisher *publisher, uint64_t first, uint64_t count)
{
	for (uint64_t prompt = first; prompt < first + count; prompt++)
		prompt_store(publisher, prompt, 1, 0);
}

/* A rank with `events` behind it, in a new namespace. */
static struct rdx_publisher *make(struct indexer_rig *x, uint64_t events)
{
	struct rdx_publisher *publisher;

	indexer_rig_make(x);
	publisher = open_rank(x, 0, RDX_CLEAR_RANK);
	store_each(publisher, 1, events);
	return publisher;
}

static void recover(struct indexer_rig *x, struct rdx_publisher *publisher, uint32_t way,
		    uint32_t wait_mode)
{
	indexer_rig_open(x, wait_mode);
	until_state(x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	assert_int_equal(stats_of(x).recoveries[way], 1);
}

static void end(struct indexer_rig *x, struct rdx_publisher *publisher)
{
	rdx_publisher_close(publisher);
	until_state(x, 1, 0, RDX_STATE_GONE, NULL, NULL);
	expect_idle(x, "gone");
	indexer_rig_end(x);
}

/* What may follow any recovery. */
static void go_on(struct indexer_rig *x, struct rdx_publisher *publisher)
{
	store_each(publisher, 1001, 1);
	until_state(x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	expect_idle(x, "an event later");
	assert_int_equal(rdx_publish_cleared(publisher, 0, 0), 0);
	until_state(x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	expect_idle(x, "after a clear of a tier");
	store_each(publisher, 2001, 3);
	assert_int_equal(rdx_publish_cleared(publisher, RDX_SCOPE_ALL, 0), 0);
	until_state(x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
	expect_idle(x, "after a clear of all");
}

static void test_after_birth(void **state)
{
	(void)state;
	for (uint32_t mode = RDX_WAIT_AUTO; mode <= RDX_WAIT_EPOLL; mode += RDX_WAIT_EPOLL) {
		struct indexer_rig x;
		struct rdx_publisher *publisher = make(&x, 10);

		recover(&x, publisher, RDX_RECOVERED_BARRIER, mode);
		expect_idle(&x, "recovered from birth");
		go_on(&x, publisher);
		end(&x, publisher);
	}
}

static void test_after_a_barrier(void **state)
{
	struct indexer_rig x;
	struct rdx_publisher *publisher = make(&x, LAPS);

	(void)state;
	assert_int_equal(rdx_publish_cleared(publisher, RDX_SCOPE_ALL, 0), 0);
	store_each(publisher, 501, 5);
	recover(&x, publisher, RDX_RECOVERED_BARRIER, RDX_WAIT_AUTO);
	expect_idle(&x, "recovered from a barrier");
	go_on(&x, publisher);
	end(&x, publisher);
}

static void test_after_the_ledger(void **state)
{
	(void)state;
	for (uint32_t mode = RDX_WAIT_AUTO; mode <= RDX_WAIT_EPOLL; mode += RDX_WAIT_EPOLL) {
		struct indexer_rig x;
		struct rdx_publisher *publisher = make(&x, LAPS);

		recover(&x, publisher, RDX_RECOVERED_LEDGER, mode);
		expect_idle(&x, "recovered from the ledger");
		go_on(&x, publisher);
		end(&x, publisher);
	}
}

#ifdef RDX_HOOKS
static struct rdx_publisher *hook_publisher;

static void store_in_the_scan(enum rdx_hook_step step)
{
	if (step != RDX_HOOK_SCAN_STARTED)
		return;
	rdx_hook_function = NULL;
	store_each(hook_publisher, 601, 5);
}

/* What came during the scan is read from the log. */
static void test_after_the_ledger_and_a_log(void **state)
{
	struct indexer_rig x;
	struct rdx_publisher *publisher = make(&x, LAPS);

	(void)state;
	hook_publisher = publisher;
	rdx_hook_function = store_in_the_scan;
	recover(&x, publisher, RDX_RECOVERED_LEDGER, RDX_WAIT_AUTO);
	assert_null(rdx_hook_function);
	expect_idle(&x, "recovered from the ledger, with a log");
	go_on(&x, publisher);
	end(&x, publisher);
}
#endif

static void test_after_laps(void **state)
{
	struct indexer_rig x;
	struct rdx_publisher *publisher = make(&x, 10);

	(void)state;
	recover(&x, publisher, RDX_RECOVERED_BARRIER, RDX_WAIT_AUTO);
	for (uint64_t lap = 1; lap <= 3; lap++) {
		store_each(publisher, lap * 1000, LAPS);
		until_state(&x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
		assert_int_equal(stats_of(&x).recoveries[RDX_RECOVERED_LEDGER], lap);
		expect_idle(&x, "after a lap");
	}
	go_on(&x, publisher);
	end(&x, publisher);
}

static void test_after_growth_and_sweeps(void **state)
{
	struct indexer_rig x;
	struct rdx_publisher *publisher = make(&x, 10);

	(void)state;
	recover(&x, publisher, RDX_RECOVERED_BARRIER, RDX_WAIT_AUTO);
	for (uint64_t round = 0; round < 3; round++) {
		struct rdx_publisher_options options =
			prompt_options(&x, 2 + round, 0, 1, BLOCKS << (2 * round));
		uint64_t generations = stats_of(&x).generations;
		struct rdx_publisher *other;

		assert_int_equal(rdx_publisher_open(&other, &options), 0);
		for (uint64_t prompt = 0; prompt < options.tier_blocks[0] / 100; prompt++)
			prompt_store(other, 10000 * (2 + round) + prompt, 100, 0);
		until_state(&x, 2 + round, 0, RDX_STATE_EXACT, other, NULL);
		for (uint64_t prompt = 0; prompt < BLOCKS / 2 / 100; prompt++) {
			prompt_store(publisher, 7000 + 100 * round + prompt, 100, 0);
			prompt_store(publisher, 7000 + 100 * round + prompt, 100, 1);
			until_state(&x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
		}
		UNTIL (stats_of(&x).generations > generations) /* by table steps, after the ranks */
			indexer_poll(&x);
		rdx_publisher_close(other);
		until_state(&x, 2 + round, 0, RDX_STATE_GONE, NULL, NULL);
		expect_idle(&x, "after the table grew");
		assert_int_equal(rdx_publish_cleared(publisher, round ? RDX_SCOPE_ALL : 0, 0), 0);
		until_state(&x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
		expect_idle(&x, "after the sweep");
	}
	end(&x, publisher);
}

/* A clear announced on one rank of the worker, for the other one too. */
static void test_after_a_clear_of_the_worker(void **state)
{
	struct rdx_publisher *first, *second;
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	first = open_rank(&x, 0, RDX_CLEAR_WORKER);
	second = open_rank(&x, 1, RDX_CLEAR_WORKER);
	store_each(first, 1, LAPS);
	store_each(second, 1, LAPS);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	until_state(&x, 1, 0, RDX_STATE_EXACT, first, NULL);
	until_state(&x, 1, 1, RDX_STATE_EXACT, second, NULL);
	expect_idle(&x, "two ranks");
	assert_int_equal(rdx_publish_cleared(first, RDX_SCOPE_ALL, 0), 0);
	until_state(&x, 1, 0, RDX_STATE_EXACT, first, NULL);
	expect_idle(&x, "after a clear of the worker");
	store_each(second, 1001, 1);
	until_state(&x, 1, 1, RDX_STATE_EXACT, second, NULL);
	expect_idle(&x, "an event of the other rank later");
	rdx_publisher_close(second);
	end(&x, first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_birth),
		cmocka_unit_test(test_after_a_barrier),
		cmocka_unit_test(test_after_the_ledger),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_after_the_ledger_and_a_log),
#endif
		cmocka_unit_test(test_after_laps),
		cmocka_unit_test(test_after_growth_and_sweeps),
		cmocka_unit_test(test_after_a_clear_of_the_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
