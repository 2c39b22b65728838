/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the checker for several sides that store itself: small programs whose outcomes under C11
 * are known.
 */
#include "tests/models/several.h"
#include "tests/models/shadow/stdatomic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint64_t x, y;
static uint64_t saw[SEVERAL_THREADS_MAX][2];
static unsigned outcomes; /* a bit for each that was seen */
static memory_order order_of_stores, order_of_loads, order_of_fences;

static void begin(void)
{
	x = y = 0;
	outcomes = 0;
}

static uint64_t load(const uint64_t *word)
{
	return model_load(word, sizeof(*word), order_of_loads);
}

static void store(uint64_t *word, uint64_t value)
{
	model_store(word, sizeof(*word), value, order_of_stores);
}

static uint64_t last(const uint64_t *word)
{
	return model_load(word, sizeof(*word), memory_order_relaxed);
}

/* Each stores one word and reads the other. */
static void store_and_load(int i)
{
	store(i ? &y : &x, 1);
	if (order_of_fences)
		model_fence(order_of_fences);
	saw[i][0] = load(i ? &x : &y);
}

static void note_both(void)
{
	outcomes |= 1u << (2 * saw[0][0] + saw[1][0]);
}

/* One passes a message, the other takes it. */
static void pass(int i)
{
	if (i == 0) {
		store(&x, 1);
		store(&y, 1);
	} else {
		saw[0][0] = load(&y);
		saw[1][0] = load(&x);
	}
}

/* Both store both words, in different orders. */
static void cross(int i)
{
	store(i ? &y : &x, 1);
	if (order_of_fences)
		model_fence(order_of_fences);
	store(i ? &x : &y, 2);
}

static void note_last(void)
{
	outcomes |= 1u << (2 * (last(&x) - 1) + last(&y) - 1);
}

/* Two store one word, two look twice. */
static void agree(int i)
{
	if (i < 2) {
		store(&x, (uint64_t)i + 1);
	} else {
		saw[i][0] = load(&x);
		saw[i][1] = load(&x);
	}
}

/* Bit 0: the two looked in different orders */
static void note_disagreement(void)
{
	outcomes |= saw[2][0] == 1 && saw[2][1] == 2 && saw[3][0] == 2 && saw[3][1] == 1;
}

static void count_up(int i)
{
	(void)i;
	model_add(&x, sizeof(x), 1, memory_order_relaxed);
}

/* What was stored before a release is known to whom a chain of updates leads. */
static void pass_on(int i)
{
	if (i == 0) {
		model_store(&x, sizeof(x), 1, memory_order_relaxed);
		model_store(&y, sizeof(y), 1, memory_order_release);
	} else if (i == 1) {
		model_add(&y, sizeof(y), 1, memory_order_relaxed);
	} else {
		saw[0][0] = model_load(&y, sizeof(y), memory_order_acquire) == 2;
		saw[1][0] = model_load(&x, sizeof(x), memory_order_relaxed);
	}
}

static void note_count(void)
{
	outcomes |= 1u << last(&x);
}

static unsigned run(int threads, void (*thread)(int), void (*end)(void), memory_order stores,
		    memory_order loads, memory_order fences)
{
	const struct several several = {threads, begin, thread, end, 0};

	order_of_stores = stores;
	order_of_loads = loads;
	order_of_fences = fences;
	assert_null(several_run(&several).broken);
	return outcomes;
}

static const memory_order none = memory_order_relaxed, acquire = memory_order_acquire,
			  release = memory_order_release, all = memory_order_seq_cst;

static void test_store_and_load(void **state)
{
	(void)state;
	assert_int_equal(run(2, store_and_load, note_both, none, none, none), 15);
	assert_int_equal(run(2, store_and_load, note_both, release, acquire, none), 15);
	assert_int_equal(run(2, store_and_load, note_both, none, none, memory_order_acq_rel), 15);
	assert_int_equal(run(2, store_and_load, note_both, none, none, all), 14);
}

static void test_a_message(void **state)
{
	(void)state;
	assert_int_equal(run(2, pass, note_both, none, none, none), 15);
	assert_int_equal(run(2, pass, note_both, release, none, none), 15);
	assert_int_equal(run(2, pass, note_both, none, acquire, none), 15);
	assert_int_equal(run(2, pass, note_both, release, acquire, none), 11);
}

/* Both words end as their first store left them only where nothing orders these. */
static void test_crossed_stores(void **state)
{
	(void)state;
	assert_int_equal(run(2, cross, note_last, none, none, none), 15);
	assert_int_equal(run(2, cross, note_last, release, acquire, none), 15);
	assert_int_equal(run(2, cross, note_last, none, none, all), 14);
}

static void test_one_order(void **state)
{
	(void)state;
	assert_int_equal(run(4, agree, note_disagreement, none, none, none), 0);
}

static void test_updates(void **state)
{
	(void)state;
	assert_int_equal(run(3, count_up, note_count, none, none, none), 1 << 3);
	assert_int_equal(run(3, pass_on, note_both, none, none, none), 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store_and_load), cmocka_unit_test(test_a_message),
		cmocka_unit_test(test_crossed_stores), cmocka_unit_test(test_one_order),
		cmocka_unit_test(test_updates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
