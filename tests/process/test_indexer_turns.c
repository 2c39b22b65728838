/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: who comes first in a poll: a rank that was cleared is hidden by the next poll, though
 * it is another one's turn, and that one has more events than the poll reads. And how much of a poll
 * one rank has: so few blocks, however long its events, that the next poll shows another one's.
 */
#include "consumer/indexer/discovery.h"
#include "tests/indexer_rig.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

#define SHARE 512
#define FLOOD 4 /* prompts, as long as may be */
#define TIMES 4
#define TURNS 3 /* also where the flooding rank comes first */

static uint64_t blocks_stored(const struct indexer_rig *x)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_indexer_get_stats(x->indexer, &stats), 0);
	return stats.blocks_stored;
}

/* Poll until the prompt is shown. A poll on a slow machine may end before both ranks had their turn, the
 * next one goes on with the other. */
static void show_beside_a_flood(struct indexer_rig *x, uint64_t prompt)
{
	const uint32_t event = 64 * 7; /* blocks, and more */

	for (uint32_t polls = 0; prompt_run(x->index, prompt, 1, 2, 0) != 1; polls++) {
		uint64_t stored = blocks_stored(x);

		assert_in_range(polls, 0, 1);
		assert_true(rdx_indexer_poll(x->indexer, 2 * SHARE) > 0);
		/* one round may not be enough, and one that walks has two turns */
		assert_in_range(blocks_stored(x) - stored, 1, 3 * (SHARE + event) + 2);
	}
}

static void test_a_flood_has_its_share(void **state)
{
	struct rdx_publisher *flood, *other;
	struct rdx_publisher_options options;
	struct indexer_rig x;

	(void)state;
	indexer_rig_make(&x);
	options = prompt_options(&x, 1, 0, 1, UINT64_C(2) * TIMES * FLOOD * PROMPT_MAX);
	options.ring_slots = 4096;
	assert_int_equal(rdx_publisher_open(&flood, &options), 0);
	other = prompt_publisher(&x, 2, 0);
	indexer_rig_open(&x, RDX_WAIT_AUTO);
	for (uint64_t i = 0; i < TIMES; i++) {
		until_state(&x, 1, 0, RDX_STATE_EXACT, flood, NULL);
		until_state(&x, 2, 0, RDX_STATE_EXACT, other, NULL);
		for (uint64_t k = 0; k < FLOOD; k++)
			prompt_store(flood, 1000 + FLOOD * i + k, PROMPT_MAX, 0);
		for (uint64_t k = 0; k < TURNS; k++) {
			prompt_store(other, 1 + TURNS * i + k, 1, 0);
			show_beside_a_flood(&x, 1 + TURNS * i + k);
		}
	}
	rdx_publisher_close(flood);
	rdx_publisher_close(other);
	indexer_rig_end(&x);
}

#define ALL_NEWS (RDX_NEWS_NAMES | RDX_NEWS_CLOSED)

static void make_file(const struct rig *rig, const char *name)
{
	int fd = openat(rig->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(unlinkat(rig->dir_fd, name, 0), 0);
}

/* A worker makes and removes files without end: that is a few walks a second, and not one for each;
 * nobody else's news are missed, nor, after a second, its own. */
static void test_junk_is_not_a_walk_each(void **state)
{
	struct rdx_discovery discovery;
	struct rig rig;
	uint64_t now = 1;
	int walks = 0;

	(void)state;
	rig_make(&rig);
	assert_int_equal(mkdirat(rig.dir_fd, "1", 0755), 0);
	assert_int_equal(mkdirat(rig.dir_fd, "2", 0755), 0);
	rdx_discovery_open(&discovery, rig.dir_fd);
	if (discovery.inotify_fd < 0)
		skip();
	for (int i = 0; i < 10 * RDX_TURNS_MAX; i++) {
		make_file(&rig, "1/junk");
		walks += rdx_discovery_news(&discovery, now) != 0;
	}
	assert_in_range(walks, RDX_TURNS_MAX, RDX_TURNS_MAX + 1);
	make_file(&rig, "2/0.seg");
	assert_int_equal(rdx_discovery_news(&discovery, now), ALL_NEWS);
	assert_int_equal(mkdirat(rig.dir_fd, "3", 0755), 0);
	assert_int_equal(rdx_discovery_news(&discovery, now), RDX_NEWS_NAMES);
	make_file(&rig, "3/0.seg");
	assert_int_equal(rdx_discovery_news(&discovery, now), ALL_NEWS);
	assert_int_equal(rdx_discovery_news(&discovery, now), 0);
	now += UINT64_C(1000000000);
	assert_int_equal(rdx_discovery_news(&discovery, now), ALL_NEWS);
	assert_int_equal(rdx_discovery_news(&discovery, now), 0);
	make_file(&rig, "1/0.seg");
	assert_int_equal(rdx_discovery_news(&discovery, now), ALL_NEWS);
	rdx_discovery_close(&discovery);
	rig_remove(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_clear_is_first),
		cmocka_unit_test(test_a_flood_has_its_share),
		cmocka_unit_test(test_junk_is_not_a_walk_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
