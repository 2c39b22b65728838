/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the end of ringdexd, by a clock that the test drives: a turn sleeps as long as it may. Whoever does
 * not end is cut off when the answers' time is over, what is not closed then is left, and no turn may sleep beyond.
 */
#include "tests/expect.h"
#include "tools/ringdexd/ending.h"

#include <errno.h>

#define BEGUN    UINT64_C(7000000000)
#define NEVER    UINT64_MAX
#define TURN_NS  (ENDING_TURN_NS / 3) /* of one that is woken */
#define LEFT     3u
#define SECOND   UINT64_C(1000000000)
#define NO_TURNS UINT32_MAX

/* What ends, each thing at its time. */
struct scene {
	uint64_t idle_at_ns;      /* nothing is under way from then on */
	uint64_t closed_at_ns;    /* nothing is unclosed, once it was cut off */
	uint64_t woken_ns;        /* a turn sleeps no longer than that */
	uint32_t fails_at;        /* the turn that cannot go on */
	uint64_t stands_still_ns; /* in the first turn, beyond what it may */
	uint32_t turns;
	uint32_t cuts;
	uint64_t cut_at_ns;
};

static uint64_t now_ns;

static uint64_t clock_ns(void)
{
	return now_ns;
}

static uint32_t under_way(void *context)
{
	struct scene *scene = context;

	assert_int_equal(scene->cuts, 0);
	return now_ns < scene->idle_at_ns ? LEFT : 0;
}

static void cut(void *context)
{
	struct scene *scene = context;

	scene->cuts++;
	scene->cut_at_ns = now_ns;
}

static uint32_t unclosed(void *context)
{
	struct scene *scene = context;

	assert_int_equal(scene->cuts, 1);
	return now_ns < scene->closed_at_ns ? LEFT : 0;
}

static int turn(void *context, uint64_t most_ns)
{
	struct scene *scene = context;

	assert_true(most_ns > 0);
	assert_true(most_ns <= ENDING_TURN_NS);
	now_ns += most_ns < scene->woken_ns ? most_ns : scene->woken_ns;
	now_ns += scene->turns ? 0 : scene->stands_still_ns;
	return scene->turns++ == scene->fails_at ? -EBADF : 0;
}

static const struct ending_calls calls = {clock_ns, under_way, cut, unclosed, turn};

/* How long it took. */
static uint64_t run(struct scene *scene)
{
	now_ns = BEGUN;
	ending_run(&calls, scene);
	assert_int_equal(scene->cuts, 1);
	return now_ns - BEGUN;
}

static void test_all_of_it_is_within_a_second(void **state)
{
	(void)state;
	assert_true(ENDING_ANSWERS_NS < ENDING_CUT_NS);
	assert_true(ENDING_CUT_NS < ENDING_NS);
	assert_true(ENDING_NS < SECOND);
}

static void test_nobody_is_there(void **state)
{
	struct scene scene = {.woken_ns = NEVER, .fails_at = NO_TURNS};

	(void)state;
	assert_int_equal(run(&scene), 0);
	assert_int_equal(scene.turns, 0);
}

static void test_who_ends_is_not_cut_off_before(void **state)
{
	struct scene scene = {.idle_at_ns = BEGUN + ENDING_ANSWERS_NS - 1,
			      .woken_ns = TURN_NS,
			      .fails_at = NO_TURNS};

	(void)state;
	run(&scene);
	assert_true(scene.cut_at_ns >= scene.idle_at_ns);
	assert_true(scene.cut_at_ns <= BEGUN + ENDING_ANSWERS_NS);
}

static void test_who_does_not_end_is_cut_off(void **state)
{
	const uint64_t woken[] = {NEVER, TURN_NS, ENDING_TURN_NS - 1};

	(void)state;
	for (size_t i = 0; i < sizeof(woken) / sizeof(woken[0]); i++) {
		struct scene scene = {
			.idle_at_ns = NEVER, .woken_ns = woken[i], .fails_at = NO_TURNS};

		assert_int_equal(run(&scene), ENDING_ANSWERS_NS);
		assert_int_equal(scene.cut_at_ns, BEGUN + ENDING_ANSWERS_NS);
	}
}

static void test_what_does_not_close_is_left(void **state)
{
	const uint64_t idle_at[] = {0, BEGUN + ENDING_ANSWERS_NS / 2, NEVER};

	(void)state;
	for (size_t i = 0; i < sizeof(idle_at) / sizeof(idle_at[0]); i++) {
		struct scene scene = {.idle_at_ns = idle_at[i],
				      .closed_at_ns = NEVER,
				      .woken_ns = TURN_NS,
				      .fails_at = NO_TURNS};

		assert_int_equal(run(&scene), ENDING_CUT_NS);
	}
}

/* A machine that stands still: the time is over when it goes on, and nothing else sleeps. */
static void test_a_turn_that_takes_too_long(void **state)
{
	struct scene scene = {.idle_at_ns = NEVER,
			      .closed_at_ns = NEVER,
			      .woken_ns = NEVER,
			      .stands_still_ns = SECOND,
			      .fails_at = NO_TURNS};

	(void)state;
	assert_int_equal(run(&scene), ENDING_TURN_NS + SECOND);
	assert_int_equal(scene.turns, 1);
}

static void test_a_loop_that_fails(void **state)
{
	struct scene scene = {.idle_at_ns = NEVER, .closed_at_ns = NEVER, .woken_ns = NEVER};

	(void)state;
	assert_true(run(&scene) <= ENDING_CUT_NS);
	assert_int_equal(scene.cut_at_ns, BEGUN + ENDING_TURN_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_it_is_within_a_second),
		cmocka_unit_test(test_nobody_is_there),
		cmocka_unit_test(test_who_ends_is_not_cut_off_before),
		cmocka_unit_test(test_who_does_not_end_is_cut_off),
		cmocka_unit_test(test_what_does_not_close_is_left),
		cmocka_unit_test(test_a_turn_that_takes_too_long),
		cmocka_unit_test(test_a_loop_that_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
