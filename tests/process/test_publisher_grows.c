/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a rank that outgrows its tier_blocks goes on in a longer ledger, in the same segment and
 * epoch. It and a rank that had room from the beginning are told the same: what the index says of both is
 * equal at any time, also to an indexer that begins meanwhile, and neither is ever INEXACT, nor begins
 * again; but where there is no memory to grow, until there is. Killed at any step of it, it leaves nothing
 * in the way of its next life.
 */
#include "consumer/reader/recovery.h"
#include "consumer/reader/reader.h"
#include "producer/enlarge.h"
#include "shm/clock.h"
#include "tests/child.h"
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL      1
#define ROOMY      2
#define BLOCKS     9
#define STEPS      300
#define REMEMBERED 64 /* more than the calls between two checks store */
#define ROLE       "grower"
#define SECOND_NS  UINT64_C(1000000000)

struct growth {
	struct indexer_rig x;
	uint64_t seed;
	struct rdx_publisher *small, *roomy;
	uint64_t prompts; /* so many are stored from */
};

static struct rdx_publisher *open_small(const char *dir, uint32_t dp_rank, uint32_t scope)
{
	struct indexer_rig x = {.dir = dir};
	struct rdx_publisher_options options = prompt_options(&x, SMALL, dp_rank, 2, 1);
	struct rdx_publisher *publisher = NULL;

	options.remembered_names = REMEMBERED;
	options.clear_scope = scope;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	return publisher;
}

static void make(struct growth *g)
{
	struct rdx_publisher_options options;

	memset(g, 0, sizeof(*g));
	indexer_rig_make(&g->x);
	g->seed = rig_seed();
	g->small = open_small(g->x.dir, 0, RDX_CLEAR_RANK);
	options = prompt_options(&g->x, ROOMY, 0, 2, PROMPT_MAX);
	assert_int_equal(rdx_publisher_open(&g->roomy, &options), 0);
	indexer_rig_open(&g->x, RDX_WAIT_AUTO);
}

static void end(struct growth *g)
{
	rdx_publisher_close(g->small);
	rdx_publisher_close(g->roomy);
	indexer_rig_end(&g->x);
}

static struct rdx_publisher_stats stats_of(const struct rdx_publisher *publisher)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};

	assert_int_equal(rdx_publisher_get_stats(publisher, &stats), 0);
	return stats;
}

/* The same calls on both; more and more prompts, and holes in them. */
static void tell_both(struct growth *g, int calls)
{
	struct rdx_publisher *both[] = {g->small, g->roomy};

	while (calls--) {
		uint64_t dice = rig_random(&g->seed), prompt = dice % ++g->prompts + 1;
		uint32_t count = (uint32_t)(dice >> 8) % BLOCKS + 1;
		uint8_t tier = dice >> 16 & 1;

		for (int i = 0; i < 2; i++) {
			if ((dice >> 20) % 128 == 0)
				assert_int_equal(rdx_publish_cleared(both[i], tier, 0), 0);
			else if ((dice >> 28) % 4)
				prompt_store(both[i], prompt, count, tier);
			else
				prompt_remove(both[i], prompt, BLOCKS - count, count, tier);
		}
	}
}

static void expect_equal(struct growth *g)
{
	struct prompt_held small, roomy;

	until_state(&g->x, SMALL, 0, RDX_STATE_EXACT, g->small, NULL);
	until_state(&g->x, ROOMY, 0, RDX_STATE_EXACT, g->roomy, NULL);
	small = prompt_held(&g->x, SMALL);
	roomy = prompt_held(&g->x, ROOMY);
	assert_true(small.sum == roomy.sum);
	assert_int_equal(small.count, roomy.count);
}

static void begin_indexer(struct growth *g)
{
	rdx_index_close(g->x.index);
	rdx_indexer_close(g->x.indexer);
	g->x.index = NULL;
	indexer_rig_open(&g->x, RDX_WAIT_AUTO);
}

/* Polled once: what the index says of the rank may be of before. */
static void expect_worth(struct growth *g)
{
	struct rdx_index_rank info[2];
	int count;

	info[0].size = info[1].size = sizeof(*info);
	assert_true(rdx_indexer_poll(g->x.indexer, 0) >= 0);
	count = g->x.index ? rdx_index_ranks(g->x.index, info, 2) : 0;
	for (int i = 0; i < count; i++) {
		assert_int_not_equal(info[i].state, RDX_STATE_LACKING);
		assert_int_not_equal(info[i].state, RDX_STATE_INEXACT);
	}
	assert_int_equal(stats_of(g->small).inexact, 0);
}

