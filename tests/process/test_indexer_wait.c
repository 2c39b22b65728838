/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a publish wakes a sleeping indexer, with io_uring and without: no event stays unread
 * until the next poll, and most sleeps end by the bell. After an event an indexer naps, and who
 * publishes rings for nobody; after a lull it asks for the bell again.
 */
#include "tests/indexer_rig.h"
#include "shm/bell.h"
#include "shm/bell_file.h"
#include "shm/hook.h"
#include "tests/patience.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define EVENTS     40
#define WAKES      10    /* of the bell, for which there may have to be more events */
#define STORES_MAX 65536 /* of a test that waits for a nap */
#define PAUSE_US   4000  /* long enough that the indexer sleeps again */

struct publishing {
	struct rdx_publisher *publisher;
	int result;
	_Atomic int enough;
	_Atomic uint64_t events; /* published, at the end */
};

static void *publish(void *context)
{
	struct publishing *publishing = context;

	for (uint64_t i = 0; publishing->result == 0; i++) {
		uint64_t name = i % EVENTS + 1;
		struct rdx_stored stored = {.size = sizeof(stored),
					    .names = &name,
					    .local_hashes = &name,
					    .count = 1,
					    .name_bytes = 8};

		usleep(PAUSE_US);
		publishing->result = rdx_publish_stored(publishing->publisher, &stored);
		if (i + 1 >= EVENTS && atomic_load(&publishing->enough)) {
			atomic_store(&publishing->events, i + 1);
			break;
		}
	}
	return NULL;
}

static void test_woken(uint32_t mode)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	struct publishing publishing = {.result = 0};
	struct rdx_index_rank info = {.size = sizeof(info), .last_event_id = 0};
	struct indexer_rig x;
	uint64_t timeouts = 0;
	pthread_t thread;
	int r;

	indexer_rig_make(&x);
	options.dir = x.dir;
	options.wait_mode = mode;
	options.rest_mode = RDX_REST_SLEEP;
	r = rdx_indexer_open(&x.indexer, &options);
	if (r == -ENOSYS || r == -EPERM) {
		rig_remove(&x.rig);
		skip();
	}
	assert_int_equal(r, 0);
	publishing.publisher = prompt_publisher(&x, 1, 0);
	until_state(&x, 1, 0, RDX_STATE_EXACT, publishing.publisher, NULL);
	assert_int_equal(pthread_create(&thread, NULL, publish, &publishing), 0);
	UNTIL (info.last_event_id &&info.last_event_id == atomic_load(&publishing.events)) {
		r = rdx_indexer_poll(x.indexer, 0);
		assert_true(r >= 0);
		if (r == 0)
			timeouts += rdx_indexer_wait(x.indexer, -1) == 0;
		worker_find(x.index, 1, 0, &info);
		assert_int_equal(rdx_indexer_get_stats(x.indexer, &stats), 0);
		atomic_store(&publishing.enough, stats.wakes >= WAKES);
	}
	pthread_join(thread, NULL);
	assert_int_equal(publishing.result, 0);
	assert_int_equal(stats.wait_mode, mode);
	print_message("%llu events, %llu wakes, %llu sleeps that nobody ended\n",
		      (unsigned long long)info.last_event_id, (unsigned long long)stats.wakes,
		      (unsigned long long)timeouts);
	rdx_publisher_close(publishing.publisher);
	indexer_rig_end(&x);
}

static void test_woken_with_io_uring(void **state)
{
	(void)state;
	test_woken(RDX_WAIT_URING);
}

static void test_woken_with_epoll(void **state)
{
	(void)state;
	test_woken(RDX_WAIT_EPOLL);
}

/* A segment that appears ends a sleep: the directory is watched. */
static void test_woken_by_the_directory(void **state)
{
	struct rdx_publisher *publisher;
	struct indexer_rig x;

	(void)state;
	for (uint32_t mode = RDX_WAIT_AUTO; mode <= RDX_WAIT_EPOLL; mode += RDX_WAIT_EPOLL) {
		int woken = 0;

		indexer_rig_make(&x);
		indexer_rig_open(&x, mode);
		while (rdx_indexer_poll(x.indexer, 0) > 0)
			;
		publisher = prompt_publisher(&x, 1, 0);
		UNTIL (woken)
			woken = rdx_indexer_wait(x.indexer, -1);
		assert_int_equal(woken, 1);
		prompt_store(publisher, 1, 10, 0);
		until_state(&x, 1, 0, RDX_STATE_EXACT, publisher, NULL);
		rdx_publisher_close(publisher);
		indexer_rig_end(&x);
	}
}

/* A rank followed in that way, and the bell that is between them. */
struct rested {
	struct indexer_rig x;
	struct rdx_publisher *publisher;
	struct rdx_mapping bell;
	uint64_t prompt;
};

