/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: one round of a poll, by a clock that stands still meanwhile: a rank that has thousands
 * of events and comes first has its share of it, and another one's single event is shown after it.
 */
#include "consumer/indexer/indexer_state.h"
#include "tests/indexer_rig.h"

#include <time.h>

#define SHARE 512      /* blocks of one rank, and ... */
#define EVENT (64 * 7) /* ... the end of an event; one has at most so many */
#define LONG  4096     /* events of one block */
#define FLOOD 0        /* the first rank that is found */
#define OTHER 1

int __real_clock_gettime(clockid_t clock, struct timespec *ret_time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time);

/* While it is set, time passes only after the other rank's turn: a millisecond, which ends the round. */
static struct {
	const struct rdx_indexer *indexer;
	uint64_t events; /* that the other rank has then */
	struct timespec now;
} still;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	if (!still.indexer || clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, ret_time);
	*ret_time = still.now;
	if (still.indexer->ranks[OTHER]->events >= still.events) {
		ret_time->tv_nsec += 1000000;
		ret_time->tv_sec += ret_time->tv_nsec / 1000000000;
		ret_time->tv_nsec %= 1000000000;
	}
	return 0;
}

static void poll_one_round(struct rdx_indexer *indexer)
{
	int r;

	assert_int_equal(__real_clock_gettime(CLOCK_MONOTONIC, &still.now), 0);
	indexer->next_rank = FLOOD;
	indexer->look_ns = UINT64_MAX; /* a walk would be another turn for each */
	still.events = indexer->ranks[OTHER]->events + 1;
	still.indexer = indexer;
	r = rdx_indexer_poll(indexer, 0);
	still.indexer = NULL;
	indexer->look_ns = 0;
	assert_true(r > 0);
}

static struct rdx_publisher *open_rank(struct indexer_rig *x, uint64_t worker_id)
{
	struct rdx_publisher_options options = prompt_options(x, worker_id, 0, 1, 4 * LONG);
	struct rdx_publisher *publisher;

	options.ring_slots = 4 * LONG;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	until_state(x, worker_id, 0, RDX_STATE_EXACT, publisher, NULL);
	return publisher;
}

/* `prompts` of the flooding rank, of `blocks` each, are more than its share. */
static void flood(struct indexer_rig *x, struct rdx_publisher *publisher[2], uint64_t prompts,
		  uint32_t blocks)
{
	const struct rdx_rank *rank = x->indexer->ranks[FLOOD];
	uint64_t before = rank->blocks_stored;

	for (uint64_t i = 0; i < prompts; i++)
		prompt_store(publisher[FLOOD], (uint64_t)blocks * LONG + i, blocks, 0);
	prompt_store(publisher[OTHER], blocks, 1, 0);
	poll_one_round(x->indexer);
	assert_int_equal(prompt_run(x->index, blocks, 1, 2, 0), 1);
	assert_in_range(rank->blocks_stored - before, SHARE / (1 + RDX_EVENT_WORK), SHARE + EVENT);
	until_state(x, 1, 0, RDX_STATE_EXACT, publisher[FLOOD], NULL);
}

static void test_a_flood_has_its_share_of_a_round(void **state)
{
	struct rdx_publisher *publisher[2];
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	publisher[FLOOD] = open_rank(&x, 1);
	publisher[OTHER] = open_rank(&x, 2);
	flood(&x, publisher, LONG, 1);
	flood(&x, publisher, 1, LONG);
	for (int i = 0; i < 2; i++)
		rdx_publisher_close(publisher[i]);
	indexer_rig_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_flood_has_its_share_of_a_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