/* That a rank grew is no recovery. */
static void expect_followed(const struct growth *g, uint64_t recoveries)
{
	struct rdx_index_rank info[2] = {{.size = sizeof(*info)}, {.size = sizeof(*info)}};
	uint64_t sum = 0;

	assert_int_equal(rdx_index_ranks(g->x.index, info, 2), 2);
	for (int i = 0; i < 2; i++) {
		for (int way = 0; way < 4; way++)
			sum += info[i].recoveries[way];
	}
	assert_int_equal(sum, recoveries);
}

static void test_followed(void **state)
{
	struct growth g;
	uint64_t epoch;

	(void)state;
	make(&g);
	epoch = rdx_publisher_epoch(g.small);
	for (int i = 0; i < STEPS; i++) {
		uint32_t growths = stats_of(g.small).growths;

		if (i % 3 == 0)
			assert_int_equal(rdx_publisher_check(g.small), 0);
		tell_both(&g, 2);
		expect_worth(&g);
		if (stats_of(g.small).growths == growths && i % 64)
			continue;
		if (i & 1)
			begin_indexer(&g);
		expect_equal(&g);
		expect_followed(&g, 2);
	}
	expect_equal(&g);
	assert_true(stats_of(g.small).growths >= 3);
	assert_true(rdx_publisher_epoch(g.small) == epoch);
	assert_int_equal(stats_of(g.small).ledger_full + stats_of(g.small).map_full, 0);
	assert_int_equal(stats_of(g.roomy).growths + stats_of(g.small).outgrown, 0);
	/* the tables that it had before are not kept */
	for (int i = 0; i < STEPS && g.small->memory.before.base; i++)
		assert_int_equal(rdx_publisher_check(g.small), 0);
	assert_null(g.small->memory.before.base);
	end(&g);
}

/* A reader and its side readers that mapped the ledger when it was short. */
static void test_read(void **state)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_cursor cursor;
	uint64_t count, exact_position, blocks = 0, records;
	static uint64_t hashes[8 * PROMPT_MAX];
	struct rdx_reader *reader;
	struct growth g;
	uint8_t tier;
	int64_t r;

	(void)state;
	make(&g);
	assert_int_equal(rdx_reader_open(&reader, g.x.dir, SMALL, 0), 0);
	for (uint64_t i = 1; i <= 4; i++) {
		records = rdx_reader_info(reader)->ledger_records;
		prompt_store(g.small, i, PROMPT_MAX, 0);
		assert_int_equal(
			rdx_reader_resident(reader, 0, hashes, 8 * PROMPT_MAX, &count, &cursor), 0);
		assert_int_equal(count, i * PROMPT_MAX);
		assert_true(rdx_reader_info(reader)->ledger_records > records);
	}
	prompt_store(g.small, 5, PROMPT_MAX, 0);
	assert_int_equal(rdx_recovery_from_ledger(reader, &recovery), 0);
	while ((r = rdx_reader_snapshot(reader, hashes, 8 * PROMPT_MAX, &tier, &exact_position)) >
	       0)
		blocks += (uint64_t)r;
	assert_int_equal(r, 0);
	assert_int_equal(blocks, 5 * PROMPT_MAX);
	assert_true(rdx_reader_info(reader)->ledger_records == reader->view.record_count);
	/* what is not in the file is not looked for */
	rdx_word_store(&g.small->owner.live->used, g.small->owner.ledger.count + 4096);
	assert_int_equal(rdx_reader_resident(reader, 0, hashes, 8 * PROMPT_MAX, &count, &cursor),
			 -EBADMSG);
	rdx_reader_close(reader);
	end(&g);
}

