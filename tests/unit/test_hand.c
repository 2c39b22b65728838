/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: the hand gives each node once, and none that is in use or that there is not, wherever in a word
 * of 64 its nodes end when more of them come.
 */
#include "producer/hand.h"
#include "tests/expect.h"

#include <string.h>

#define NODES_MAX 300

static struct rdx_hand_word words[NODES_MAX / 64 + 1];
static uint64_t some[1];
static uint8_t in_use[NODES_MAX];

/* All that are there and not in use, each of them once. */
static void take_all(struct rdx_hand *hand, uint32_t free_nodes)
{
	uint32_t node, taken = 0;

	while ((node = rdx_hand_take(hand)) != RDX_HAND_NONE) {
		assert_true(node < hand->nodes);
		assert_false(in_use[node]);
		in_use[node] = 1;
		taken++;
	}
	assert_int_equal(taken, free_nodes);
}

static void begin(struct rdx_hand *hand)
{
	memset(words, 0, sizeof(words));
	memset(some, 0, sizeof(some));
	memset(in_use, 0, sizeof(in_use));
	rdx_hand_init(hand, words, some);
}

static void test_more_nodes_come(void **state)
{
	(void)state;
	for (uint32_t first = 1; first <= 130; first++)
		for (uint32_t more = 1; more <= 130; more++) {
			struct rdx_hand hand;

			begin(&hand);
			rdx_hand_extend(&hand, first);
			take_all(&hand, first);
			rdx_hand_extend(&hand, first + more);
			take_all(&hand, more);
		}
}

/* Some were given back before: they are offered beside the new ones. */
static void test_some_are_free_when_more_come(void **state)
{
	struct rdx_hand hand;

	(void)state;
	begin(&hand);
	rdx_hand_extend(&hand, 100);
	take_all(&hand, 100);
	for (uint32_t node = 0; node < 100; node += 3) {
		rdx_hand_offer(&hand, node, node % 2);
		in_use[node] = 0;
	}
	rdx_hand_extend(&hand, NODES_MAX);
	take_all(&hand, 34 + NODES_MAX - 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_more_nodes_come),
		cmocka_unit_test(test_some_are_free_when_more_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
