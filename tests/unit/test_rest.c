/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: how long an indexer naps beside an engine whose steps are known to the nanosecond, by a
 * clock that only the test and the indexer's own sleeps move on.
 */
#include "consumer/wait/wait.h"
#include "tests/indexer_rig.h"

#include <time.h>

#define US          UINT64_C(1000)
#define SECOND      UINT64_C(1000000000)
#define STEP        (2000 * US)
#define SOON        (50 * US) /* how late an expected event is read, at most */
#define LATE_NAP    (60 * US) /* when one that was expected has not come */
#define NAP         (250 * US)
#define LONGEST_NAP (4100 * US)
#define LULL        (5000 * US)

int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __real_rdx_wait_sleep(struct rdx_wait *wait, const _Atomic uint32_t *word, uint32_t expected,
			  int64_t timeout_ns, uint32_t *ret_woke);
int __wrap_rdx_wait_sleep(struct rdx_wait *wait, const _Atomic uint32_t *word, uint32_t expected,
			  int64_t timeout_ns, uint32_t *ret_woke);

static uint64_t clock_ns; /* 0: it goes by itself */
static int rings;         /* may an engine end the last sleep? */

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	if (!clock_ns || clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, ret_time);
	ret_time->tv_sec = (time_t)(clock_ns / SECOND);
	ret_time->tv_nsec = (long)(clock_ns % SECOND);
	return 0;
}

int __wrap_rdx_wait_sleep(struct rdx_wait *wait, const _Atomic uint32_t *word, uint32_t expected,
			  int64_t timeout_ns, uint32_t *ret_woke)
{
	if (!clock_ns)
		return __real_rdx_wait_sleep(wait, word, expected, timeout_ns, ret_woke);
	rings = word != NULL;
	clock_ns += (uint64_t)timeout_ns;
	*ret_woke = RDX_WOKE_TIMEOUT;
	return 0;
}

/* An engine, and an indexer that has read all of it. */
struct engine {
	struct indexer_rig x;
	struct rdx_publisher *publisher;
	uint64_t prompt;
	uint64_t event_ns;                           /* when it last published ... */
	enum { THE_TIME, NOTHING, THE_FUTURE } says; /* ... by its events */
};

static void read_all(struct engine *e)
{
	while (rdx_indexer_poll(e->x.indexer, 0) > 0)
		;
}

static void begin(struct engine *e)
{
	struct rdx_publisher_options options;
	struct timespec now;

	*e = (struct engine){.prompt = 1};
	indexer_rig_make(&e->x);
	indexer_rig_open(&e->x, RDX_WAIT_AUTO);
	options = prompt_options(&e->x, 1, 0, 1, 1024);
	assert_int_equal(rdx_publisher_open(&e->publisher, &options), 0);
	until_state(&e->x, 1, 0, RDX_STATE_EXACT, e->publisher, NULL);
	assert_int_equal(__real_clock_gettime(CLOCK_MONOTONIC, &now), 0);
	/* what is due by the clock is done in two seconds, and not again while a test goes on */
	clock_ns = e->event_ns = ((uint64_t)now.tv_sec + 2) * SECOND;
	read_all(e);
}

static void end(struct engine *e)
{
	clock_ns = 0;
	rdx_publisher_close(e->publisher);
	indexer_rig_end(&e->x);
}

static void publish(struct engine *e)
{
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = &e->prompt,
				    .local_hashes = &e->prompt,
				    .count = 1,
				    .name_bytes = 8,
				    .time_ns = clock_ns};

	if (e->says)
		stored.time_ns = e->says == NOTHING ? 0 : clock_ns + SECOND;

	assert_int_equal(rdx_publish_stored(e->publisher, &stored), 0);
	e->prompt++;
}

/* A step of so long ends, with an event that is read right away, or when a sleep is over. */
static void step(struct engine *e, uint64_t step_ns)
{
	uint64_t reads_ns = clock_ns;

	e->event_ns += step_ns;
	clock_ns = e->event_ns;
	publish(e);
	if (clock_ns < reads_ns)
		clock_ns = reads_ns;
	read_all(e);
}

