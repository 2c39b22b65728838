/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Description: a publisher whose files lost their names makes them again (rdx_publisher_check): who
 * comes later finds exactly what it holds, and never two of a rank.
 */
#include "tests/indexer_rig.h"
#include "tests/patience.h"

#include "producer/publisher_state.h"
#include "shm/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <ringdex/rdx_reader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STRUCK   1
#define SPARED   2 /* is told the same, and loses nothing */
#define PROMPTS  6
#define BLOCKS   9
#define SETS_MAX 4096

struct lost {
	struct indexer_rig x;
	char dir[128];
	uint64_t seed;
	struct rdx_publisher *struck, *spared;
};

static void make(struct lost *l)
{
	memset(l, 0, sizeof(*l));
	indexer_rig_make(&l->x);
	snprintf(l->dir, sizeof(l->dir), "%s/ns", l->x.rig.dir);
	l->x.dir = l->dir;
	l->seed = rig_seed();
	l->struck = prompt_publisher(&l->x, STRUCK, 0);
	l->spared = prompt_publisher(&l->x, SPARED, 0);
}

static void end(struct lost *l)
{
	rdx_publisher_close(l->struck);
	rdx_publisher_close(l->spared);
	indexer_rig_end(&l->x);
}

/* Remove what the pattern below the directory names; "": that itself. */
static void strike(const struct lost *l, const char *pattern)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf %s%s%s", l->dir, *pattern ? "/" : "", pattern);
	assert_int_equal(system(command), 0);
}

/* The same calls on both; holes are among what they leave. */
static void tell_both(struct lost *l, int calls)
{
	struct rdx_publisher *both[] = {l->struck, l->spared};

	while (calls--) {
		uint64_t dice = rig_random(&l->seed), prompt = dice % PROMPTS + 1;
		uint32_t count = (uint32_t)(dice >> 8) % BLOCKS + 1;
		uint8_t tier = dice >> 16 & 1;

		for (int i = 0; i < 2; i++) {
			if ((dice >> 20) % 64 == 0)
				assert_int_equal(rdx_publish_cleared(both[i], tier, 0), 0);
			else if (dice >> 24 & 1)
				prompt_store(both[i], prompt, count, tier);
			else
				prompt_remove(both[i], prompt, BLOCKS - count, count, tier);
		}
	}
}

/* In the index that there is, and in that of an indexer that begins now. */
static void expect_equal(struct lost *l)
{
	for (int fresh = 0; fresh < 2; fresh++) {
		struct prompt_held struck, spared;

		if (fresh) {
			rdx_index_close(l->x.index);
			rdx_indexer_close(l->x.indexer);
			l->x.index = NULL;
			indexer_rig_open(&l->x, RDX_WAIT_AUTO);
		}
		until_state(&l->x, STRUCK, 0, RDX_STATE_EXACT, l->struck, NULL);
		until_state(&l->x, SPARED, 0, RDX_STATE_EXACT, l->spared, NULL);
		struck = prompt_held(&l->x, STRUCK);
		spared = prompt_held(&l->x, SPARED);
		assert_true(struck.sum == spared.sum);
		assert_int_equal(struck.count, spared.count);
	}
}

static void test_made_again(void **state)
{
	static const char *const patterns[] = {"1/0.seg", "1/0.lock", "1", "1/*"};
	struct lost l;

	(void)state;
	make(&l);
	indexer_rig_open(&l.x, RDX_WAIT_AUTO);
	for (int i = 0; i < 12; i++) {
		uint64_t epoch = rdx_publisher_epoch(l.struck);

		/* at first fewer events than the ring has slots */
		tell_both(&l, i < 4 ? 3 : 100);
		assert_int_equal(rdx_publisher_check(l.struck), 0);
		strike(&l, patterns[i % 4]);
		tell_both(&l, 3); /* into files without names */
		assert_int_equal(rdx_publisher_check(l.struck), 1);
		assert_true(rdx_publisher_epoch(l.struck) != epoch);
		assert_int_equal(rdx_publisher_check(l.struck), 0);
		if (i & 1)
			tell_both(&l, 3);
		expect_equal(&l);
	}
	end(&l);
}

static void test_the_whole_directory(void **state)
{
	struct lost l;

	(void)state;
	make(&l);
	tell_both(&l, 50);
	strike(&l, "");
	assert_int_equal(rdx_publisher_check(l.struck), 1);
	assert_int_equal(rdx_publisher_check(l.spared), 1);
	tell_both(&l, 5);
	indexer_rig_open(&l.x, RDX_WAIT_AUTO);
	expect_equal(&l);
	end(&l);
}