static void rested_begin(struct rested *r, uint32_t rest_mode)
{
	struct rdx_indexer_options options = {.size = sizeof(options), .rest_mode = rest_mode};
	struct rdx_publisher_options rank;

	*r = (struct rested){.prompt = 1};
	indexer_rig_make(&r->x);
	options.dir = r->x.dir;
	assert_int_equal(rdx_indexer_open(&r->x.indexer, &options), 0);
	rank = prompt_options(&r->x, 1, 0, 1, STORES_MAX);
	assert_int_equal(rdx_publisher_open(&r->publisher, &rank), 0);
	until_state(&r->x, 1, 0, RDX_STATE_EXACT, r->publisher, NULL);
	assert_int_equal(rdx_bell_file_open(&r->bell, r->x.rig.dir_fd, 0), 0);
}

static void rested_end(struct rested *r)
{
	rdx_mapping_close(&r->bell);
	rdx_publisher_close(r->publisher);
	indexer_rig_end(&r->x);
}

/* Store a block. Was the bell rung? */
static int rings(struct rested *r)
{
	const struct rdx_bell *bell = r->bell.base;
	uint32_t word = atomic_load(&bell->word);

	prompt_store(r->publisher, r->prompt++, 1, 0);
	return atomic_load(&bell->word) != word;
}

static uint64_t naps(const struct rested *r)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_indexer_get_stats(r->x.indexer, &stats), 0);
	return stats.naps;
}

/* Wait once, with nothing to do. Was it a nap? */
static int naps_now(struct rested *r)
{
	uint64_t before = naps(r);

	while (rdx_indexer_poll(r->x.indexer, 0) > 0)
		;
	assert_true(rdx_indexer_wait(r->x.indexer, -1) >= 0);
	return naps(r) != before;
}

static void test_naps_ask_for_no_bell(void **state)
{
	struct rested r;
	int napped;

	(void)state;
	rested_begin(&r, RDX_REST_HYBRID);
	do { /* on a machine that is too slow it has slept by then */
		rings(&r);
		napped = naps_now(&r);
	} while (!napped);
	assert_false(rings(&r));
	UNTIL (!naps_now(&r))
		;
	assert_true(rings(&r));
	rested_end(&r);
}

static void test_sleep_does_not_nap(void **state)
{
	struct rested r;

	(void)state;
	rested_begin(&r, RDX_REST_SLEEP);
	rings(&r);
	assert_false(naps_now(&r));
	assert_true(rings(&r));
	rested_end(&r);
}

/* It never arms the bell, and its waits return at once, also one for ever. */
static void test_spin_does_not_sleep(void **state)
{
	struct rested r;

	(void)state;
	rested_begin(&r, RDX_REST_SPIN);
	for (int i = 0; i < EVENTS; i++) {
		assert_false(naps_now(&r));
		assert_false(rings(&r));
		assert_int_equal(rdx_indexer_wait(r.x.indexer, -1), 1);
	}
	rested_end(&r);
}

#ifdef RDX_HOOKS
static struct rdx_publisher *meanwhile;

static void store_meanwhile(enum rdx_hook_step step)
{
	if (step != RDX_HOOK_BELL_ARMING)
		return;
	rdx_hook_function = NULL;
	prompt_store(meanwhile, 2, 10, 0);
}

/* An event that comes while the indexer arms, and is not rung for, is not slept beside: it
 * looks at the rings after it armed. */
static void test_an_event_while_it_arms(void **state)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	struct indexer_rig x;
	uint64_t wakes = 0;
	int r = 0;

	(void)state;
	indexer_rig_make(&x);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	meanwhile = prompt_publisher(&x, 1, 0);
	until_state(&x, 1, 0, RDX_STATE_EXACT, meanwhile, NULL);
	rdx_hook_function = store_meanwhile;
	UNTIL (!rdx_hook_function) {
		while (rdx_indexer_poll(x.indexer, 0) > 0)
			;
		assert_int_equal(rdx_indexer_get_stats(x.indexer, &stats), 0);
		wakes = stats.wakes;
		r = rdx_indexer_wait(x.indexer, -1);
	}
	assert_int_equal(r, 1);
	assert_int_equal(rdx_indexer_get_stats(x.indexer, &stats), 0);
	assert_true(stats.wakes == wakes);
	rdx_publisher_close(meanwhile);
	indexer_rig_end(&x);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_woken_with_io_uring),
		cmocka_unit_test(test_woken_with_epoll),
		cmocka_unit_test(test_woken_by_the_directory),
		cmocka_unit_test(test_naps_ask_for_no_bell),
		cmocka_unit_test(test_sleep_does_not_nap),
		cmocka_unit_test(test_spin_does_not_sleep),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_an_event_while_it_arms),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