static uint64_t nap(struct engine *e)
{
	uint64_t from = clock_ns;

	assert_int_equal(rdx_indexer_wait(e->x.indexer, -1), 0);
	read_all(e);
	return clock_ns - from;
}

static void test_a_step_is_slept_through(void **state)
{
	struct engine e;

	(void)state;
	begin(&e);
	for (int i = 0; i < 3; i++)
		step(&e, STEP);
	for (int i = 0; i < 10; i++) {
		nap(&e);
		assert_false(rings);
		assert_in_range(clock_ns, e.event_ns + STEP, e.event_ns + STEP + SOON);
		step(&e, STEP + (uint64_t)(i % 3) * 5 * US);
	}
	end(&e);
}

/* Events of one batch have one stamp, and a poll may read some of them. */
static void test_a_batch_is_one_event(void **state)
{
	struct engine e;

	(void)state;
	begin(&e);
	for (int i = 0; i < 3; i++) {
		step(&e, STEP);
		step(&e, 0);
	}
	assert_true(nap(&e) >= STEP);
	end(&e);
}

/* One that does not come in time is soon looked for again; then as ever, until a lull. */
static void test_an_event_is_late(void **state)
{
	struct engine e;
	uint64_t since;

	(void)state;
	begin(&e);
	for (int i = 0; i < 3; i++)
		step(&e, STEP);
	since = clock_ns;
	nap(&e);
	assert_int_equal(nap(&e), LATE_NAP);
	while (clock_ns - since < LULL) {
		assert_int_equal(nap(&e), NAP);
		assert_false(rings);
	}
	assert_true(nap(&e) > LULL);
	assert_true(rings);
	end(&e);
}

/* Steps that become shorter are slept too long for once; of two, the shorter one counts. */
static void test_an_event_is_early(void **state)
{
	struct engine e;

	(void)state;
	begin(&e);
	for (int i = 0; i < 3; i++)
		step(&e, STEP);
	nap(&e);
	step(&e, STEP / 2);
	for (int i = 0; i < 2; i++) {
		assert_true(nap(&e) <= STEP / 2 + SOON);
		step(&e, STEP);
	}
	assert_true(nap(&e) > STEP / 2 + SOON);
	end(&e);
}

/* Where events do not say when they were published, or say what cannot be, it is not known how late they are
 * read. */
static void test_an_event_does_not_say_when(void **state)
{
	struct engine e;

	(void)state;
	begin(&e);
	for (int i = 0; i < 20; i++) {
		e.says = i < 10 ? NOTHING : THE_FUTURE;
		step(&e, STEP);
		assert_int_equal(nap(&e), NAP);
		assert_int_equal(nap(&e), NAP);
	}
	end(&e);
}

/* What many engines do is read together; and no step is slept through that is too long. */
static void test_naps_have_limits(void **state)
{
	uint64_t longest = 0;
	struct engine e;

	(void)state;
	begin(&e);
	for (int i = 0; i < 10; i++)
		step(&e, NAP / 8);
	assert_int_equal(nap(&e), NAP);
	for (uint64_t ns = STEP; ns < 2 * LONGEST_NAP; ns += 100 * US) {
		uint64_t slept;

		for (int i = 0; i < 3; i++) {
			clock_ns = e.event_ns;
			step(&e, ns);
		}
		slept = nap(&e);
		longest = slept > longest ? slept : longest;
		assert_true(slept <= LONGEST_NAP);
		assert_false(rings);
	}
	assert_true(longest > STEP + SOON);
	end(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_step_is_slept_through),
		cmocka_unit_test(test_a_batch_is_one_event),
		cmocka_unit_test(test_an_event_is_late),
		cmocka_unit_test(test_an_event_is_early),
		cmocka_unit_test(test_an_event_does_not_say_when),
		cmocka_unit_test(test_naps_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
