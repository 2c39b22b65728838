/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the model checker itself: small programs whose executions under C11 are known.
 */
#include "tests/models/hold.h"
#include "tests/models/shadow/stdatomic.h"

#include <string.h>

static uint64_t data, flag;

/* What the reader saw of both, a bit for each of the four ways */
static unsigned seen;

static void begin(void)
{
	data = flag = 0;
	seen = 0;
}

static void note(uint64_t saw_flag, uint64_t saw_data)
{
	seen |= 1u << (2 * saw_flag + saw_data);
}

static void store(uint64_t *word, uint64_t value, memory_order order)
{
	model_store(word, sizeof(*word), value, order);
}

static uint64_t load(const uint64_t *word, memory_order order)
{
	return model_load(word, sizeof(*word), order);
}

static void write_relaxed(void)
{
	store(&data, 1, memory_order_relaxed);
	store(&flag, 1, memory_order_relaxed);
}

static void write_release(void)
{
	store(&data, 1, memory_order_relaxed);
	store(&flag, 1, memory_order_release);
}

static void write_fence(void)
{
	store(&data, 1, memory_order_relaxed);
	model_fence(memory_order_release);
	store(&flag, 1, memory_order_relaxed);
}

static void write_fence_too_early(void)
{
	model_fence(memory_order_release);
	write_relaxed();
}

/* A relaxed store after a release does not carry what came before that. */
static void write_release_then_relaxed(void)
{
	store(&data, 1, memory_order_relaxed);
	store(&flag, 2, memory_order_release);
	store(&flag, 1, memory_order_relaxed);
}

static void read_relaxed(void)
{
	uint64_t saw = load(&flag, memory_order_relaxed);

	note(saw % 2, load(&data, memory_order_relaxed));
}

static void read_acquire(void)
{
	uint64_t saw = load(&flag, memory_order_acquire);

	note(saw % 2, load(&data, memory_order_relaxed));
}

static void read_fence(void)
{
	uint64_t saw = load(&flag, memory_order_relaxed);

	model_fence(memory_order_acquire);
	note(saw % 2, load(&data, memory_order_relaxed));
}

static void read_fence_too_early(void)
{
	model_fence(memory_order_acquire);
	read_relaxed();
}

/* One word is never seen to go back. */
static void read_twice(void)
{
	uint64_t saw = load(&data, memory_order_relaxed);

	note(saw, load(&data, memory_order_relaxed));
}

static void read_chosen(void)
{
	note(model_choose(2), model_choose(2));
}

static void break_a_promise(void)
{
	if (load(&flag, memory_order_acquire))
		MODEL_PROMISE(!load(&data, memory_order_relaxed));
}

static void read_nothing(void)
{
}

static void at_rest(void)
{
	note(load(&flag, memory_order_relaxed), load(&data, memory_order_relaxed));
}

#define NEITHER (1u << 0)
#define DATA    (1u << 1)
#define FLAG    (1u << 2)
#define BOTH    (1u << 3)

static void expect(void (*write)(void), void (*read)(void), int x86, unsigned ways,
		   uint64_t executions)
{
	struct model model = {begin, write, read, NULL, x86};
	struct model_result result = model_run(&model);

	assert_null(result.broken);
	assert_int_equal(seen, ways);
	assert_int_equal(result.executions, executions);
}

static void test_message_passing(void **state)
{
	(void)state;
	expect(write_relaxed, read_relaxed, 0, NEITHER | DATA | FLAG | BOTH, 4);
	expect(write_relaxed, read_relaxed, 1, NEITHER | DATA | BOTH, 3);
	expect(write_release, read_relaxed, 0, NEITHER | DATA | FLAG | BOTH, 4);
	expect(write_relaxed, read_acquire, 0, NEITHER | DATA | FLAG | BOTH, 4);
	expect(write_release, read_acquire, 0, NEITHER | DATA | BOTH, 3);
	expect(write_fence, read_acquire, 0, NEITHER | DATA | BOTH, 3);
	expect(write_release, read_fence, 0, NEITHER | DATA | BOTH, 3);
	expect(write_fence, read_fence, 0, NEITHER | DATA | BOTH, 3);
	expect(write_fence_too_early, read_fence, 0, NEITHER | DATA | FLAG | BOTH, 4);
	expect(write_fence, read_fence_too_early, 0, NEITHER | DATA | FLAG | BOTH, 4);
	expect(write_release_then_relaxed, read_acquire, 0, NEITHER | DATA | FLAG | BOTH, 5);
}

static void test_one_word(void **state)
{
	(void)state;
	/* `flag` is the first look here, `data` the second */
	expect(write_relaxed, read_twice, 0, NEITHER | DATA | BOTH, 3);
}

static void test_choices(void **state)
{
	(void)state;
	expect(write_relaxed, read_chosen, 0, NEITHER | DATA | FLAG | BOTH, 4);
}

static void test_a_broken_promise(void **state)
{
	struct model model = {begin, write_release, break_a_promise, NULL, 0};

	(void)state;
	assert_non_null(model_run(&model).broken);
}

/* Before each store, and after the last one, exactly what is stored so far is seen. */
static void test_at_rest(void **state)
{
	struct model model = {begin, write_relaxed, read_nothing, at_rest, 0};

	(void)state;
	assert_null(model_run(&model).broken);
	assert_int_equal(seen, NEITHER | DATA | BOTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_passing), cmocka_unit_test(test_one_word),
		cmocka_unit_test(test_choices),         cmocka_unit_test(test_a_broken_promise),
		cmocka_unit_test(test_at_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