/* All that it held has other hashes there: it begins empty, and LACKING until all is cleared. */
static void test_another_key(void **state)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	struct rdx_publisher *other;
	uint64_t fingerprint;
	struct lost l;

	(void)state;
	make(&l);
	tell_both(&l, 50);
	fingerprint = rdx_publisher_hash_key(l.struck)->fingerprint;
	strike(&l, "");
	other = prompt_publisher(&l.x, 3, 0);
	assert_int_equal(rdx_publisher_check(l.struck), RDX_CHECK_EMPTIED);
	assert_int_equal(rdx_publisher_check(l.struck), RDX_CHECK_SOUND);
	assert_true(rdx_publisher_hash_key(l.struck)->fingerprint != fingerprint);
	assert_int_equal(rdx_publisher_get_stats(l.struck, &stats), 0);
	assert_int_equal(stats.held[RDX_TIER_DEVICE] + stats.names + stats.name_lost, 0);
	assert_int_equal(stats.inexact, RDX_INEXACT_LACKING);
	indexer_rig_open(&l.x, RDX_WAIT_AUTO);
	until_state(&l.x, STRUCK, 0, RDX_STATE_LACKING, NULL, NULL);
	prompt_store(l.struck, 1, BLOCKS, 0);
	UNTIL (prompt_run(l.x.index, 1, BLOCKS, STRUCK, 0) == BLOCKS)
		indexer_poll(&l.x);
	/* and goes on as one that was not there before */
	assert_int_equal(rdx_publish_cleared(l.struck, RDX_SCOPE_ALL, 0), 0);
	assert_int_equal(rdx_publisher_check(l.spared), RDX_CHECK_EMPTIED);
	assert_int_equal(rdx_publish_cleared(l.spared, RDX_SCOPE_ALL, 0), 0);
	tell_both(&l, 50);
	expect_equal(&l);
	rdx_publisher_close(other);
	end(&l);
}

static void test_never_two(void **state)
{
	struct rdx_publisher *second, *third = NULL;
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	struct rdx_publisher_options options;
	struct lost l;

	(void)state;
	make(&l);
	indexer_rig_open(&l.x, RDX_WAIT_AUTO);
	prompt_store(l.struck, 1, BLOCKS, 0);
	until_state(&l.x, STRUCK, 0, RDX_STATE_EXACT, l.struck, NULL);
	strike(&l, "1");
	second = prompt_publisher(&l.x, STRUCK, 0);
	prompt_store(second, 2, BLOCKS, 0);
	assert_int_equal(rdx_publisher_check(l.struck), -EBUSY);
	assert_int_equal(rdx_publisher_check(l.struck), -EBUSY);
	assert_int_equal(rdx_publish_cleared(l.struck, RDX_SCOPE_ALL, 0), -EBUSY);
	assert_int_equal(rdx_publisher_get_stats(l.struck, &stats), -EBUSY);
	UNTIL (prompt_run(l.x.index, 2, BLOCKS, STRUCK, 0) == BLOCKS)
		indexer_poll(&l.x);
	assert_int_equal(prompt_run(l.x.index, 1, BLOCKS, STRUCK, 0), 0);
	/* and who has made its files again keeps the next one out */
	strike(&l, "1");
	assert_int_equal(rdx_publisher_check(second), 1);
	options = prompt_options(&l.x, STRUCK, 0, 2, 64);
	assert_int_equal(rdx_publisher_open(&third, &options), -EBUSY);
	rdx_publisher_close(second);
	end(&l);
}

/* A cleaner that stands still with the rank's lock is no successor. */
static void test_a_stopped_cleaner(void **state)
{
	struct lost l;

	(void)state;
	make(&l);
	indexer_rig_open(&l.x, RDX_WAIT_AUTO);
	for (int whole = 0; whole < 2; whole++) {
		char path[160];
		int fd;

		tell_both(&l, 20);
		strike(&l, whole ? "1" : "1/0.lock");
		snprintf(path, sizeof(path), "%s/1", l.dir);
		assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
		snprintf(path, sizeof(path), "%s/1/0.lock", l.dir);
		fd = rdx_lock_open_to_clean(AT_FDCWD, path, 1);
		assert_true(fd >= 0);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(rdx_publisher_check(l.struck), -EAGAIN);
			tell_both(&l, 3);
		}
		rdx_lock_drop(fd);
		assert_int_equal(rdx_publisher_check(l.struck), 1);
		expect_equal(&l);
	}
	end(&l);
}

static void test_the_bell(void **state)
{
	char path[160];
	struct lost l;
	struct stat st;

	(void)state;
	make(&l);
	snprintf(path, sizeof(path), "%s/bell", l.dir);
	strike(&l, "bell");
	assert_int_equal(rdx_publisher_check(l.struck), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_true(l.struck->owner.live->counters[RDX_COUNTER_BELL] == st.st_ino);
	assert_true(l.spared->owner.live->counters[RDX_COUNTER_BELL] != st.st_ino);
	end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_again),  cmocka_unit_test(test_the_whole_directory),
		cmocka_unit_test(test_another_key), cmocka_unit_test(test_never_two),
		cmocka_unit_test(test_the_bell),    cmocka_unit_test(test_a_stopped_cleaner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