/* No larger than it was told to be. */
static void test_at_its_limit(void **state)
{
	struct rdx_publisher_options options;
	struct rdx_publisher *publisher = NULL;
	struct growth g;

	(void)state;
	make(&g);
	options = prompt_options(&g.x, 3, 0, 1, 8);
	options.remembered_names = 8;
	options.names_max = 40;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	prompt_store(publisher, 1, 16, 0);
	assert_int_equal(publisher->owner.ledger.count, 40);
	prompt_store(publisher, 1, 40, 0);
	assert_int_equal(rdx_publisher_check(publisher), 0);
	assert_int_equal(stats_of(publisher).outgrown, 0);
	until_state(&g.x, 3, 0, RDX_STATE_EXACT, publisher, NULL);
	prompt_store(publisher, 1, 41, 0);
	assert_int_equal(stats_of(publisher).inexact, RDX_INEXACT_LACKING);
	assert_int_equal(stats_of(publisher).held[0], 40);
	until_state(&g.x, 3, 0, RDX_STATE_LACKING, publisher, NULL);
	rdx_publisher_close(publisher);
	/* the records of another tier's blocks are kept for these */
	options.tier_blocks[1] = 8;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	prompt_store(publisher, 1, 40, 0);
	assert_int_equal(stats_of(publisher).held[0], 32);
	assert_int_equal(stats_of(publisher).ledger_full, 8);
	rdx_publisher_close(publisher);
	options.names_max = UINT64_MAX;
	assert_int_equal(rdx_publisher_open(&publisher, &options), 0);
	assert_true(publisher->names_max == RDX_NAMES_MAX);
	rdx_publisher_close(publisher);
	end(&g);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_no_memory(void **state)
{
	uint64_t begun_ns, wait_ns;
	uint32_t growths;
	struct growth g;

	(void)state;
	make(&g);
	until_state(&g.x, SMALL, 0, RDX_STATE_EXACT, g.small, NULL);
	limit_files(g.small->owner.header->file_bytes);
	begun_ns = rdx_clock_ns();
	prompt_store(g.small, 1, REMEMBERED, 0); /* in its spare records */
	assert_int_equal(stats_of(g.small).outgrown, 1);
	assert_int_equal(stats_of(g.small).inexact, 0);
	wait_ns = g.small->enlarge_wait_ns;
	assert_true(wait_ns >= SECOND_NS && g.small->enlarge_ns >= begun_ns + wait_ns);
	g.small->enlarge_ns = UINT64_MAX; /* not now */
	assert_int_equal(rdx_publisher_check(g.small), 0);
	g.small->enlarge_ns = 0;
	assert_int_equal(rdx_publisher_check(g.small), -EFBIG);
	assert_true(g.small->enlarge_wait_ns == 2 * wait_ns);
	assert_int_equal(unlinkat(g.x.rig.dir_fd, "bell", 0), 0); /* made again all the same */
	g.small->enlarge_ns = 0;
	assert_int_equal(rdx_publisher_check(g.small), -EFBIG);
	assert_int_equal(faccessat(g.x.rig.dir_fd, "bell", F_OK, 0), 0);
	assert_int_equal(stats_of(g.small).name_lost, 0);
	limit_files(RLIM_INFINITY);
	until_state(&g.x, SMALL, 0, RDX_STATE_EXACT, g.small, NULL);
	/* it is full now: what does not fit is lacking until it is gone, also after it has grown */
	limit_files(g.small->owner.header->file_bytes);
	growths = stats_of(g.small).growths;
	prompt_store(g.small, 1, 4 * REMEMBERED, 0);
	assert_int_equal(stats_of(g.small).inexact, RDX_INEXACT_LACKING);
	limit_files(RLIM_INFINITY);
	until_state(&g.x, SMALL, 0, RDX_STATE_LACKING, g.small, NULL);
	g.small->enlarge_ns = 0;
	assert_int_equal(rdx_publisher_check(g.small), 0);
	assert_true(stats_of(g.small).growths > growths && g.small->enlarge_wait_ns == 0);
	assert_int_equal(stats_of(g.small).inexact, RDX_INEXACT_LACKING);
	until_state(&g.x, SMALL, 0, RDX_STATE_LACKING, g.small, NULL);
	prompt_store(g.small, 1, 4 * REMEMBERED, 0);
	assert_int_equal(stats_of(g.small).inexact, 0);
	until_state(&g.x, SMALL, 0, RDX_STATE_EXACT, g.small, NULL);
	assert_int_equal(prompt_run(g.x.index, 1, 4 * REMEMBERED, SMALL, 0), 4 * REMEMBERED);
	end(&g);
}

/* A clear by one rank of the worker, before, between and after the other one's growth. */
static void test_cleared_meanwhile(void **state)
{
	struct rdx_publisher *rank[2];
	struct growth g;

	(void)state;
	make(&g);
	rdx_publisher_close(g.small);
	for (uint32_t i = 0; i < 2; i++)
		rank[i] = open_small(g.x.dir, i, RDX_CLEAR_WORKER);
	until_state(&g.x, SMALL, 0, RDX_STATE_EXACT, rank[0], NULL);
	for (uint32_t round = 0; round < 6; round++) {
		uint32_t count = REMEMBERED << round;

		for (uint32_t i = 0; i < count; i += REMEMBERED / 2) {
			prompt_store(rank[0], 1 + round, i + REMEMBERED / 2, 0);
			if (i + REMEMBERED / 2 < count)
				assert_true(rdx_publisher_check(rank[0]) >= 0);
		}
		prompt_store(rank[1], 1, 1, 0);
		if (round & 1)
			assert_int_equal(rdx_publish_cleared(rank[1], RDX_SCOPE_ALL, 0), 0);
		assert_true(rdx_publisher_check(rank[0]) >= 0);
		if (!(round & 1))
			assert_int_equal(rdx_publish_cleared(rank[1], RDX_SCOPE_ALL, 0), 0);
		UNTIL (prompt_run(g.x.index, 1 + round, count, SMALL, 0) == 0)
			indexer_poll(&g.x);
		prompt_store(rank[0], 1, 2, 0);
		assert_int_equal(stats_of(rank[0]).held[0], 2);
		until_state(&g.x, SMALL, 0, RDX_STATE_EXACT, rank[0], NULL);
		assert_int_equal(prompt_run(g.x.index, 1, 2, SMALL, 0), 2);
	}
	assert_true(stats_of(rank[0]).growths >= 3);
	rdx_publisher_close(rank[1]);
	g.small = rank[0];
	end(&g);
}

#ifdef RDX_HOOKS
static int grower_main(const char *path)
{
	struct child_plan *plan = child_attend(path, sizeof(*plan));
	struct rdx_publisher *publisher = open_small(plan->dir, 0, RDX_CLEAR_RANK);

	child_heed(plan);
	prompt_store(publisher, 1, PROMPT_MAX, 0);
	return 1; /* it was to be killed */
}

static void test_killed(void **state)
{
	/* the first and the next times that it grows, and in records that were not there before */
	static const struct {
		enum rdx_hook_step step;
		uint32_t times;
	} steps[] = {{RDX_HOOK_LEDGER_ALLOCATED, 1},
		     {RDX_HOOK_LEDGER_ALLOCATED, 2},
		     {RDX_HOOK_LEDGER_WORD, 2 * REMEMBERED},
		     {RDX_HOOK_SLOT_HALF, 2 * REMEMBERED}};
	struct child_plan *plan;
	char path[192];
	struct growth g;

	(void)state;
	make(&g);
	rdx_publisher_close(g.small);
	plan = child_share(&g.x.rig, "plan", sizeof(*plan), path);
	assert_non_null(plan);
	strcpy(plan->dir, g.x.dir);
	for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct stat st;
		pid_t pid;

		child_arm(plan, steps[i].step, steps[i].times);
		pid = child_start(ROLE, path);
		assert_true(pid > 0);
		UNTIL (child_was_killed(pid) != 0)
			indexer_poll(&g.x);
		until_state(&g.x, SMALL, 0, RDX_STATE_GONE, NULL, NULL);
		g.small = open_small(g.x.dir, 0, RDX_CLEAR_RANK);
		assert_int_not_equal(fstatat(g.x.rig.dir_fd, "1/.tmp-0.seg", &st, 0), 0);
		prompt_store(g.small, 2, BLOCKS, 0);
		until_state(&g.x, SMALL, 0, RDX_STATE_EXACT, g.small, NULL);
		assert_int_equal(prompt_run(g.x.index, 1, BLOCKS, SMALL, 0), 0);
		assert_int_equal(prompt_run(g.x.index, 2, BLOCKS, SMALL, 0), BLOCKS);
		rdx_publisher_close(g.small);
	}
	g.small = NULL;
	end(&g);
}
#endif

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_followed),     cmocka_unit_test(test_read),
		cmocka_unit_test(test_at_its_limit), cmocka_unit_test(test_cleared_meanwhile),
		cmocka_unit_test(test_no_memory),
#ifdef RDX_HOOKS
		cmocka_unit_test(test_killed),
#endif
	};

#ifdef RDX_HOOKS
	if (argc == 3 && strcmp(argv[1], ROLE) == 0)
		return grower_main(argv[2]);
#endif
	(void)argc;
	(void)argv;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
