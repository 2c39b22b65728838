/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: who comes first in a poll: a rank that was cleared is hidden by the next poll, though
 * it is another one's turn, and that one has more events than the poll reads.
 */
#include "tests/indexer_rig.h"

#define RANKS      2
#define EVENTS     300
#define POLL_SLOTS 64
#define PROMPT     7

static void store_others(struct rdx_publisher *publisher, uint64_t first)
{
	for (uint64_t i = 0; i < EVENTS; i++)
		prompt_store(publisher, first + i, 1, 0);
}

static void test_a_clear_is_first(void **state)
{
	struct rdx_publisher *publisher[RANKS];
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	for (uint32_t rank = 0; rank < RANKS; rank++) {
		struct rdx_publisher_options options = prompt_options(&x, 1, rank, 1, 4096);

		options.ring_slots = 2048;
		assert_int_equal(rdx_publisher_open(&publisher[rank], &options), 0);
	}
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	/* whoever's turn it is, in one of these it is the other's that was not cleared */
	for (uint32_t busy = 0; busy < RANKS; busy++) {
		prompt_store(publisher[!busy], PROMPT, 1, 0);
		for (uint32_t rank = 0; rank < RANKS; rank++)
			until_state(&x, 1, rank, RDX_STATE_EXACT, publisher[rank], NULL);
		assert_int_equal(prompt_run(x.index, PROMPT, 1, 1, !busy), 1);
		store_others(publisher[busy], 1000 * (1 + busy));
		assert_int_equal(rdx_publish_cleared(publisher[!busy], RDX_SCOPE_ALL, 0), 0);
		assert_true(rdx_indexer_poll(x.indexer, POLL_SLOTS) > 0);
		assert_int_equal(prompt_run(x.index, PROMPT, 1, 1, !busy), 0);
	}
	for (uint32_t rank = 0; rank < RANKS; rank++)
		rdx_publisher_close(publisher[rank]);
	indexer_rig_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_clear_is_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
